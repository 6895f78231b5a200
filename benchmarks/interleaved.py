"""Contestants timed in turn, each in a process of its own.

A process of its own keeps one library's threads from spinning beside the other's, and makes its
peak memory its own. Every round times every case of every contestant, so that what else the
machine does falls on all alike; the median over the rounds is what counts. Where others use the
machine too, the least is the better number: the time of a call that nothing disturbed.
"""

import importlib
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Work = Callable[[], object]


@dataclass(frozen=True)
class Contestant:
    """`make(case)` returns the work to be timed; `imports` is the module it rests on."""

    imports: str
    make: Callable[[Any], Work]


def cpu_seconds(work: Work, calls: int) -> float:
    """Seconds a call."""
    started = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - started) / calls


def cuda_seconds(work: Work, calls: int) -> float:
    """Seconds a call by the device's own clock, each call finding the cache cold."""
    import cupy

    start, stop = cupy.cuda.Event(), cupy.cuda.Event()
    larger_than_the_cache = cupy.empty(2**28, cupy.uint8)
    total = 0.0
    for _ in range(calls):
        larger_than_the_cache.fill(0)
        start.record()
        work()
        stop.record()
        stop.synchronize()
        total += cupy.cuda.get_elapsed_time(start, stop) / 1e3
    return total / calls


CLOCKS = {"cpu": cpu_seconds, "cuda": cuda_seconds}


@dataclass(frozen=True)
class Measured:
    """Seconds a call, by case: the median, the least, and the middle half's share of the median.

    And mebibytes at the peak, and those above the bare imports.
    """

    seconds: dict[Any, float]
    least: dict[Any, float]
    spread: dict[Any, float]
    peak: float
    above_imports: float

    def columns(self, case: Any) -> str:
        """For below COLUMNS."""
        median, least = (1e3 * seconds[case] for seconds in (self.seconds, self.least))
        return f"{median:12.3f}{least:12.3f}{self.spread[case]:8.0%}"


COLUMNS = f"{'median ms':>12}{'least ms':>12}{'spread':>8}"


WARM_UP = 3
PAUSE = 0.05  # seconds between turns, for the threads of the one before to go to sleep


def compare(
    contestants: dict[str, Contestant],
    cases: Sequence[Any],
    rounds: int,
    calls: int,
    device: str = "cpu",
) -> dict[str, Measured]:
    """Time each case of each contestant, `calls` at a time, in turn for so many rounds."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for who, contestant in contestants.items():
        pipes[who], theirs = context.Pipe()
        arguments = (theirs, contestant, cases, device)
        processes.append(context.Process(target=_work, args=arguments, daemon=True))
        processes[-1].start()
        theirs.close()  # so that the end of the process is the end of the pipe
    for pipe in pipes.values():
        pipe.recv()  # ready
    times: dict[tuple[str, Any], list[float]] = {(who, case): [] for who in pipes for case in cases}
    for _ in range(rounds):
        for case in cases:
            for who, pipe in pipes.items():
                time.sleep(PAUSE)
                pipe.send((case, calls))
                times[who, case].append(pipe.recv())
    measured = {}
    for who, pipe in pipes.items():
        pipe.send(None)
        turns = {case: sorted(times[who, case]) for case in cases}
        medians = {case: statistics.median(turns[case]) for case in cases}
        least = {case: turns[case][0] for case in cases}
        halves = {case: turns[case][rounds * 3 // 4] - turns[case][rounds // 4] for case in cases}
        spread = {case: halves[case] / medians[case] for case in cases}
        measured[who] = Measured(medians, least, spread, *pipe.recv())
    for process in processes:
        process.join()
    return measured


def _work(pipe, contestant: Contestant, cases: Sequence[Any], device: str) -> None:
    importlib.import_module(contestant.imports)
    before = _peak_mebibytes()
    works = {case: contestant.make(case) for case in cases}
    for work in works.values():
        for _ in range(WARM_UP):
            work()
    pipe.send("ready")
    while order := pipe.recv():
        case, calls = order
        pipe.send(CLOCKS[device](works[case], calls))
    peak = _peak_mebibytes()
    pipe.send((peak, peak - before))


def _peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
