"""A long graph, and second derivatives: a chain of 20,000 operations, a Hessian and its products.

The chain is of 4 x 4 float32, forward and backward. The scalar function of the Hessians is of two
layers with a tanh, at 32 numbers; PyTorch's are those of `torch.autograd.functional`.
"""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.interleaved import COLUMNS, Contestant, compare

LENGTH = 20_000
WIDTH = 32
CASES = ("chain", "Hessian-vector product", "Hessian")


def _values() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    w = rng.standard_normal((WIDTH, WIDTH), np.float32) / 4
    return w, *(rng.standard_normal(WIDTH, np.float32) for _ in range(2))


def _chain(library: Any, x: Any) -> Any:
    z = x
    for _ in range(LENGTH // 2):
        z = library.tanh(z * x)
    return z.sum()


def _scalar(library: Any, w: Any) -> Callable:
    return lambda x: (library.tanh(w @ library.tanh(w @ x)) ** 2).sum()


def ours(case: str) -> Callable[[], object]:
    import autograd

    w, x, v = _values()
    f = _scalar(autograd, w)
    start = autograd.Tensor(w[:4, :4], requires_grad=True)
    return {
        "chain": lambda: autograd.grad(_chain(autograd, start), start),
        "Hessian-vector product": lambda: autograd.hvp(f, x, v),
        "Hessian": lambda: autograd.hessian(f, x),
    }[case]


def torch(case: str) -> Callable[[], object]:
    import torch

    w, x, v = map(torch.tensor, _values())
    f, functional = _scalar(torch, w), torch.autograd.functional
    start = w[:4, :4].clone().requires_grad_()
    return {
        "chain": lambda: torch.autograd.grad(_chain(torch, start), start),
        "Hessian-vector product": lambda: functional.hvp(f, x, v),
        "Hessian": lambda: functional.hessian(f, x),
    }[case]


CONTESTANTS = {
    "chainrule": Contestant("autograd", ours),
    "pytorch": Contestant("torch", torch),
}


def bytes_per_operation() -> float:
    """Of the chain, at its peak, as Python counts them; the arrays are among them."""
    work = ours("chain")
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / LENGTH


def run(rounds: int) -> dict[str, Any]:
    measured = compare(CONTESTANTS, CASES, rounds, calls=1)
    print(f"{'':24}{'':12}{COLUMNS}{'ratio':>8}")
    seconds: dict[str, Any] = {}
    for case in CASES:
        seconds[case] = {who: m.seconds[case] for who, m in measured.items()}
        for who, m in measured.items():
            ratio = seconds[case]["chainrule"] / seconds[case][who]
            print(f"{case:24}{who:12}{m.columns(case)}{ratio:8.2f}")
    size = bytes_per_operation()
    print(f"an operation of the chain: {size:.0f} bytes")
    return {"seconds": seconds, "bytes_per_operation": size}
