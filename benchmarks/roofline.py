"""Kernels beside PyTorch, and beside what the machine allows.

A kernel cannot be faster than its floor: the larger of its operations over the machine's peak rate
and its bytes over the machine's bandwidth (Williams, Waterman & Patterson 2009, "Roofline"). Both
rates are measured in the same run, before and after: the peak by products that stay in registers
(on CUDA by the vendor's matrix product, TF32 off), the bandwidth by a copy that is larger than the
caches. The operations are those of the definition, so an algorithm that needs fewer may lie above
the roof.
"""

import json
import math
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.interleaved import CLOCKS, Contestant, compare
from models import pictures


@dataclass(frozen=True)
class Cost:
    """The least that a case takes: arithmetic operations, and bytes read and written once."""

    operations: float
    bytes: float


@dataclass(frozen=True)
class Machine:
    """Its rates: operations a second, and bytes a second."""

    peak: float
    bandwidth: float

    def floor(self, cost: Cost) -> float:
        """Seconds."""
        return max(cost.operations / self.peak, cost.bytes / self.bandwidth)


MAX_CHANGE = 0.1
"""Of the machine's rates during the run: for more, the report has a warning."""


def measure(device: str) -> Machine:
    """The highest rates of several tries."""
    work, copy = _on_cuda() if device == "cuda" else _on_cpu()

    def rate(task: Callable, amount: float) -> float:
        task()
        return amount / min(CLOCKS[device](task, 3) for _ in range(5))

    return Machine(rate(*work), rate(*copy))


