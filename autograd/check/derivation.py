"""A gradient derived on paper, checked by number, with a guess at the mistake in it.

    check.derivation(lambda w: (w @ w) / 2, lambda w: 2 * w, np.ones(3))

raises a DerivationError: "argument w[0]: you derived 2, finite differences say 1. It is 2 times
the gradient." Function and gradient are plain NumPy and use nothing of the engine.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd.check import diagnosis
from autograd.check.evidence import evidence
from autograd.check.pair import Function, Pair, Point, input_names


@dataclass(frozen=True)
class Wrong:
    """An argument with a wrong gradient.

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
    f: Function,
    df: Function,
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

    Returns the names of the inputs with a correct gradient. Raises DerivationError if one is
    wrong, ValueError for functions that are not such a pair: of complex numbers, of float32, not
    the same twice, or whose results do not fit the inputs.
    """
    names = input_names(f, len(inputs))
    if unknown := set(constants) - set(names):
        raise ValueError(f"constants names {', '.join(unknown)}: the inputs are {', '.join(names)}")
    point = [np.array(x, dtype=np.float64) if _is_float(x, n) else x for n, x in zip(names, inputs)]
    free = [n for n, x in zip(names, inputs) if _is_float(x, n) and n not in constants]
    if not free:
        raise ValueError(
            "a derivation is checked at inputs: give at least one array of floats "
            "(np.array([1.0, 2.0]), not of integers), that is not among the constants"
        )
    pair = Pair(f, df, names, free, step)
    pair.refuse_noise(point)
    derived = pair.gradients(point)
    truths = {name: pair.differences(point, name) for name in derived}
    places = {name: _first_wrong(derived[name], truth, tolerance) for name, truth in truths.items()}
    wrong = [name for name, place in places.items() if place is not False]
    if not wrong:
        return list(derived)
    texts = {name: pair.roughness(point, name, places[name]) for name in wrong}
    texts |= _suggestions(pair, point, list(derived), [name for name in wrong if not texts[name]])
    lines = diagnosis.lines(pair, list(derived))
    raise DerivationError(
        [_wrong(n, places[n], derived[n], truths[n], texts[n], lines.get(n)) for n in wrong]
    )


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


def _first_wrong(given: np.ndarray, truth: np.ndarray, tolerance: float) -> Any:
    """The first index at which they differ; None if their shapes do, False if nothing does."""
    if given.shape != truth.shape:
        return None
    wrong = ~(np.abs(given - truth) <= tolerance * (1 + np.abs(truth)))
    return tuple(map(int, np.argwhere(wrong)[0])) if wrong.any() else False


def _wrong(
    name: str, index: Any, given: np.ndarray, truth: np.ndarray, suggestion: str, line: int | None
) -> Wrong:
    if index is None:
        found = f"its shape is {truth.shape}, and you derived an array of {given.shape}"
        return Wrong(name, None, given.shape, truth.shape, found, suggestion, line)
    derived, differences = float(given[index]), float(truth[index])
    found = f"you derived {derived:.8g}, finite differences say {differences:.8g}"
    return Wrong(name, index, derived, differences, found, suggestion, line)


@np.errstate(all="ignore")
def _suggestions(pair: Pair, point: Point, derived: list[str], wrong: list[str]) -> dict[str, str]:
    try:
        return diagnosis.explain(evidence(pair, point, derived), wrong) if wrong else {}
    except Exception:  # a failed guess must not hide the verdict
        return {}
