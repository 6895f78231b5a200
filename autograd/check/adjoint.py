"""The adjoint identity: a check of the rules of a multilinear function, without differences."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd.check.gradients import GradientError, leaf
from autograd.sweep import grad
from autograd.tensor import Tensor, array_of


def adjoint(f: Callable[..., Tensor], *args: Any, order: int = 1, seed: int = 0) -> None:
    """Check the rules of a function that is linear in each of its arguments, to rounding.

    For y = f(x_1, x_2, ...) and any g, <g, y> = <vjp_i(g), x_i> for every i. No differences are
    taken, so this holds in the dtype of the arguments, float32 too. vjp_i(g) is in turn linear in
    g and in the other arguments, which is checked for the next `order`. Raises GradientError,
    with the two inner products as the two numbers.
    """
    _adjoint(f, args, 1, order, seed)


def _adjoint(f: Callable[..., Tensor], args: Sequence, k: int, order: int, seed: int) -> None:
    leaves = [leaf(array_of(arg)) for arg in args]
    y = f(*leaves)
    g = np.random.default_rng(seed).standard_normal(y.shape).astype(y.dtype)
    forward, size = _inner_product(g, y.data)
    for i, (x, vjp) in enumerate(zip(leaves, grad(y, leaves, g, create_graph=True))):
        backward, backward_size = _inner_product(vjp.data, x.data)
        size = max(size, backward_size)
        if not abs(forward - backward) <= 100 * np.finfo(y.dtype).eps * (1 + size):
            raise GradientError(k, i, (), backward, forward, 0.0)
    if k < order:
        for i in range(len(leaves)):
            others = [*args[:i], *args[i + 1 :]]
            _adjoint(_vjp_of(f, leaves, i), [g, *others], k + 1, order, seed + 1)


def _inner_product(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """<x, y>, and the sum of the absolute products, which bounds its rounding."""
    products = x * y
    return float(products.sum(dtype=np.float64)), float(np.abs(products).sum(dtype=np.float64))


def _vjp_of(f: Callable[..., Tensor], leaves: list[Tensor], i: int) -> Callable[..., Tensor]:
    """(g, the other arguments) to the cotangent of argument i, on which it does not depend."""

    def vjp(g: Tensor, *others: Tensor) -> Tensor:
        xs = [*others[:i], leaves[i], *others[i:]]
        return grad(f(*xs), leaves[i], g, create_graph=True)

    return vjp
