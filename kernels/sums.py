"""Sums of many numbers, to the precision of one."""

from functools import lru_cache, reduce
from itertools import groupby, pairwise
from math import prod
from operator import add
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from kernels.dispatch import Array

FEW = 32
"""Rows that are added up one after the other in the array's own dtype."""
BLOCK = 128
"""Rows that NumPy may add up so, as it does itself with neighbours."""


def total(x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """x.sum(axis, keepdims), by a tree of additions: a long sum is as precise as a short one.

    NumPy adds so along the memory, but row after row across it, where float32 loses two digits in
    10^5 rows. The order depends on the shape and the layout of x, on nothing else.
    """
    if type(x) is not np.ndarray:  # CuPy's is a tree
        return x.sum(axis=axis, keepdims=keepdims)
    few = x.size <= BLOCK or x.dtype.kind != "f"
    if few or (plan := _plan(x.shape, x.strides, axis)) is None:
        return x.sum(axis=axis, keepdims=keepdims)
    order, shape, summed, kept, back, axes = plan
    y = x.transpose(order).reshape(shape)
    for place in summed:
        y = _along(y, place)
    y = y.astype(x.dtype, copy=False).reshape(kept).transpose(back)
    return y if keepdims else y.squeeze(axes)


@lru_cache(maxsize=1024)
def _plan(shape, strides, axis):
    """How to get to the axes as they lie in memory, those in one that are summed together; which
    to sum; and how to get back. None where NumPy's own sum is as good.
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
    elif after and rows <= 4:  # NumPy is slow there
        y = reduce(add, [y[(slice(None),) * axis + (slice(i, i + 1),)] for i in range(rows)])
    else:
        y = y.sum(axis=axis, keepdims=True)
    return y


def _tree(y: np.ndarray) -> np.ndarray:
    """(N, rows, columns) to (N, columns): FEW equal pieces of memory are added up at a time.

    The pieces' sums are few, and added up in float64.
    """
    n, rows, columns = y.shape
    part = rows // FEW
    pieces = y[:, : FEW * part].reshape(n, FEW, part * columns).sum(axis=1)
    ans = pieces.reshape(n, part, columns).sum(axis=1, dtype=np.float64)
    return ans + y[:, FEW * part :].sum(axis=1) if rows % FEW else ans
