"""How time and memory grow: with the length of a graph, the batch, width, side and order.

Of forward and backward together: seconds of all cores, and the most bytes that Python holds at one
time. Growth is from the size before the largest to the largest.
"""

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from autograd import Tensor, conv2d, grad, tanh
from models import pictures


def _graph(length: int) -> None:
    """A chain of so many operations on 4 x 4 float32."""
    x = Tensor(np.full((4, 4), 0.5, np.float32), requires_grad=True)
    z = x
    for _ in range(length // 2):
        z = tanh(z * x)
    grad(z.sum(), x)


def _perceptron(batch: int, width: int) -> None:
    weights = [Tensor(np.eye(width, dtype=np.float32), requires_grad=True) for _ in range(3)]
    z = Tensor(np.ones((batch, width), np.float32))
    for w in weights:
        z = tanh(z @ w)
    grad(z.sum(), weights)


def _images(side: int) -> None:
    w = Tensor(np.full((16, 16, 3, 3), 0.01, np.float32), requires_grad=True)
    z = Tensor(np.ones((8, 16, side, side), np.float32))
    for _ in range(3):
        z = tanh(conv2d(z, w, padding=1))
    grad(z.sum(), w)


def _derivative(order: int) -> None:
    x = Tensor(0.5, requires_grad=True)
    y = tanh(x)
    for _ in range(order):
        y = grad(y, x, create_graph=True)


class Axis(NamedTuple):
    """`work` of each of `sizes` takes time and memory in proportion to `expected`, by its name."""

    sizes: tuple[int, ...]
    work: Callable[[int], None]
    formula: str
    expected: Callable[[int], float]
    scale: str = "log"


AXES = {
    "operations": Axis((300, 3_000, 30_000, 300_000), _graph, "n", lambda n: n),
    "batch": Axis((64, 256, 1_024, 4_096), lambda n: _perceptron(n, 256), "n", lambda n: n),
    "width": Axis((64, 256, 1_024), lambda n: _perceptron(256, n), "n^2", lambda n: n**2),
    "side": Axis((16, 32, 64, 128), _images, "n^2", lambda n: n**2),
    # the graph of the n-th derivative of tanh has 3 times the nodes of the one before, in the limit
    "order": Axis((1, 3, 5, 7, 9, 10), _derivative, "3^n", lambda n: 3**n, "linear"),
}


KINDS = {"time": "s", "memory": "bytes"}


def measured(axis: Axis, rounds: int) -> dict[int, dict[str, float]]:
    """For each size the least seconds of so many calls, and the peak in bytes of another."""
    found = {}
    axis.work(axis.sizes[0])  # compiles the kernels
    for size in axis.sizes:
        seconds = []
        for _ in range(rounds):
            start = time.process_time()
            axis.work(size)
            seconds.append(time.process_time() - start)
        tracemalloc.start()
        axis.work(size)
        found[size] = {"time": min(seconds), "memory": float(tracemalloc.get_traced_memory()[1])}
        tracemalloc.stop()
    return found


def run(rounds: int, plot: Path | None = None) -> dict[str, Any]:
    result = {name: measured(axis, min(rounds, 3)) for name, axis in AXES.items()}
    print(f"{'':12}{'from':>8}{'to':>8}{'time':>8}{'memory':>8}{'expected':>10}")
    for name, axis in AXES.items():
        *_, (before, less), (last, more) = result[name].items()
        grown = "".join(f"{more[kind] / less[kind]:8.1f}" for kind in KINDS)
        expected = axis.expected(last) / axis.expected(before)
        print(f"{name:12}{before:8}{last:8}{grown}{expected:10.1f}  {axis.formula}")
    if plot:
        pictures.save(picture(result), plot)
    return {"growth": result}


def picture(result: dict[str, dict[int, dict[str, float]]]) -> Figure:
    """Time and memory are rows, each axis a column; dashed the expected, through the largest."""
    figure = pictures.Picture(figsize=(2.4 * len(result), 4.6), layout="constrained")
    panels = figure.subplots(2, len(result), squeeze=False, sharex="col")
    for column, (name, found) in zip(panels.T, result.items()):
        sizes, axis = list(found), AXES[name]
        for panel, (kind, unit) in zip(column, KINDS.items()):
            values = [row[kind] for row in found.values()]
            line = [values[-1] * axis.expected(n) / axis.expected(sizes[-1]) for n in sizes]
            panel.loglog(sizes, line, "--", color="0.5", label=axis.formula)
            panel.loglog(sizes, values, "o-", color="C0")
            panel.set(xscale=axis.scale, ylabel=f"{kind}, {unit}")
            panel.set_xticks(sizes, [f"{n:,}" for n in sizes], fontsize=9)
            panel.minorticks_off()
            panel.legend(frameon=False)
        column[-1].set_xlabel(name)
    return figure
