"""Time per operation, forward and backward, on 4 x 4 float32: what an engine's own work costs.

At this size arithmetic is free and all of the time is bookkeeping. Each operation is applied 32
times in a chain, and the gradient of the sum is taken with respect to both inputs.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from benchmarks.interleaved import Contestant, compare

LENGTH = 32

OPERATIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "add": lambda m, x, y: x + y,
    "sub": lambda m, x, y: x - y,
    "mul": lambda m, x, y: x * y,
    "div": lambda m, x, y: x / y,
    "matmul": lambda m, x, y: x @ y,
    "exp": lambda m, x, y: m.exp(x * 0.1),
    "tanh": lambda m, x, y: m.tanh(x),
    "sigmoid": lambda m, x, y: m.sigmoid(x),
    "relu": lambda m, x, y: m.relu(x),
    "sum": lambda m, x, y: x * x.sum(),
    "reshape": lambda m, x, y: x.reshape(2, 8).reshape(4, 4),
    "logsumexp": lambda m, x, y: x - m.logsumexp(x, -1, keepdims=True),
}
"""One application: `m` is the library; what stands beside the operation is in both."""


def _values() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((4, 4), np.float32), rng.uniform(0.8, 1.2, (4, 4)).astype("f")


def ours(name: str) -> Callable[[], object]:
    import autograd

    def logsumexp(x, axis, keepdims):
        return autograd.logsumexp(x, axis=axis, keepdims=keepdims)

    library = type("Library", (), {**vars(autograd), "logsumexp": logsumexp})
    x, y = (autograd.Tensor(v, requires_grad=True) for v in _values())
    return _chain(library, OPERATIONS[name], x, y)


def torch(name: str) -> Callable[[], object]:
    import torch

    x, y = (torch.tensor(v, requires_grad=True) for v in _values())
    return _chain(torch, OPERATIONS[name], x, y)


def _chain(library: Any, operation: Callable, x: Any, y: Any) -> Callable[[], object]:
    def work() -> None:
        z = x
        for _ in range(LENGTH):
            z = operation(library, z, y)
        z.sum().backward()
        x.grad = y.grad = None

    return work


CONTESTANTS = {
    "chainrule": Contestant("autograd", ours),
    "pytorch": Contestant("torch", torch),
}


def run(rounds: int) -> dict[str, Any]:
    """Microseconds an application: medians, whose ratio of sums counts, and the least."""
    measured = compare(CONTESTANTS, list(OPERATIONS), rounds, calls=10)
    head = f"{'chainrule':>12}{'PyTorch':>12}{'ratio':>8}"
    print(f"{'us: median':12}{head}{'least':>12}{head}")
    table = {}
    sides = list(measured.values())
    for name in OPERATIONS:
        row = {who: m.seconds[name] / LENGTH * 1e6 for who, m in measured.items()}
        table[name] = row | {"ratio": row["chainrule"] / row["pytorch"]}
        print(
            f"{name:12}"
            + _pair(row.values())
            + " " * 12
            + _pair(m.least[name] / LENGTH * 1e6 for m in sides)
        )
    sums = [sum(row[who] for row in table.values()) for who in ("chainrule", "pytorch")]
    least = [sum(m.least.values()) / LENGTH * 1e6 for m in sides]
    mean = math.exp(sum(math.log(row["ratio"]) for row in table.values()) / len(table))
    print(f"{'all':12}" + _pair(sums) + " " * 12 + _pair(least))
    print(f"geometric mean of the ratios: {mean:.2f}")
    return {
        "operations": table,
        "ratio_of_sums": sums[0] / sums[1],
        "geometric_mean": mean,
        "ratio_of_least_sums": least[0] / least[1],
    }


def _pair(times: Iterable[float]) -> str:
    ours, theirs = times
    return f"{ours:12.2f}{theirs:12.2f}{ours / theirs:8.2f}"
