"""The derivatives of a function by the engine, compared with finite differences.

    check.gradients(lambda x, y: exp(x) * y, np.ones(3), np.ones(3), order=3)

raises a GradientError with the argument and the element that is wrong, its derivative by the rules
and by differences. Everything is computed again from the function, so that a wrong rule cannot
confirm itself.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from autograd.array import Rng
from autograd.sweep import grad
from autograd.tensor import Tensor, array_of


@dataclass(eq=False)
class GradientError(AssertionError):
    """A derivative that is wrong, with the numbers that show it.

    `order` is 1 for the gradient itself. `argument` and `index` name the element, `derivative`
    is the engine's number, `difference` the check's. `of` tells what was differentiated. `step`
    is that of the finite differences. The adjoint identity has none and compares whole arguments,
    so it has step 0 and index ().
    """

    order: int
    argument: int
    index: tuple[int, ...]
    derivative: float
    difference: float
    step: float
    of: str = ""

    def __str__(self) -> str:
        check = f"finite differences (step {self.step:g})" if self.step else "the adjoint identity"
        return (
            f"derivative of order {self.order}, argument {self.argument} at {self.index}"
            + (f", of {self.of}" if self.of else "")
            + f": the rules give {self.derivative:.12g}, {check} {self.difference:.12g}"
        )


ELEMENTS = 64  # an argument of at most so many is checked one element at a time

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

    `f` takes Tensors and returns one, of any shape. `args` are arrays, checked in float64. The
    derivative of <w, f(x)> is compared. For the first order and an argument of up to 64 elements,
    it is the derivative by each element. Otherwise it is taken along random directions, one for
    each order of magnitude in the gradient, since a difference of gradients costs sweeps. The
    weights w are random, and scaled so that each output counts by its own slope. An error is then
    located without them, so the numbers reported are plain derivatives. The difference is the
    fourth-order stencil

        y'(t) = (y(t - 2h) - 8 y(t - h) + 8 y(t + h) - y(t + 2h)) / 12h + O(h^4),

    whose error at h = 1e-4 is the rounding of y, about 1e-12 |y|, of each output.

    `tolerance` is relative to the derivative. An error below `tolerance` itself may come from
    rounding inside f, so it counts only where two more steps agree. Weights and inner products are
    computed outside the engine, so that no rule checks itself. Raises GradientError.
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
        chain = [*chain, at.weights(rng)]
        if (fault := at.fault(chain[-1], rng, each=k == 1)) is not None:
            raise _named(outputs, at, chain, *fault)


class _Point(NamedTuple):
    """A function at arrays, and its weighted gradient by the rules and by differences.

    No output counts as less than `least`. Gradients of weighted outputs are made of numbers of
    about 1, so their rounding has that size too, even where the gradients are 0.
    """

    outputs: Outputs
    arrays: list[np.ndarray]
    step: float
    tolerance: float
    least: float

    def values(self, arrays: list[np.ndarray]) -> Weights:
        return [y.data for y in self.outputs(*map(leaf, arrays))]

    def weights(self, rng: Rng) -> Weights:
        """Random weights, divided by the slope of each output along a random direction.

        A slope on which two steps disagree is rounding, and is replaced by 1.
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

    def fault(self, weights: Weights, rng: Rng, each: bool) -> tuple[int, np.ndarray] | None:
        """The argument, and the direction in it, along which the rules are wrong."""
        for argument, derivative in enumerate(self.gradient(weights)):
            n, directions = derivative.size, _magnitudes(derivative, rng)
            if each and n <= ELEMENTS:
                directions = iter(np.eye(n).reshape(n, *derivative.shape))
            for direction in directions:
                if self.wrong(weights, argument, direction, float((derivative * direction).sum())):
                    return argument, direction
        return None

    def gradient(self, weights: Weights) -> list[np.ndarray]:
        """By the rules, in all arguments."""
        leaves = [leaf(x) for x in self.arrays]
        ys = self.outputs(*leaves)
        total = [np.zeros_like(x) for x in self.arrays]
        for i, (y, w) in enumerate(zip(ys, weights)):
            # The graphs of the outputs overlap, so only the last sweep may free them. The first
            # order has one output, so its rules receive arrays, as in training.
            found = grad(y, leaves, w, create_graph=i + 1 < len(ys))
            total = [t + g.data for t, g in zip(total, found)]
        return total

    def wrong(
        self, weights: Weights, argument: int, direction: np.ndarray, derivative: float
    ) -> bool:
        expected, rounding = self.along(weights, argument, direction)
        off = abs(derivative - expected)
        if off <= self.tolerance * abs(expected) + rounding + 100 * EPS:
            return False  # the rules' own rounding is that of weighted numbers, about 1
        if not off <= self.tolerance * (1 + abs(expected)) + rounding:
            return True
        # Rounding inside the function may give so small a difference, but not three times the same.
        others = [
            self._replace(step=k * self.step).along(weights, argument, direction)[0] for k in (4, 8)
        ]
        return expected != 0 and all(abs(other - expected) <= off / 50 for other in others)

    def along(self, weights: Weights, argument: int, direction: np.ndarray) -> tuple[float, float]:
        """The derivative by differences along a direction, and a bound of its rounding."""
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
    """The error for one element of the argument and one output of each order, found by halving.

    In each order only that output is differentiated further, so no weights are left.
    """

    def numbers(levels: list[Weights]) -> tuple[float, float, float]:
        *orders, weights, (direction,) = levels
        there = at._replace(outputs=_derivative(outputs, orders))
        derivative = float((there.gradient(weights)[argument] * direction).sum())
        difference, rounding = there.along(weights, argument, direction)
        off = abs(derivative - difference) / (rounding + abs(at.tolerance * difference) + TINY)
        return derivative, difference, float(np.nan_to_num(off, nan=np.inf))

    levels, found = [*chain, [direction]], {}
    for k in (len(chain), *range(len(chain))):
        places = [place for place in _places(levels[k]) if place[-1]]
        while len(places) > 1:
            halves = places[: len(places) // 2], places[len(places) // 2 :]
            errors = [numbers(_only(levels, k, half))[-1] for half in halves]
            places = halves[int(errors[1] > errors[0])]
        i, index, _ = found[k] = places[0]
        levels = _only(levels, k, [(i, index, 1.0)])
    of = [f"output {found[0][1]}" if found[0][1] else ""]
    for k in range(1, len(chain)):
        i, index, _ = found[k]
        of.append(f"the derivative by {i % len(at.arrays)} at {index}")
    derivative, difference, _ = numbers(levels)
    text = " of ".join(filter(None, reversed(of)))
    index = found[len(chain)][1]
    return GradientError(len(chain), argument, index, derivative, difference, at.step, text)


_Place = tuple[int, tuple[int, ...], float]  # which array, which element, the number there


def _places(arrays: Weights) -> list[_Place]:
    return [
        (i, index, float(x[index])) for i, x in enumerate(arrays) for index in np.ndindex(x.shape)
    ]


def _only(levels: list[Weights], k: int, places: list[_Place]) -> list[Weights]:
    """The levels, but the k-th with zeros except at these places."""
    arrays = [np.zeros_like(x) for x in levels[k]]
    for i, index, number in places:
        arrays[i][index] = number
    return [*levels[:k], arrays, *levels[k + 1 :]]


def _magnitudes(derivative: np.ndarray, rng: Rng) -> Iterator[np.ndarray]:
    """A random direction through the elements of each order of magnitude, three digits wide."""
    size = np.abs(derivative)
    with np.errstate(divide="ignore", invalid="ignore"):
        places = np.floor(np.log10(size.max(initial=0) / size) / 3)
    for place in np.unique(places):
        same = (places == place) | (np.isnan(place) & np.isnan(places))
        yield np.where(same, rng.standard_normal(size.shape), 0.0)


def _derivative(outputs: Outputs, chain: list[Weights]) -> Outputs:
    """The weighted outputs differentiated once for each entry of `chain`."""

    def derivatives(*xs: Tensor) -> list[Tensor]:
        ys = outputs(*xs)
        for weights in chain:
            ys = [g for y, w in zip(ys, weights) for g in grad(y, xs, w, create_graph=True)]
        return ys

    return derivatives


def leaf(array: np.ndarray) -> Tensor:
    return Tensor(array, requires_grad=True)
