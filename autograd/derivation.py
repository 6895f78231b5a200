"""A gradient derived on paper, checked by number, and a guess at what went wrong with it.

    check.derivation(lambda w: (w @ w) / 2, lambda w: 2 * w, np.ones(3))

raises a DerivationError: "argument w at (0,): you derived 2, finite differences say 1. It is 2
times the gradient." Function and gradient are plain NumPy: nothing of the engine is in it.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd import diagnosis

NEARBY = 3  # more points at which a guess has to fit


class DerivationError(AssertionError):
    """A derivation that does not hold.

    `argument` is the name of the input and `index` the first entry that differs, or None if the
    derived array has another shape than its input. `suggestion` may be empty.
    """

    def __init__(self, argument: str, index: tuple[int, ...] | None, found: str, suggestion: str):
        self.argument, self.index, self.suggestion = argument, index, suggestion
        where = argument if index is None else f"{argument} at {index}"
        super().__init__(f"argument {where}: {found}. {suggestion}".rstrip())


def derivation(
    f: Callable[..., Any],
    df: Callable[..., Any],
    *inputs: Any,
    step: float = 1e-4,
    tolerance: float = 1e-6,
) -> None:
    """Check that `df` is the gradient of `f` at `inputs`, by fourth-order central differences.

    `f` takes arrays and returns a number; `df` takes the same and returns its gradient, an array
    of the input's shape, or a tuple of them for several inputs. Both are run in float64. An entry
    may be off by `tolerance` (1 + |entry|). Raises DerivationError for a derivation that does not
    hold, ValueError for functions that are not such a pair.
    """
    arrays = [np.array(x, dtype=np.float64) for x in inputs]
    if not arrays:
        raise ValueError("a derivation is checked at inputs: give at least one array")
    names = list(inspect.signature(f).parameters)[: len(arrays)]
    names += [str(i) for i in range(len(names), len(arrays))]
    derived = _gradients(df, arrays)
    for i, (name, given) in enumerate(zip(names, derived)):
        truth = _differences(f, arrays, i, step)
        if given.shape == truth.shape:
            wrong = ~(np.abs(given - truth) <= tolerance * (1 + np.abs(truth)))
            if not wrong.any():
                continue
            index = tuple(map(int, np.argwhere(wrong)[0]))
            found = f"you derived {given[index]:.8g}, finite differences say {truth[index]:.8g}"
        else:
            index = None
            found = f"it is {truth.shape}, and you derived an array {given.shape}"
        raise DerivationError(name, index, found, _suggestion(f, df, arrays, names, i, step))


def _gradients(df: Callable[..., Any], arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    found = df(*arrays)
    found = list(found) if isinstance(found, tuple | list) else [found]
    if len(found) != len(arrays):
        raise ValueError(f"df returns {len(found)} gradients for {len(arrays)} inputs")
    return [np.asarray(gradient, dtype=np.float64) for gradient in found]


def _differences(
    f: Callable[..., Any], arrays: Sequence[np.ndarray], argument: int, step: float
) -> np.ndarray:
    """The gradient for one argument, entry by entry."""
    gradient = np.zeros_like(arrays[argument])
    for index in np.ndindex(gradient.shape):
        values = []
        for k in (-2, -1, 1, 2):
            moved = [x.copy() for x in arrays]
            moved[argument][index] += k * step
            value = np.asarray(f(*moved))
            if value.size != 1:
                raise ValueError(
                    f"f returns {value.shape}: a gradient is that of a number, so sum it, or "
                    "multiply it with fixed weights and sum"
                )
            values.append(float(value.reshape(())))
        gradient[index] = np.dot((1, -8, 8, -1), values) / (12 * step)
    return gradient


def _suggestion(
    f: Callable[..., Any],
    df: Callable[..., Any],
    arrays: Sequence[np.ndarray],
    names: Sequence[str],
    argument: int,
    step: float,
) -> str:
    """What would explain the error here and at points nearby: at a single one, much would."""
    rng = np.random.default_rng(0)
    points = [list(arrays)]
    for _ in range(NEARBY):
        points.append([x * (1 + 0.1 * rng.uniform(-1, 1, x.shape)) for x in arrays])
    truths = [_differences(f, point, argument, step) for point in points]
    given = [_gradients(df, point)[argument] for point in points]
    if not all(np.isfinite(gradient).all() for gradient in (*truths, *given)):
        return ""
    return (
        diagnosis.as_a_whole(given, truths, dict(zip(names, arrays)))
        or diagnosis.by_terms(df, points, argument, truths)
        or diagnosis.by_what_is_missing(given, truths, points, names)
    )
