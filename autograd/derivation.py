"""A gradient derived on paper, checked by number, and a guess at what went wrong with it.

    check.derivation(lambda w: (w @ w) / 2, lambda w: 2 * w, np.ones(3))

raises a DerivationError: "argument w[0]: you derived 2, finite differences say 1. It is 2 times
the gradient." Function and gradient are plain NumPy: nothing of the engine is in it.
"""

import copy
import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from autograd import diagnosis

NEARBY = 3  # more points at which a guess has to fit


@dataclass(frozen=True)
class Wrong:
    """An argument whose gradient does not hold.

    `index` is the first entry that differs, or None if the derived array has another shape than
    its input; `derived` and `differences` are the two numbers there, or the two shapes. The
    `suggestion` may be empty; `line` is where df makes this gradient, or None without a source.
    """

    argument: str
    index: tuple[int, ...] | None
    derived: Any
    differences: Any
    found: str
    suggestion: str
    line: int | None

    def __str__(self) -> str:
        at = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        line = "" if self.line is None else f"line {self.line}, "
        return f"{line}argument {self.argument}{at}: {self.found}. {self.suggestion}".rstrip()


class DerivationError(AssertionError):
    """A derivation that does not hold: `wrong` has every argument for which it does not.

    `argument`, `index` and `suggestion` are those of the first.
    """

    def __init__(self, wrong: Sequence[Wrong]):
        self.wrong = list(wrong)
        self.argument, self.index = wrong[0].argument, wrong[0].index
        self.suggestion = wrong[0].suggestion
        super().__init__("\n".join(map(str, wrong)))


def derivation(
    f: Callable[..., Any],
    df: Callable[..., Any],
    *inputs: Any,
    constants: Collection[str] = (),
    step: float = 1e-4,
    tolerance: float = 1e-6,
) -> list[str]:
    """Check that `df` is the gradient of `f` at `inputs`, by fourth-order central differences.

    `f` takes arrays and returns a number; `df` takes the same and returns its gradient, an array
    of the input's shape, or a tuple of them. Held fixed are the inputs that `constants` names, and
    whatever is not floating-point, such as integer labels; and where df returns one array for
    several inputs, all but the first. Both functions are run in float64, on copies. An entry may
    be off by `tolerance` (1 + |entry|).

    Returns the names of the inputs by which the gradient holds. Raises DerivationError for one that
    does not hold, ValueError for functions that are not such a pair: of complex numbers, of
    float32, not the same twice, or whose returns do not fit the inputs.
    """
    names = _names(f, len(inputs))
    if unknown := set(constants) - set(names):
        raise ValueError(f"constants names {', '.join(unknown)}: the inputs are {', '.join(names)}")
    point = [np.array(x, dtype=np.float64) if _is_float(x, n) else x for n, x in zip(names, inputs)]
    free = [n for n, x in zip(names, inputs) if _is_float(x, n) and n not in constants]
    if not free:
        raise ValueError(
            "a derivation is checked at inputs: give at least one array of floats "
            "(np.array([1.0, 2.0]), not of integers), that is not among the constants"
        )
    check = _Pair(f, df, names, step)
    check.refuse_what_no_difference_can_see(point, free)
    derived = check.gradients(point, free)
    truths = {name: check.differences(point, name) for name in derived}
    places = {name: _first_wrong(derived[name], truth, tolerance) for name, truth in truths.items()}
    wrong = [name for name, place in places.items() if place is not False]
    if not wrong:
        return list(derived)
    said = {name: check.roughness(point, name, places[name]) for name in wrong}
    smooth = [name for name in wrong if not said[name]]
    said |= _suggestions(check, point, list(derived), smooth)
    lines = diagnosis.lines(df, names, list(derived))
    raise DerivationError(
        [_wrong(n, places[n], derived[n], truths[n], said.get(n, ""), lines.get(n)) for n in wrong]
    )


