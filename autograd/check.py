"""Derivatives checked by number: `gradients` against finite differences, `adjoint` without them.

`derivation` checks what you derived on paper, in plain NumPy (`autograd.derivation`).

    check.gradients(lambda x, y: exp(x) * y, np.ones(3), np.ones(3), order=3)

raises a GradientError that says which argument and which element is wrong, what the derivative
is and what the differences say. The checks recompute everything from the function they are
given; a wrong rule cannot vouch for itself.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd.derivation import DerivationError, derivation
from autograd.sweep import grad
from autograd.tensor import Tensor, bare

__all__ = ["DerivationError", "GradientError", "adjoint", "derivation", "gradients"]


class GradientError(AssertionError):
    """A derivative that the check refuses, with the numbers it was refused for.

    `order` is 1 for the gradient itself; `argument` and `index` say which element, `derivative`
    is the engine's number, `difference` the check's. `step` is that of the finite differences; the
    adjoint identity takes none and compares whole arguments, so it has step 0 and index ().
    """

    def __init__(
        self,
        order: int,
        argument: int,
        index: tuple[int, ...],
        derivative: float,
        difference: float,
        step: float,
    ):
        self.order, self.argument, self.index = order, argument, index
        self.derivative, self.difference, self.step = derivative, difference, step
        check = f"finite differences (step {step:g})" if step else "the adjoint identity"
        super().__init__(
            f"derivative of order {order}, argument {argument} at {index}: the rules give "
            f"{derivative:.12g}, {check} {difference:.12g}"
        )


def gradients(
    f: Callable[..., Tensor],
    *args: Any,
    order: int = 1,
    step: float = 1e-4,
    tolerance: float = 1e-7,
    seed: int = 0,
) -> None:
    """Check the derivatives of `f` at `args`, up to `order`, against central differences.

    `f` takes Tensors and returns one, of any shape; `args` are arrays, checked in float64. What
    is compared is the derivative of s(x) = <w, f(x)> with random weights w, along one random
    direction in each argument, and element by element only to name a fault; for the next order,
    that of the gradients. The difference is the fourth-order stencil

        s'(t) = (s(t - 2h) - 8 s(t - h) + 8 s(t + h) - s(t + 2h)) / 12h + O(h^4),

    whose error at h = 1e-4 is the rounding of s, about 1e-12 |s|, which is allowed for;
    `tolerance`, relative to 1 + |s'|, leaves room for what cancels inside f. Weights and inner
    products stay outside the engine, whose rules are not to vouch for themselves.
    Raises GradientError.
    """
    arrays = [np.array(bare(arg), dtype=np.float64) for arg in args]
    rng = np.random.default_rng(seed)

    def outputs(*xs: Tensor) -> list[Tensor]:
        return [f(*xs)]

    for k in range(1, order + 1):
        weights = [rng.standard_normal(y.shape) for y in outputs(*map(_leaf, arrays))]
        _compare(outputs, arrays, weights, k, step, tolerance, rng)
        outputs = _gradients_of(outputs, weights)


Outputs = Callable[..., list[Tensor]]


def _compare(
    outputs: Outputs,
    arrays: list[np.ndarray],
    weights: list[np.ndarray],
    order: int,
    step: float,
    tolerance: float,
    rng: np.random.Generator,
) -> None:
    def difference(argument: int, direction: np.ndarray) -> tuple[float, float]:
        """The derivative along `direction` in one argument, and how far off it may be."""
        values = []
        for k in (-2, -1, 1, 2):
            moved = [x + k * step * direction if i == argument else x for i, x in enumerate(arrays)]
            ys = outputs(*map(_leaf, moved))
            values.append(sum(float((y.data * w).sum()) for y, w in zip(ys, weights)))
        derivative = float(np.dot((1, -8, 8, -1), values)) / (12 * step)
        rounding = np.abs(values).max() * np.finfo(float).eps / step
        return derivative, tolerance * (1 + abs(derivative)) + 10 * rounding

    leaves = [_leaf(x) for x in arrays]
    ys = outputs(*leaves)
    derivatives = [np.zeros_like(x) for x in arrays]
    for i, (y, w) in enumerate(zip(ys, weights)):
        # The graphs of the outputs overlap, so only the last sweep may free them. For the first
        # order that is the only one: it feeds arrays to the rules, as training does.
        found = grad(y, leaves, w, create_graph=i + 1 < len(ys))
        derivatives = [d + g.data for d, g in zip(derivatives, found)]

    for argument, derivative in enumerate(derivatives):
        direction = rng.standard_normal(derivative.shape)
        expected, allowed = difference(argument, direction)
        if abs(float((derivative * direction).sum()) - expected) <= allowed:
            continue
        faults = []
        for index in np.ndindex(derivative.shape):
            unit = np.zeros_like(derivative)
            unit[index] = 1
            number = float(derivative[index])
            faults.append(
                GradientError(order, argument, index, number, difference(argument, unit)[0], step)
            )
        raise max(faults, key=lambda e: np.nan_to_num(abs(e.derivative - e.difference), nan=np.inf))


def _gradients_of(outputs: Outputs, weights: list[np.ndarray]) -> Outputs:
    """The gradients of each weighted output, one after the other."""

    def gradients(*xs: Tensor) -> list[Tensor]:
        ys = outputs(*xs)
        return [g for y, w in zip(ys, weights) for g in grad(y, xs, w, create_graph=True)]

    return gradients


def adjoint(f: Callable[..., Tensor], *args: Any, order: int = 1, seed: int = 0) -> None:
    """Check the rules of a function that is linear in each of its arguments, to rounding.

    For y = f(x_1, x_2, ...) and any g, <g, y> = <vjp_i(g), x_i> for every i. No differences are
    taken, so this holds in the dtype of the arguments, float32 too. vjp_i(g) is in turn linear in
    g and in the other arguments, which is checked for the next `order`. Raises GradientError,
    with the two inner products as the two numbers.
    """
    _adjoint(f, args, 1, order, seed)


def _adjoint(f: Callable[..., Tensor], args: Sequence, k: int, order: int, seed: int) -> None:
    leaves = [_leaf(bare(arg)) for arg in args]
    y = f(*leaves)
    g = np.random.default_rng(seed).standard_normal(y.shape).astype(y.dtype)
    forward = float((g * y.data).sum(dtype=np.float64))
    size = float(np.abs(g * y.data).sum(dtype=np.float64))
    for i, (x, vjp) in enumerate(zip(leaves, grad(y, leaves, g, create_graph=True))):
        backward = float((vjp.data * x.data).sum(dtype=np.float64))
        size = max(size, float(np.abs(vjp.data * x.data).sum(dtype=np.float64)))
        if not abs(forward - backward) <= 100 * np.finfo(y.dtype).eps * (1 + size):
            raise GradientError(k, i, (), backward, forward, 0.0)
    if k < order:
        for i in range(len(leaves)):
            others = [*args[:i], *args[i + 1 :]]
            _adjoint(_vjp_of(f, leaves, i), [g, *others], k + 1, order, seed + 1)


def _vjp_of(f: Callable[..., Tensor], leaves: list[Tensor], i: int) -> Callable[..., Tensor]:
    """(g, the other arguments) to the cotangent of argument i, on which it does not depend."""

    def vjp(g: Tensor, *others: Tensor) -> Tensor:
        xs = [*others[:i], leaves[i], *others[i:]]
        return grad(f(*xs), leaves[i], g, create_graph=True)

    return vjp


def _leaf(array: np.ndarray) -> Tensor:
    return Tensor(array, requires_grad=True)
