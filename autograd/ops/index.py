"""Selecting elements, its adjoint, and the integers that select."""

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from autograd.array import Array, as_array, namespace
from autograd.primitive import primitive
from autograd.tensor import Values, array_of


@primitive
def getitem(x, *, index):
    """x[index], as in NumPy: slices, integers, boolean masks and arrays of integers."""
    return x[index]


@primitive
def scatter_add(x, *, index, shape):
    """Zeros of `shape` with `x` added at `index`: a repeated index receives the sum."""
    xp = namespace(x)
    if _is_basic(index):
        out = xp.zeros(shape, x.dtype)
        out[index] = x
        return out
    dtype = np.promote_types(x.dtype, np.float64) if x.dtype.kind == "f" else x.dtype
    out = xp.zeros(shape, dtype)  # a long sum, one number after the other, needs float64
    xp.add.at(out, index, x.astype(dtype, copy=False))
    return out.astype(x.dtype, copy=False)


getitem.rule(x=lambda g, x_shape, index: scatter_add(g, index=index, shape=x_shape))
scatter_add.rule(x=lambda g, index: getitem(g, index=index))


def _is_basic(index: Any) -> bool:
    """Whether `index` selects no element twice, so that assignment is enough."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(p is None or p is ... or isinstance(p, int | slice) for p in parts)


def embedding(weight: Values, indices: Values) -> Any:
    """Rows of `weight` (V, D) by integer `indices` of any shape: the result is (*indices, D)."""
    return getitem(weight, index=_integers(indices))


def gather(x: Values, indices: Values, axis: int = -1) -> Any:
    """x at integer `indices` along `axis`, the others alike, as NumPy's take_along_axis.

    For axis 1 of two, y[i, j] = x[i, indices[i, j]]. `indices` has as many axes as x, and the
    others of the same length or 1. Raises IndexError for an index out of range (not on CUDA).
    """
    indices = _integers(indices)
    if indices.ndim != x.ndim:
        raise ValueError(f"indices {indices.shape} for x {x.shape}: they have as many axes")
    (axis,) = normalize_axis_tuple(axis, x.ndim)
    arange, ones = namespace(indices).arange, [1] * x.ndim
    grid = [arange(n).reshape([*ones[:i], n, *ones[i + 1 :]]) for i, n in enumerate(x.shape)]
    return getitem(x, index=(*grid[:axis], indices, *grid[axis + 1 :]))


def one_hot(indices: Values, classes: int) -> Array:
    """1 in the place of each index (...) and 0 elsewhere: a constant float32 array (..., classes).

    Raises TypeError for indices that are no integers, IndexError unless they are in [0, classes)
    (not on CUDA).
    """
    indices = class_indices(indices, classes)
    return (indices[..., None] == namespace(indices).arange(classes)).astype(np.float32)


def class_indices(indices: Values, classes: int) -> Array:
    """`indices`, if they are integers in [0, classes). On CUDA no one waits to look at them."""
    indices = _integers(indices)
    on_cpu = namespace(indices) is np
    if on_cpu and indices.size and not 0 <= indices.min() <= indices.max() < classes:
        raise IndexError(
            f"indices from {indices.min()} to {indices.max()} for {classes} classes: they are "
            f"0 to {classes - 1}"
        )
    return indices


def _integers(indices: Values) -> Array:
    indices = as_array(array_of(indices))
    if indices.dtype.kind not in "iu":
        raise TypeError(f"indices must be integers, not {indices.dtype}")
    return indices