def _names(f: Callable[..., Any], count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # a function of C without a signature
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return names[:count] + [str(i) for i in range(len(names), count)]


def _is_float(x: Any, name: str) -> bool:
    try:
        kind = np.asarray(x).dtype.kind
    except ValueError:  # rows of different lengths
        return False
    if kind == "c":
        raise ValueError(
            f"{name} is complex: give its real and its imaginary part as two arrays of floats"
        )
    return kind == "f"


class _Pair(NamedTuple):
    f: Callable[..., Any]
    df: Callable[..., Any]
    names: list[str]
    step: float

    def value(self, point: Sequence[Any]) -> float:
        found = np.asarray(self.f(*map(copy.deepcopy, point)))
        if found.size != 1:
            raise ValueError(
                f"f returns {found.shape}: a gradient is that of a number, so sum it, or "
                "multiply it with fixed weights and sum"
            )
        if found.dtype.kind not in "fiub":
            raise ValueError(f"f returns {found.dtype}, which is not a real number")
        if found.dtype in (np.float16, np.float32):
            raise ValueError(
                f"f computes in {found.dtype}, which is too coarse for differences: leave out the "
                "astype; the inputs come in float64"
            )
        return float(found.reshape(()))

    def gradients(self, point: Sequence[Any], free: Sequence[str]) -> dict[str, np.ndarray]:
        return self.read(self.df(*map(copy.deepcopy, point)), point, free)

    def read(self, found: Any, point: Sequence[Any], free: Sequence[str]) -> dict[str, np.ndarray]:
        """What df returns, by the names of the inputs."""
        if not isinstance(found, tuple | list):
            free, found = free[:1], [found]
        elif len(free) == 1 < len(found) and not any(map(np.ndim, found)):
            found = [found]  # a list of numbers
        elif len(found) == len(self.names) > len(free):
            found = [found[self.names.index(name)] for name in free]
        if len(found) != len(free):
            missing = [repr(name) for name in free[len(found) :]]
            advice = (
                f"; hold an input fixed with constants=[{', '.join(missing)}]" if missing else ""
            )
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

    def moved(self, point: Sequence[Any], name: str, index: tuple[int, ...], by: float) -> float:
        at = self.names.index(name)
        there = [x.copy() if i == at else x for i, x in enumerate(point)]
        there[at][index] += by
        return self.value(there)

    def slope(self, point: Sequence[Any], name: str, index: tuple[int, ...], step: float) -> float:
        values = [self.moved(point, name, index, k * step) for k in (-2, -1, 1, 2)]
        return float(np.dot((1, -8, 8, -1), values)) / (12 * step)

    def differences(self, point: Sequence[Any], name: str) -> np.ndarray:
        """The gradient by one input, entry by entry."""
        gradient = np.zeros(np.shape(point[self.names.index(name)]))
        for index in np.ndindex(gradient.shape):
            gradient[index] = self.slope(point, name, index, self.step)
        return gradient

    def refuse_what_no_difference_can_see(self, point: Sequence[Any], free: Sequence[str]) -> None:
        once, twice = self.value(point), self.value(point)
        if once != twice and not np.isnan([once, twice]).all():
            raise ValueError(
                f"f is not the same twice: it gives {once:.8g}, and then {twice:.8g}; draw its "
                "random numbers once, outside of it, or seed them inside"
            )
        at = next((n for n in free if np.size(point[self.names.index(n)])), None)
        if at is not None:
            first = (0,) * np.ndim(point[self.names.index(at)])
            values = [once, *(self.moved(point, at, first, k * self.step) for k in (-1, 1, 2))]
            moves, round_ = len(set(values)) > 1, all(v * 1024 % 1 == 0 for v in values)
            if moves and not round_ and all(float(np.float32(v)) == v for v in values):
                raise ValueError(
                    "f computes in float32, which is too coarse for differences: leave out the "
                    "astype; the inputs come in float64"
                )

    def roughness(self, point: Sequence[Any], name: str, index: Any) -> str:
        """Why differences say nothing there: a kink, or a function that is not smooth."""
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
                f"f is not smooth there: with a step of {4 * self.step:g} differences say "
                f"{slopes[1]:.8g}; is a kink or a jump near, or is some of it computed in float32?"
            )
        return ""


def _first_wrong(given: np.ndarray, truth: np.ndarray, tolerance: float) -> Any:
    """Where they differ; None if in their shapes, and False nowhere."""
    if given.shape != truth.shape:
        return None
    wrong = ~(np.abs(given - truth) <= tolerance * (1 + np.abs(truth)))
    return tuple(map(int, np.argwhere(wrong)[0])) if wrong.any() else False


def _wrong(
    name: str,
    index: Any,
    given: np.ndarray,
    truth: np.ndarray,
    suggestion: str,
    line: int | None,
) -> Wrong:
    if index is None:
        found = f"its shape is {truth.shape}, and you derived an array of {given.shape}"
        return Wrong(name, None, given.shape, truth.shape, found, suggestion, line)
    derived, differences = float(given[index]), float(truth[index])
    found = f"you derived {derived:.8g}, finite differences say {differences:.8g}"
    return Wrong(name, index, derived, differences, found, suggestion, line)


@np.errstate(all="ignore")
def _suggestions(
    check: _Pair, point: Sequence[Any], free: Sequence[str], wrong: Sequence[str]
) -> dict[str, str]:
    """What would explain the errors here and at points nearby: at a single one, much would."""
    if not wrong:
        return {}
    rng = np.random.default_rng(0)
    points = [list(point)]
    for _ in range(NEARBY):
        points.append(
            [
                np.asarray(x + 0.1 * (np.abs(x) + 0.1) * rng.uniform(-1, 1, x.shape))
                if name in free
                else x
                for name, x in zip(check.names, point)
            ]
        )
    try:
        truths = {n: [check.differences(p, n) for p in points] for n in free}
        given = [check.gradients(p, free) for p in points]
        finite = all(np.isfinite(g).all() for ts in truths.values() for g in ts)
        if not finite or not all(np.isfinite(g).all() for gs in given for g in gs.values()):
            return {}
        return diagnosis.explain(
            check.f, check.df, check.names, points, check.read, free, wrong, given, truths
        )
    except Exception:  # a guess must not stand in the way of what is known
        return {}
