"""Derivatives checked by number: `gradients` against finite differences, `adjoint` without them.

    check.gradients(lambda x, y: exp(x) * y, np.ones(3), np.ones(3), order=3)

raises a GradientError that says which argument and which element is wrong, what the derivative
is and what the differences say. The checks recompute everything from the function they are
given; a wrong rule cannot vouch for itself.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd.sweep import grad
from autograd.tensor import Tensor, bare


class GradientError(AssertionError):
    """A derivative that the check refuses, with the numbers it was refused for.

    `order` is 1 for the gradient itself; `argument` and `index` say which element, `derivative`
    is the engine's number, `difference` the check's, `step` the step of the differences.
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
        super().__init__(
            f"derivative of order {order}, argument {argument} at {index}: the rules give "
            f"{derivative:.12g}, finite differences {difference:.12g} (step {step:g})"
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

    `f` takes Tensors and returns one, of any shape; `args` are arrays, checked in float64. The
    function checked is s(x) = <w, f(x)> with random weights w, and for the next order
    <v, grad s(x)> with random v. It is compared along one random direction, and element by
    element only to name the fault. The difference is the fourth-order stencil

        s'(t) = (s(t - 2h) - 8 s(t - h) + 8 s(t + h) - s(t + 2h)) / 12h + O(h^4),

    whose error at h = 1e-4 is the rounding of s, about 1e-12 |s|; `tolerance` is relative to the
    size of the numbers, so it leaves room for what cancels inside f. Raises GradientError.
    """
    arrays = [np.array(bare(arg), dtype=np.float64) for arg in args]
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal(f(*map(Tensor, arrays)).shape)

    def scalar(*xs: Tensor) -> Tensor:
        return (f(*xs) * weights).sum()

    for k in range(1, order + 1):
        _compare(scalar, arrays, k, step, tolerance, rng)
        scalar = _directional_derivative(scalar, [rng.standard_normal(x.shape) for x in arrays])


def _compare(
    scalar: Callable[..., Tensor],
    arrays: list[np.ndarray],
    order: int,
    step: float,
    tolerance: float,
    rng: np.random.Generator,
) -> None:
    def difference(directions: Sequence[np.ndarray]) -> tuple[float, float]:
        """The derivative along `directions`, and the size of the numbers it is made of."""
        values = [
            scalar(*(_leaf(x + k * step * d) for x, d in zip(arrays, directions))).item()
            for k in (-2, -1, 1, 2)
        ]
        derivative = float(np.dot((1, -8, 8, -1), values)) / (12 * step)
        return derivative, 1 + np.abs(values).max() + np.abs(derivative)

    derivatives = [g.data for g in _gradients(scalar, [_leaf(x) for x in arrays], False)]
    directions = [rng.standard_normal(x.shape) for x in arrays]
    expected, size = difference(directions)
    found = sum(float((g * d).sum()) for g, d in zip(derivatives, directions))
    if abs(found - expected) <= tolerance * size:
        return

    def fault(argument: int, index: tuple[int, ...]) -> GradientError:
        unit = [np.zeros_like(x) for x in arrays]
        unit[argument][index] = 1
        number = float(derivatives[argument][index])
        return GradientError(order, argument, index, number, difference(unit)[0], step)

    elements = [(i, index) for i, x in enumerate(arrays) for index in np.ndindex(x.shape)]
    faults = [fault(*element) for element in elements]
    raise max(faults, key=lambda e: np.nan_to_num(abs(e.derivative - e.difference), nan=np.inf))


def adjoint(f: Callable[..., Tensor], *args: Any, order: int = 1, seed: int = 0) -> None:
    """Check the rules of a function that is linear in each of its arguments, to rounding.

    For y = f(x_1, x_2, ...) and any g, <g, y> = <vjp_i(g), x_i> for every i. No differences are
    taken, so this holds in the dtype of the arguments, float32 too. vjp_i(g) is in turn linear in
    g and in the other arguments, which is checked for the next `order`. Raises GradientError,
    with the two inner products as the two numbers.
    """
    leaves = [_leaf(bare(arg)) for arg in args]
    y = f(*leaves)
    g = np.random.default_rng(seed).standard_normal(y.shape).astype(y.dtype)
    forward = float((g * y.data).sum(dtype=np.float64))
    size = float(np.abs(g * y.data).sum(dtype=np.float64))
    for i, (x, vjp) in enumerate(zip(leaves, grad(y, leaves, g, create_graph=True))):
        backward = float((vjp.data * x.data).sum(dtype=np.float64))
        size = max(size, float(np.abs(vjp.data * x.data).sum(dtype=np.float64)))
        if not abs(forward - backward) <= 100 * np.finfo(y.dtype).eps * (1 + size):
            raise GradientError(1, i, (), backward, forward, 0.0)
    if order > 1:
        for i in range(len(leaves)):
            adjoint(_vjp_of(f, leaves, i), g, *_without(args, i), order=order - 1, seed=seed + 1)


def _vjp_of(f: Callable[..., Tensor], leaves: list[Tensor], i: int) -> Callable[..., Tensor]:
    """(g, the other arguments) to the cotangent of argument i, on which it does not depend."""

    def vjp(g: Tensor, *others: Tensor) -> Tensor:
        xs = [*others[:i], leaves[i], *others[i:]]
        return grad(f(*xs), leaves[i], g, create_graph=True)

    return vjp


def _without(args: Sequence, i: int) -> list:
    return [*args[:i], *args[i + 1 :]]


def _directional_derivative(
    scalar: Callable[..., Tensor], directions: list[np.ndarray]
) -> Callable[..., Tensor]:
    def derivative(*xs: Tensor) -> Tensor:
        gs = _gradients(scalar, xs, True)
        return sum(((g * d).sum() for g, d in zip(gs, directions)), Tensor(np.zeros(())))

    return derivative


def _gradients(scalar: Callable, xs: Sequence[Tensor], create_graph: bool) -> Sequence[Tensor]:
    s = scalar(*xs)
    if not s.requires_grad:  # s does not depend on xs: the derivative of something linear
        return [Tensor(np.zeros_like(x.data)) for x in xs]
    return grad(s, xs, create_graph=create_graph)


def _leaf(array: np.ndarray) -> Tensor:
    return Tensor(array, requires_grad=True)
