"""Least squares with an exact fit, for the patterns of `diagnosis`."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

Arrays = Sequence[np.ndarray]
EXACT = 1e-6  # how well a pattern has to fit, relative to the gradient


def fit(columns: Sequence[Arrays], truths: Arrays) -> np.ndarray | None:
    """The factors by which the columns add up to the truth, if they do."""
    matrix = np.stack([np.concatenate([c.ravel() for c in column]) for column in columns], axis=1)
    truth = np.concatenate([t.ravel() for t in truths])
    factors, _, rank, _ = np.linalg.lstsq(matrix, truth, rcond=1e-8)
    size = max(np.abs(truth).max(initial=0), np.abs(matrix).max(initial=0))
    fits = np.abs(matrix @ factors - truth).max(initial=0) <= EXACT * size
    return factors if fits and rank == len(columns) else None


def number_text(value: float) -> str:
    fraction = Fraction(value).limit_denominator(20)
    return str(fraction) if close(float(fraction), value) else f"{value:.6g}"


def close(a: float, b: float) -> bool:
    return bool(abs(a - b) <= 1e-5 * max(1.0, abs(b)))
