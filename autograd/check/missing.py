"""The patterns of an error: exact fits by least squares, and the term that is missing."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from autograd.check.evidence import Arrays, Evidence, Named

EXACT = 1e-6  # how well a pattern has to fit, relative to the gradient


def fit(columns: Sequence[Arrays], truths: Arrays) -> np.ndarray | None:
    """The factors by which the columns add up to the truth, if they do."""
    matrix = np.stack([np.concatenate([c.ravel() for c in column]) for column in columns], axis=1)
    truth = np.concatenate([np.ravel(t) for t in truths])
    factors, _, rank, _ = np.linalg.lstsq(matrix, truth, rcond=1e-8)
    size = max(np.abs(truth).max(initial=0), np.abs(matrix).max(initial=0))
    fits = np.abs(matrix @ factors - truth).max(initial=0) <= EXACT * size
    return factors if fits and rank == len(columns) else None


def number_text(value: float) -> str:
    fraction = Fraction(value).limit_denominator(20)
    return str(fraction) if close(float(fraction), value) else f"{value:.6g}"


def close(a: float, b: float) -> bool:
    return bool(abs(a - b) <= 1e-5 * max(1.0, abs(b)))


def by_what_is_missing(e: Evidence, name: str) -> str:
    """A term that would make it right: a multiple of an input, or the same all along an axis."""
    given, truths = e.given[name], e.truths[name]
    if given[0].shape != truths[0].shape:
        return ""
    errors = [truth - g for truth, g in zip(truths, given)]
    ones = [np.ones_like(error) for error in errors]
    candidates = {"a constant": ones}
    for i, source in enumerate(e.pair.names):
        if np.shape(e.points[0][i]) == errors[0].shape:
            candidates[source] = [point[i] for point in e.points]
            candidates[f"{source}^2"] = [point[i] ** 2 for point in e.points]
    for what, values in candidates.items():
        factors = fit([values], errors)
        if factors is not None and not close(factors[0], 0):
            times = "" if close(factors[0], 1) else f"{number_text(factors[0])} times "
            return f"Right but for a second term: {times}{what} is missing."
    for axis, length in enumerate(errors[0].shape):
        if length > 1 and _spanned(axis, errors, ones, truths):
            return (
                f"Right but for a second term, the same all along axis {axis}: what comes through "
                "a mean or a sum over that axis is missing."
            )
        if length > 3 and (text := _times_the_same_along(axis, errors, truths, e.known)):
            return text
    right = np.isclose(given[0], truths[0], rtol=1e-5, atol=EXACT)
    return f"{right.sum()} of {right.size} entries are right." if right.any() else ""


def _times_the_same_along(axis: int, errors: Arrays, truths: Arrays, known: Sequence[Named]) -> str:
    """A value times what is the same all along an axis, and that alone, is missing."""
    for value in known:
        if value.values[0].shape != errors[0].shape:
            continue
        centred = all(close(v.mean(axis=axis).ravel().max(initial=0), 0) for v in value.values)
        for constants in (False, True):
            fits = _spanned(axis, errors, value.values, truths, constants)
            if fits and centred:
                what = "the mean and the variance" if constants else "the variance (or the norm)"
                return (
                    f"Right but for a term, `{value.text}` times what is the same all along axis "
                    f"{axis}: what comes through {what} over that axis is missing."
                )
            if fits and not constants:
                return (
                    f"Right but for a second term, `{value.text}` times what is the same all along "
                    f"axis {axis}: what comes through a sum or a norm over that axis is missing."
                )
    return ""


def _spanned(
    axis: int, errors: Arrays, values: Arrays, truths: Arrays, constants: bool = False
) -> bool:
    """Whether each error is a multiple of the value in each line along an axis, plus a constant."""
    for error, value, truth in zip(errors, values, truths):
        largest = np.abs(value).max(initial=0)
        if constants:
            error, value = (x - x.mean(axis, keepdims=True) for x in (error, value))
        squares = (value**2).sum(axis, keepdims=True)
        if not (squares > (1e-8 * largest) ** 2).all():
            return False
        rest = error - (error * value).sum(axis, keepdims=True) / squares * value
        if np.abs(rest).max(initial=0) > EXACT * np.abs(truth).max(initial=0):
            return False
    return True
