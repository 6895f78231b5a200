"""A function and the gradient derived for it, evaluated by the checks of `derivation`."""

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Function = Callable[..., Any]
Point = Sequence[Any]
Gradients = dict[str, np.ndarray]


@dataclass(frozen=True)
class Pair:
    """`f` and `df` take the inputs `names`. df returns the gradients with respect to `free`."""

    f: Function
    df: Function
    names: list[str]
    free: list[str]
    step: float

    def value(self, point: Point) -> float:
        found = np.asarray(self.f(*map(copy.deepcopy, point)))
        if found.size != 1:
            raise ValueError(
                f"f returns {found.shape}: a gradient is that of a number, so sum it, or "
                "multiply it with fixed weights and sum"
            )
        if found.dtype.kind not in "fiub":
            raise ValueError(f"f returns {found.dtype}, which is not a real number")
        if found.dtype in (np.float16, np.float32):
            raise ValueError(_too_coarse(found.dtype.name))
        return float(found.reshape(()))

    def gradients(self, point: Point) -> Gradients:
        return self.read(self.df(*map(copy.deepcopy, point)))

    def read(self, found: Any) -> Gradients:
        """What df returned, by the names of the inputs."""
        free = self.free
        if not isinstance(found, tuple | list):
            free, found = free[:1], [found]
        elif len(free) == 1 < len(found) and not any(map(np.ndim, found)):
            found = [found]  # a list of numbers
        elif len(found) == len(self.names) > len(free):
            found = [found[self.names.index(name)] for name in free]
        if len(found) != len(free):
            missing = ", ".join(repr(name) for name in free[len(found) :])
            advice = f"; hold an input fixed with constants=[{missing}]" if missing else ""
            raise ValueError(
                f"df returns {len(found)} gradients for {len(free)} inputs: return one for each of "
                f"{', '.join(free)}, in this order{advice}"
            )
        for name, gradient in zip(free, found):
            if np.asarray(gradient).dtype.kind not in "fiub":
                raise ValueError(
                    f"the gradient of {name} is {type(gradient).__name__}, no array of floats"
                )
        return {name: np.asarray(g, dtype=np.float64) for name, g in zip(free, found)}

    def moved(self, point: Point, name: str, index: tuple[int, ...], by: float) -> float:
        """The value where one entry of one input is increased."""
        at = self.names.index(name)
        there = [x.copy() if i == at else x for i, x in enumerate(point)]
        there[at][index] += by
        return self.value(there)

    def slope(self, point: Point, name: str, index: tuple[int, ...], step: float) -> float:
        """The derivative by one entry."""
        return float(central_difference(lambda t: self.moved(point, name, index, t), step))

    def differences(self, point: Point, name: str) -> np.ndarray:
        """The gradient with respect to one input, entry by entry."""
        gradient = np.zeros(np.shape(point[self.names.index(name)]))
        for index in np.ndindex(gradient.shape):
            gradient[index] = self.slope(point, name, index, self.step)
        return gradient

    def refuse_noise(self, point: Point) -> None:
        """Raise ValueError for an f that gives differences no meaning: random, or of float32."""
        once, twice = self.value(point), self.value(point)
        if once != twice and not np.isnan([once, twice]).all():
            raise ValueError(
                f"f is not the same twice: it gives {once:.8g}, and then {twice:.8g}; make its "
                "random numbers once, outside of it, or seed them inside"
            )
        at = next((n for n in self.free if np.size(point[self.names.index(n)])), None)
        if at is not None:
            first = (0,) * np.ndim(point[self.names.index(at)])
            values = [once, *(self.moved(point, at, first, k * self.step) for k in (-1, 1, 2))]
            moves, round_ = len(set(values)) > 1, all(v * 1024 % 1 == 0 for v in values)
            if moves and not round_ and all(float(np.float32(v)) == v for v in values):
                raise ValueError(_too_coarse("float32"))

    def roughness(self, point: Point, name: str, index: tuple[int, ...] | None) -> str:
        """Why differences mean nothing there: a kink, or a function that is not smooth."""
        if index is None:
            return ""

        def sides(step: float) -> tuple[float, float]:
            low, mid, high = (self.moved(point, name, index, k * step) for k in (-1, 0, 1))
            return (mid - low) / step, (high - mid) / step

        (below, above), (below_nearer, above_nearer) = sides(self.step), sides(self.step / 8)
        jump, nearer = above - below, above_nearer - below_nearer
        if abs(nearer) > max(abs(jump) / 2, 1e-3 * (1 + abs(above))):
            return (
                f"f has a kink there: its slope is {below:.6g} below and {above:.6g} above, so it "
                "has no derivative; check at another point."
            )
        slopes = [self.slope(point, name, index, k * self.step) for k in (1, 4)]
        if abs(slopes[0] - slopes[1]) > 1e-3 * (1 + abs(slopes[0])):
            return (
                f"f is not smooth there: with a step of {4 * self.step:g} the differences give "
                f"{slopes[1]:.8g}; is a kink or a jump near, or is some of it computed in float32?"
            )
        return ""


def central_difference(f: Callable[[float], Any], step: float) -> Any:
    """The derivative of f(t), a number or an array, at t = 0: of fourth order in the step."""
    return np.dot((1, -8, 8, -1), [f(k * step) for k in (-2, -1, 1, 2)]) / (12 * step)


def input_names(f: Function, count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # a function of C without a signature
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return names[:count] + [str(i) for i in range(len(names), count)]


def _too_coarse(dtype: str) -> str:
    return (
        f"f computes in {dtype}, which is too coarse for differences: leave out the astype; the "
        "inputs come in float64"
    )
