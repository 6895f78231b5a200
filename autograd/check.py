"""Derivatives checked by number: `gradients` against finite differences, `adjoint` without them.

`derivation` checks what you derived on paper, in plain NumPy (`autograd.derivation`).

    check.gradients(lambda x, y: exp(x) * y, np.ones(3), np.ones(3), order=3)

raises a GradientError that says which argument and which element is wrong, what the derivative
is and what the differences say. The checks recompute everything from the function they are
given; a wrong rule cannot vouch for itself.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd.derivation import DerivationError, derivation
from autograd.sweep import grad
from autograd.tensor import Tensor, array_of

__all__ = ["DerivationError", "GradientError", "adjoint", "derivation", "gradients"]


class GradientError(AssertionError):
    """A derivative that the check refuses, with the numbers it was refused for.

    `order` is 1 for the gradient itself; `argument` and `index` say which element, `derivative`
    is the engine's number, `difference` the check's. `of` says in words what was differentiated.
    `step` is that of the finite differences; the adjoint identity takes none and compares whole
    arguments, so it has step 0 and index ().
    """

    def __init__(
        self,
        order: int,
        argument: int,
        index: tuple[int, ...],
        derivative: float,
        difference: float,
        step: float,
        of: str = "",
    ):
        self.order, self.argument, self.index = order, argument, index
        self.derivative, self.difference, self.step = derivative, difference, step
        check = f"finite differences (step {step:g})" if step else "the adjoint identity"
        super().__init__(
            f"derivative of order {order}, argument {argument} at {index}"
            + (f", of {of}" if of else "")
            + f": the rules give {derivative:.12g}, {check} {difference:.12g}"
        )


ELEMENTS = 64  # up to so many of an argument are moved one at a time

EPS, TINY = np.finfo(float).eps, np.finfo(float).tiny

Outputs = Callable[..., list[Tensor]]
Weights = list[np.ndarray]


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
    is compared is the derivative of <w, f(x)>: by each element of an argument of up to 64, and
    else along random directions, one for each order of magnitude that the gradient has; for the
    next order, where a difference costs sweeps, the derivative of the gradients, along directions.
    The weights w are random, and such that each output counts by its own slope. A fault is then
    looked for without them, so that the numbers reported are those of a derivation. The difference
    is the fourth-order stencil

        y'(t) = (y(t - 2h) - 8 y(t - h) + 8 y(t + h) - y(t + 2h)) / 12h + O(h^4),

    whose error at h = 1e-4 is the rounding of y, about 1e-12 |y|, of each output.

    `tolerance` is relative to the derivative. What is below `tolerance` itself may come from
    rounding inside f, and counts only where two steps agree. Weights and inner products stay
    outside the engine, whose rules are not to vouch for themselves. Raises GradientError.
    """
    if any(np.iscomplexobj(array_of(arg)) for arg in args):
        raise TypeError("check.gradients takes real inputs, and one is complex")
    arrays = [np.array(array_of(arg), dtype=np.float64) for arg in args]
    rng = np.random.default_rng(seed)

    def outputs(*xs: Tensor) -> list[Tensor]:
        return [f(*xs)]

    chain: list[Weights] = []
    for k in range(1, order + 1):
        at = _Point(_derivative(outputs, chain), arrays, step, tolerance, least=0 if k == 1 else 1)
        chain.append(at.weights(rng))
        if (fault := at.fault(chain[-1], rng, each=k == 1)) is not None:
            raise _named(outputs, at, chain, *fault)


class _Point(NamedTuple):
    """A function at arrays, its gradient by the rules and by differences, weighted.

    No output counts as less than `least`: gradients of what is weighted are made of numbers about
    1, and so is their rounding, though they may be nothing else.
    """

    outputs: Outputs
    arrays: list[np.ndarray]
    step: float
    tolerance: float
    least: float

    def values(self, arrays: list[np.ndarray]) -> Weights:
        return [y.data for y in self.outputs(*map(_leaf, arrays))]

    def weights(self, rng: np.random.Generator) -> Weights:
        """Random weights, over the slope of each output along a random direction.

        What two steps do not agree on is rounding and no slope, and counts as 1.
        """
        directions = [rng.standard_normal(x.shape) for x in self.arrays]
        slopes = []
        for step in (self.step, 8 * self.step):
            ends = [[x + k * step * d for x, d in zip(self.arrays, directions)] for k in (-1, 1)]
            low, high = map(self.values, ends)
            slopes.append([np.abs(y1 - y0) / (2 * step) for y0, y1 in zip(low, high)])
        weights = []
        for slope, again in zip(*slopes):
            certain = (np.abs(slope - again) <= 0.1 * slope) & (slope > 0)
            scale = np.where(certain, np.maximum(slope, self.least), 1)
            weights.append(rng.standard_normal(slope.shape) / scale)
        return weights

    def fault(
        self, weights: Weights, rng: np.random.Generator, each: bool
    ) -> tuple[int, np.ndarray] | None:
        """The argument, and the direction in it, along which the rules are wrong."""
        for argument, derivative in enumerate(self.gradient(weights)):
            small = each and derivative.size <= ELEMENTS
            for direction in _units(derivative.shape) if small else _magnitudes(derivative, rng):
                if self.wrong(weights, argument, direction, float((derivative * direction).sum())):
                    return argument, direction
        return None

    def gradient(self, weights: Weights) -> list[np.ndarray]:
        """By the rules, in all arguments."""
        leaves = [_leaf(x) for x in self.arrays]
        ys = self.outputs(*leaves)
        total = [np.zeros_like(x) for x in self.arrays]
        for i, (y, w) in enumerate(zip(ys, weights)):
            # The graphs of the outputs overlap, so only the last sweep may free them. For the first
            # order that is the only one: it feeds arrays to the rules, as training does.
            found = grad(y, leaves, w, create_graph=i + 1 < len(ys))
            total = [t + g.data for t, g in zip(total, found)]
        return total

    def wrong(
        self, weights: Weights, argument: int, direction: np.ndarray, derivative: float
    ) -> bool:
        expected, rounding = self.along(weights, argument, direction)
        off = abs(derivative - expected)
        if off <= self.tolerance * abs(expected) + rounding + 100 * EPS:
            return False  # the rules' own rounding is that of numbers about 1, as weighted
        if not off <= self.tolerance * (1 + abs(expected)) + rounding:
            return True
        # So little may come from rounding inside the function, but hardly the same three times.
        others = [
            self._replace(step=k * self.step).along(weights, argument, direction)[0] for k in (4, 8)
        ]
        return expected != 0 and all(abs(other - expected) <= off / 50 for other in others)

    def along(self, weights: Weights, argument: int, direction: np.ndarray) -> tuple[float, float]:
        """The derivative by differences along a direction, and how far off rounding puts it."""
        values = []
        for k in (-2, -1, 1, 2):
            moved = list(self.arrays)
            moved[argument] = moved[argument] + k * self.step * direction
            values.append(self.values(moved))
        derivative = rounding = 0.0
        for w, *ys in zip(weights, *values):
            slopes = (8 * (ys[2] - ys[1]) - (ys[3] - ys[0])) / (12 * self.step)
            derivative += float((w * slopes).sum())
            sizes = np.maximum(np.abs(ys).max(axis=0), self.least)
            rounding += float((np.abs(w) * sizes).sum()) * EPS / self.step
        return derivative, 10 * rounding


