"""Contestants timed in turn, each in a process of its own.

A process of its own keeps one library's threads from spinning beside the other's, and makes its
peak memory its own. Taking turns makes what else the machine does fall on all alike; the median
over the rounds is what counts.
"""

import importlib
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Contestant:
    """`make(*arguments)` returns the work to be timed; `imports` is the module it rests on."""

    imports: str
    make: Callable[..., Callable[[], object]]


WARM_UP = 3


@dataclass(frozen=True)
class Measured:
    """Median seconds a call; mebibytes at the peak, and those of them above the bare imports."""

    seconds: float
    peak: float
    above_imports: float


def compare(
    contestants: dict[str, Contestant],
    arguments: tuple = (),
    rounds: int = 15,
    calls: int = 20,
) -> dict[str, Measured]:
    """Time the work of each contestant, `calls` at a time, in turn for so many rounds."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name, contestant in contestants.items():
        pipes[name], theirs = context.Pipe()
        processes.append(context.Process(target=_work, args=(theirs, contestant, arguments)))
        processes[-1].start()
    for pipe in pipes.values():
        pipe.recv()  # ready
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, pipe in pipes.items():
            pipe.send(calls)
            seconds[name].append(pipe.recv())
    measured = {}
    for name, pipe in pipes.items():
        pipe.send(0)
        measured[name] = Measured(statistics.median(seconds[name]), *pipe.recv())
    for process in processes:
        process.join()
    return measured


def _work(pipe, contestant: Contestant, arguments: tuple) -> None:
    importlib.import_module(contestant.imports)
    before = _peak_mebibytes()
    work = contestant.make(*arguments)
    for _ in range(WARM_UP):
        work()
    pipe.send("ready")
    while calls := pipe.recv():
        started = time.perf_counter()
        for _ in range(calls):
            work()
        pipe.send((time.perf_counter() - started) / calls)
    peak = _peak_mebibytes()
    pipe.send((peak, peak - before))


def _peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
