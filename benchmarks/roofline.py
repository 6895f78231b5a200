"""Kernels beside PyTorch and beside what the machine could do.

A kernel cannot be faster than its floor, the larger of operations over the machine's peak rate
and bytes over its bandwidth (Williams, Waterman & Patterson 2009, "Roofline"). Both are measured
on the machine in the same run, before and after: the rate by products that stay in registers (on
CUDA by the vendor's matrix product, TF32 off), the bandwidth by copying what no cache holds. The
operations are those of the definition, so an algorithm that needs fewer may lie above the roof.
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.interleaved import CLOCKS, Contestant, compare


@dataclass(frozen=True)
class Cost:
    """What a case must do at least: arithmetic operations, and bytes read and written once."""

    operations: float
    bytes: float


@dataclass(frozen=True)
class Machine:
    """Operations a second, and bytes a second."""

    peak: float
    bandwidth: float

    def floor(self, cost: Cost) -> float:
        """Seconds."""
        return max(cost.operations / self.peak, cost.bytes / self.bandwidth)


CHANGE = 0.1
"""Of the machine's rates from before to after, that is worth a word."""


def measure(device: str) -> Machine:
    """The better of several tries."""
    work, copy = _on_cuda() if device == "cuda" else _on_cpu()

    def rate(task: Callable, amount: float) -> float:
        task()
        return amount / min(CLOCKS[device](task, 3) for _ in range(5))

    return Machine(rate(*work), rate(*copy))


def _on_cpu():
    from numba import njit

    from kernels.register_tile import ROWS, VECTORS, product, whole_vectors
    from kernels.threads import MACHINE

    columns, terms, times = VECTORS * whole_vectors(1, 4), 128, 20_000
    a, b = np.ones(terms, np.float32), np.ones(terms * columns, np.float32)
    rows = np.arange(ROWS)

    @njit(nogil=True)
    def multiply(a, a_rows, a_steps, b, c, c_rows):
        for _ in range(times):
            product(a, 0, a_rows, a_steps, b, 0, columns, c, 0, c_rows, columns)

    def work(core: int) -> None:
        c = np.zeros(ROWS * columns, np.float32)
        multiply(a, rows * 0, np.arange(terms), b, c, rows * columns)

    large = np.ones((MACHINE, 2**27 // MACHINE), np.uint8)
    copies = np.empty_like(large)

    def copy(core: int) -> None:
        copies[core] = large[core]

    operations = 2 * ROWS * columns * terms * times * MACHINE
    cores = ThreadPoolExecutor(MACHINE)

    def on_all(task: Callable) -> Callable:
        return lambda: list(cores.map(task, range(MACHINE)))

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
    """Measure, print the table, draw the picture; returns the numbers.

    The first contestant is ours; the ratios are its time over that of each PyTorch, where that is
    installed, and over the better of them.
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
    sums = {}
    for kind in dict.fromkeys(case.kind for case in costs):
        rows = [table[str(case)]["seconds"] for case in costs if case.kind == kind]
        seconds = {name: sum(row[name] for row in rows) for name in names}
        ratios = {name: seconds[names[0]] / seconds[name] for name in peers}
        cells = [f"{s * 1e3:10.3f}{'':26}" for s in seconds.values()]
        print(f"{f'sum of {kind}':{width}}" + "".join(f"{c:>36}" for c in cells) + _ratios(ratios))
        sums[kind] = {"seconds": seconds, "ratios": ratios}
    for doubt in _doubts(before, after, table):
        print(f"careful: {doubt}")
    if plot:
        draw(what, machine, costs, table, plot)
    return {"roof": vars(machine), "cases": table, "sums": sums}


def _doubts(before: Machine, after: Machine, table: dict[str, Any]) -> Iterator[str]:
    """What speaks against the numbers: a machine that others use gives less at one time."""
    for what, rates in (
        ("operations", (before.peak, after.peak)),
        ("bytes", (before.bandwidth, after.bandwidth)),
    ):
        if max(rates) > (1 + CHANGE) * min(rates):
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


def draw(
    what: str, machine: Machine, costs: dict[Any, Cost], table: dict[str, Any], path: Path
) -> None:
    """Operations a second against operations a byte, a panel for each pass, under the roof."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    passes = list(dict.fromkeys(case.which for case in costs))
    size = (4.6 * max(2, len(passes)), 4.6)
    figure, grid = plt.subplots(
        1, len(passes), figsize=size, sharey=True, squeeze=False, layout="constrained"
    )
    panels = grid[0]
    intensities = [cost.operations / cost.bytes for cost in costs.values()]
    x = np.geomspace(min(intensities) / 2, max(intensities) * 2, 200)
    roof = np.minimum(machine.peak, machine.bandwidth * x) / 1e9
    least = min(cost.bytes for cost in costs.values())
    names = list(next(iter(table.values()))["seconds"])
    for panel, which in zip(panels, passes):
        panel.loglog(x, roof, color="0.3")
        panel.set(title=which, xlabel="operations a byte")
        panel.grid(which="both", color="0.92")
        panel.set_axisbelow(True)
        cases = [case for case in costs if case.which == which]
        at = [costs[case].operations / costs[case].bytes for case in cases]
        sizes = [25 + 12 * math.log2(costs[case].bytes / least) for case in cases]
        for k, name in enumerate(names):
            rates = [costs[c].operations / table[str(c)]["seconds"][name] / 1e9 for c in cases]
            panel.scatter(at, rates, sizes, f"C{k}", "o^sDv"[k % 5], alpha=0.7, label=name)
        columns: dict[float, list[str]] = {}
        for place, case in sorted(zip(at, cases), key=lambda pair: pair[0]):
            near = next((c for c in columns if place < 1.3 * c), place)
            if case.label not in columns.setdefault(near, []):
                columns[near].append(case.label)
        for place, labels in columns.items():
            panel.text(
                place, 0.02, ", ".join(labels), rotation=90, ha="center", va="bottom", fontsize=8,
                color="0.35", transform=panel.get_xaxis_transform(),
            )  # fmt: skip
    rates = [c.operations / s / 1e9 for case, c in costs.items()
             for s in table[str(case)]["seconds"].values()]  # fmt: skip
    panels[0].set_ylim(min(rates) / 20, 2 * max(roof))  # room for the labels below
    panels[0].set_ylabel("billion operations a second")
    marks, _ = panels[0].get_legend_handles_labels()
    figure.legend(marks, names, loc="outside lower center", ncols=min(len(names), 5))
    figure.suptitle(f"{what}: the line is what the machine allows; larger marks are larger arrays")
    figure.savefig(path, dpi=130)
    plt.close(figure)