def _named(
    outputs: Outputs, at: _Point, chain: list[Weights], argument: int, direction: np.ndarray
) -> GradientError:
    """The error for one element of the argument, and one output of each order: by halving.

    Of each order that output alone is differentiated further, so no weights are left.
    """

    def numbers(chain: list[Weights], direction: np.ndarray) -> tuple[float, float, float]:
        there = at._replace(outputs=_derivative(outputs, chain[:-1]))
        derivative = float((there.gradient(chain[-1])[argument] * direction).sum())
        difference, rounding = there.along(chain[-1], argument, direction)
        off = abs(derivative - difference) / (rounding + abs(at.tolerance * difference) + TINY)
        return derivative, difference, float(np.nan_to_num(off, nan=np.inf))

    def halved(places: list[_Place], off: Callable[[list[_Place]], float]) -> _Place:
        while len(places) > 1:
            middle = len(places) // 2
            places = max(places[:middle], places[middle:], key=off)
        return places[0]

    def along(places: list[_Place]) -> float:
        return numbers(chain, _filled([direction], places)[0])[-1]

    _, index, _ = halved([p for p in _places([direction]) if p[-1]], along)
    direction = _filled([direction], [(0, index, 1.0)])[0]

    def only(chain: list[Weights], k: int, places: list[_Place]) -> list[Weights]:
        return [*chain[:k], _filled(chain[k], places), *chain[k + 1 :]]

    of = []
    for k in range(len(chain)):

        def alone(places: list[_Place], k: int = k, chain: list[Weights] = chain) -> float:
            return numbers(only(chain, k, places), direction)[-1]

        i, place, _ = halved(_places(chain[k]), alone)
        chain = only(chain, k, [(i, place, 1.0)])
        by = i % len(at.arrays)
        of.append(f"output {place}" if k == 0 else f"the derivative by {by} at {place}")
    derivative, difference, _ = numbers(chain, direction)
    said = " of ".join(o for o in reversed(of) if o != "output ()")
    return GradientError(len(chain), argument, index, derivative, difference, at.step, said)


_Place = tuple[int, tuple[int, ...], float]  # which array, which element, the number there


def _places(arrays: Weights) -> list[_Place]:
    return [
        (i, index, float(x[index])) for i, x in enumerate(arrays) for index in np.ndindex(x.shape)
    ]


def _filled(like: Weights, places: list[_Place]) -> Weights:
    """Arrays of zeros, but for these places."""
    arrays = [np.zeros_like(x) for x in like]
    for i, index, number in places:
        arrays[i][index] = number
    return arrays


def _units(shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    for index in np.ndindex(shape):
        yield _filled([np.zeros(shape)], [(0, index, 1.0)])[0]


def _magnitudes(derivative: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """A random direction through the elements of each order of magnitude, three digits wide."""
    size = np.abs(derivative)
    with np.errstate(divide="ignore", invalid="ignore"):
        places = np.floor(np.log10(size.max(initial=0) / size) / 3)
    for place in np.unique(places):
        same = (places == place) | (np.isnan(place) & np.isnan(places))
        yield np.where(same, rng.standard_normal(size.shape), 0.0)


def _derivative(outputs: Outputs, chain: list[Weights]) -> Outputs:
    """The gradients of each output, as weighted, of theirs, and so on."""
    for weights in chain:
        outputs = _gradients_of(outputs, weights)
    return outputs


def _gradients_of(outputs: Outputs, weights: Weights) -> Outputs:
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
    leaves = [_leaf(array_of(arg)) for arg in args]
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