def _on_cpu():
    from numba import njit

    from kernels.cpu.register_tile import ROWS, VECTORS, product, whole_vectors
    from kernels.cpu.threads import MAX_CORES

    columns, terms, times = VECTORS * whole_vectors(1, 4), 128, 20_000
    a, b = np.ones(terms, np.float32), np.ones(terms * columns, np.float32)
    rows = np.arange(ROWS)

    @njit(nogil=True)
    def multiply(a, a_rows, a_steps, b, c, c_rows):
        for _ in range(times):
            product(a, 0, a_rows, a_steps, b, 0, 0, c, 0, c_rows, columns)

    def work(core: int) -> None:
        c = np.zeros(ROWS * columns, np.float32)
        multiply(a, rows * 0, np.arange(terms), b, c, rows * columns)

    large = np.ones((MAX_CORES, 2**27 // MAX_CORES), np.uint8)
    copies = np.empty_like(large)

    def copy(core: int) -> None:
        copies[core] = large[core]

    operations = 2 * ROWS * columns * terms * times * MAX_CORES
    cores = ThreadPoolExecutor(MAX_CORES)

    def on_all(task: Callable) -> Callable:
        return lambda: list(cores.map(task, range(MAX_CORES)))

    return (on_all(work), operations), (on_all(copy), 2 * large.nbytes)


def _on_cuda():
    import cupy

    n = 8192
    a = cupy.ones((n, n), cupy.float32)
    product, large = cupy.empty_like(a), cupy.ones(2**30, cupy.uint8)
    copies = cupy.empty_like(large)
    multiply = (lambda: cupy.matmul(a, a, out=product), 2 * n**3)
    return multiply, (lambda: cupy.copyto(copies, large), 2 * large.nbytes)


def report(
    what: str,
    costs: dict[Any, Cost],
    contestants: dict[str, Contestant],
    device: str,
    rounds: int,
    plot: Path | None,
    calls: int = 1,
) -> dict[str, Any]:
    """Measure, print the table, save the plot; returns the numbers.

    The first contestant is ours. The ratios are its time over that of each PyTorch, if it is
    installed, and over the best of them.
    """
    contestants = {k: c for k, c in contestants.items() if find_spec(c.imports)}
    before = measure(device)
    measured = compare(contestants, list(costs), rounds, calls, device)
    after = measure(device)
    machine = Machine(max(before.peak, after.peak), max(before.bandwidth, after.bandwidth))
    print(
        f"{what} on {device}: {machine.peak / 1e9:,.0f} billion float32 operations a second, "
        f"{machine.bandwidth / 1e9:,.1f} GB/s"
    )
    names = list(contestants)
    peers = [name for name in names if name.startswith("PyTorch")]
    width = max(len(str(case)) for case in costs)
    head = f"{'median, least, spread (floor)':{width}}" + "".join(f"{n:>36}" for n in names)
    print(head + "   ratio to each PyTorch" + ", to the better" * (len(peers) > 1))
    table: dict[str, Any] = {}
    for case, cost in costs.items():
        floor = machine.floor(cost)
        seconds = {name: measured[name].seconds[case] for name in names}
        cells = [f"{measured[n].columns(case)[2:]}{floor / seconds[n]:6.0%}" for n in names]
        ratios = {name: seconds[names[0]] / seconds[name] for name in peers}
        if len(peers) > 1:
            ratios["the better"] = max(ratios.values())
        print(f"{case!s:{width}}" + "".join(f"{c:>36}" for c in cells) + _ratios(ratios))
        more = {"least": {name: measured[name].least[case] for name in names},
                "spread": {name: measured[name].spread[case] for name in names}}  # fmt: skip
        table[str(case)] = {"seconds": seconds, **more, "floor": floor, "ratios": ratios}
        table[str(case)] |= {"pass": case.which, "label": case.label, **vars(cost)}
    sums = {}
    for kind in dict.fromkeys(case.kind for case in costs):
        rows = [table[str(case)]["seconds"] for case in costs if case.kind == kind]
        seconds = {name: sum(row[name] for row in rows) for name in names}
        ratios = {name: seconds[names[0]] / seconds[name] for name in peers}
        cells = [f"{s * 1e3:10.3f}{'':26}" for s in seconds.values()]
        print(f"{f'sum of {kind}':{width}}" + "".join(f"{c:>36}" for c in cells) + _ratios(ratios))
        sums[kind] = {"seconds": seconds, "ratios": ratios}
    for warning in _warnings(before, after, table):
        print(f"careful: {warning}")
    if plot:
        pictures.save(figure_of(what, machine, table), plot)
    return {"roof": vars(machine), "cases": table, "sums": sums}


def _warnings(before: Machine, after: Machine, table: dict[str, Any]) -> Iterator[str]:
    """Reasons to doubt the numbers, such as a machine whose rates changed during the run."""
    for what, rates in (
        ("operations", (before.peak, after.peak)),
        ("bytes", (before.bandwidth, after.bandwidth)),
    ):
        if max(rates) > (1 + MAX_CHANGE) * min(rates):
            yield (
                f"{rates[0]:.3g} {what} a second before and {rates[1]:.3g} after, so others use "
                "the machine: trust the least more than the median"
            )
    for case, row in table.items():
        for name, least in row["least"].items():
            if least < row["floor"]:
                yield (
                    f"{name} at {case} is above the roof, {row['floor'] / least:.0%} of it: the "
                    "roof was measured too low, or the algorithm needs fewer operations"
                )


def _ratios(ratios: dict[str, float]) -> str:
    return "   " + ", ".join(f"{ratio:.2f}" for ratio in ratios.values())


def figure_of(what: str, machine: Machine, table: dict[str, Any]) -> Figure:
    """Operations a second against operations a byte, under the roof; a panel for each pass.

    The axes contain every mark, also one above the roof, and the slope of the roof.
    """
    passes = list(dict.fromkeys(case["pass"] for case in table.values()))
    figure = pictures.Picture(figsize=(3.2 * max(2, len(passes)), 4.8), layout="constrained")
    panels = figure.subplots(1, len(passes), sharex=True, sharey=True, squeeze=False)[0]
    intensity = lambda case: case["operations"] / case["bytes"]  # noqa: E731
    rate = lambda case, name: case["operations"] / case["seconds"][name] / 1e9  # noqa: E731
    names = list(next(iter(table.values()))["seconds"])
    rates = [rate(case, name) for case in table.values() for name in names]
    turns = [machine.peak / machine.bandwidth, *map(intensity, table.values())]
    x = np.geomspace(min(turns) / 2.4, 1.5 * max(turns), 200)
    least = min(case["bytes"] for case in table.values())
    for panel, which in zip(panels, passes):
        panel.loglog(x, np.minimum(machine.peak, machine.bandwidth * x) / 1e9, color="0.3")
        panel.set(title=which, xlabel="operations a byte")
        panel.grid(color="0.9")
        panel.set_axisbelow(True)
        cases = [case for case in table.values() if case["pass"] == which]
        cases.sort(key=intensity)
        at = [intensity(case) for case in cases]
        sizes = [25 + 10 * math.log2(case["bytes"] / least) for case in cases]
        for k, name in enumerate(names):
            panel.scatter(
                at, [rate(case, name) for case in cases], sizes, alpha=0.7, label=name,
                color=pictures.COLORS[k % len(pictures.COLORS)], marker="o^sDv"[k % 5],
            )  # fmt: skip
        columns: dict[float, list[str]] = {}
        for place, case in zip(at, cases):
            near = next((c for c in columns if place < 1.3 * c), place)
            if case["label"] not in columns.setdefault(near, []):
                columns[near].append(case["label"])
        above = panel.secondary_xaxis("top")  # outside of the axes, where there is no mark
        above.set_xticks(list(columns), [",\n".join(c) for c in columns.values()], rotation=90)
        above.tick_params(labelsize=8, labelcolor="0.35", which="both", length=0)
        above.minorticks_off()
    panels[0].set_ylim(min(rates) / 1.5, 1.5 * max(*rates, machine.peak / 1e9))
    panels[0].set_ylabel("billion operations a second")
    marks, _ = panels[0].get_legend_handles_labels()
    figure.legend(marks, names, loc="outside lower center", ncols=min(len(names), 4), frameon=False)
    figure.suptitle(f"{what}: the line is what the machine allows; larger marks, larger arrays")
    return figure


if __name__ == "__main__":  # python -m benchmarks.roofline RESULT.json PICTURE plots it again
    stored, picture = map(Path, sys.argv[1:])
    result = json.loads(stored.read_text("utf-8"))
    pictures.save(figure_of(stored.stem, Machine(**result["roof"]), result["cases"]), picture)
