"""Sums of the first 1, 2, 3, ... elements along an axis."""

from typing import Any

import numpy as np

from autograd.ops.shape import between, concatenate_pair, flip, length
from autograd.ops.stable import logaddexp
from autograd.primitive import primitive
from autograd.tensor import Values


@primitive
def cumsum(x, *, axis=-1):
    """The sums of the first elements, in the shape of x; computed in float64."""
    length(x, axis)  # raises for what NumPy would flatten
    if x.dtype.kind != "f":
        return x.cumsum(axis=axis)
    return x.cumsum(axis=axis, dtype=np.promote_types(x.dtype, np.float64)).astype(x.dtype)


cumsum.rule(x=lambda g, axis: flip(cumsum(flip(g, axis), axis=axis), axis))  # sums of the last


def logcumsumexp(x: Values, axis: int = -1) -> Any:
    """log of the sums of the first e^x, in the shape of x.

    Each step adds to what covers 1, 2, 4, ... elements what covers as many before it (Hillis &
    Steele 1986): log2(n) times n logaddexp for n elements.
    """
    n, step = length(x, axis), 1
    while step < n:
        sums = logaddexp(between(x, axis, step, None), between(x, axis, 0, n - step))
        x = concatenate_pair(between(x, axis, 0, step), sums, axis=axis)
        step *= 2
    return x
