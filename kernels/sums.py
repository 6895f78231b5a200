"""Long sums that are as precise as one number."""

from functools import lru_cache, reduce
from itertools import groupby, pairwise
from math import prod
from operator import add
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from kernels.dispatch import Array

PIECES = 32
"""Pieces of an array that are added one after the other in the array's own dtype."""
BLOCK = 128
"""Rows that are left to NumPy to add one after the other, as it does with neighbours in memory."""


def total(x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """x.sum(axis, keepdims), by a tree of additions: a long sum is as precise as a short one.

    NumPy's sum is a tree along neighbours in memory. Across them it adds row after row, where
    float32 loses two digits in 10^5 rows. The order of additions depends only on the shape and the
    layout of x.
    """
    if type(x) is not np.ndarray or x.size <= BLOCK or x.dtype.kind != "f":  # CuPy's is a tree
        return x.sum(axis=axis, keepdims=keepdims)
    plan = _plan(x.shape, x.strides, axis)
    if plan is None:
        return x.sum(axis=axis, keepdims=keepdims)
    order, shape, summed, kept, back, axes = plan
    y = x.transpose(order).reshape(shape)
    for place in summed:
        y = _along(y, place)
    y = y.astype(x.dtype, copy=False).reshape(kept).transpose(back)
    return y if keepdims else y.squeeze(axes)


@lru_cache(maxsize=1024)
def _plan(shape, strides, axis):
    """How to transpose and reshape an array for its sum, or None where NumPy's own is as good.

    The order of the axes in memory; the shape in which neighbouring axes that are both summed, or
    both kept, are one; which of those to sum; the shape of the sum, and the order of its axes that
    gives back x's; and the axes that are summed.
    """
    axes = tuple(range(len(shape))) if axis is None else normalize_axis_tuple(axis, len(shape))
    order = sorted(range(len(shape)), key=lambda i: (shape[i] > 1, -abs(strides[i])))
    runs = [(key, list(run)) for key, run in groupby(order, key=lambda i: i in axes)]
    lengths = [prod(shape[i] for i in run) for _, run in runs]
    summed = [k for k, (key, _) in enumerate(runs) if key and lengths[k] > 1]
    dense = all(
        strides[i] == strides[j] * shape[j] for k in summed for i, j in pairwise(runs[k][1])
    )
    plain = len(summed) == 1 and (summed[0] == len(runs) - 1 or 4 < lengths[summed[0]] <= BLOCK)
    if not summed or (plain and dense):
        return None
    kept = [1 if i in axes else shape[i] for i in order]
    return order, lengths, summed[::-1], kept, np.argsort(order).tolist(), axes


def _along(y: np.ndarray, axis: int) -> np.ndarray:
    """The sum over one axis, which stays, with a length of 1."""
    rows, after = y.shape[axis], y.shape[axis + 1 :]
    if after and rows > BLOCK:
        y = _tree(y.reshape(-1, rows, prod(after))).reshape(*y.shape[:axis], 1, *after)
    elif after and rows <= 4:  # where NumPy is slow
        y = reduce(add, [y[(slice(None),) * axis + (slice(i, i + 1),)] for i in range(rows)])
    else:
        y = y.sum(axis=axis, keepdims=True)
    return y


def _tree(y: np.ndarray) -> np.ndarray:
    """(N, rows, columns) to (N, columns): PIECES equal pieces of memory are added to each other.

    The rows of the result are added in float64.
    """
    n, rows, columns = y.shape
    part = rows // PIECES
    pieces = y[:, : PIECES * part].reshape(n, PIECES, part * columns).sum(axis=1)
    ans = pieces.reshape(n, part, columns).sum(axis=1, dtype=np.float64)
    return ans + y[:, PIECES * part :].sum(axis=1) if rows % PIECES else ans
