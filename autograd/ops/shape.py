"""The same elements in another shape, and the sum that undoes a broadcast."""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

import kernels
from autograd.array import namespace
from autograd.primitive import primitive
from autograd.tensor import Values

Shape = tuple[int, ...]


@primitive
def reshape(x, *, shape):
    return x.reshape(shape)


reshape.rule(x=lambda g, x_shape: g.reshape(x_shape))


@primitive
def transpose(x, *, axes=None):
    """The axes in the order of `axes`; None reverses them."""
    return x.transpose(axes)


def _transpose_x(g, axes):
    """The inverse permutation; a negative axis counts from the end."""
    if axes is None:
        return g.transpose()
    return g.transpose(np.argsort(normalize_axis_tuple(axes, g.ndim)).tolist())


transpose.rule(x=_transpose_x)


def swap_last_axes(x):
    return x.T if x.ndim == 2 else transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


@primitive
def broadcast_to(x, *, shape):
    out = namespace(x).empty(shape, x.dtype)
    out[...] = x
    return out


@primitive
def sum_to(x, *, shape):
    """Sum away the axes along which an array of `shape` was broadcast to the shape of `x`."""
    return kernels.total(x, _stretched(tuple(shape), x.shape), keepdims=True).reshape(shape)


@lru_cache(maxsize=1024)
def _stretched(shape: Shape, to: Shape) -> Shape:
    """The axes along which an array of `shape` is broadcast to the shape `to`."""
    leading = len(to) - len(shape)
    stretched = [i for i, n in enumerate(shape, leading) if i < 0 or n != to[i]]
    if leading < 0 or (stretched and any(shape[i - leading] != 1 for i in stretched)):
        raise ValueError(f"an array of shape {shape} does not broadcast to {to}")
    return *range(leading), *stretched


broadcast_to.rule(x=lambda g, x_shape: sum_to(g, shape=x_shape))
sum_to.rule(x=lambda g, x_shape: broadcast_to(g, shape=x_shape))


@primitive
def concatenate_pair(x, y, *, axis):
    return np.concatenate((x, y), axis=axis)


def length(x: Values, axis: int) -> int:
    """Of an axis. Raises AxisError, a ValueError, if there is no such axis."""
    return x.shape[normalize_axis_tuple(axis, x.ndim)[0]]


def between(x: Values, axis: int, start: int | None, stop: int | None) -> Any:
    """x[start:stop] along `axis`."""
    return x[(slice(None),) * (axis % x.ndim) + (slice(start, stop),)]


concatenate_pair.rule(
    x=lambda g, x_shape, axis: between(g, axis, 0, x_shape[axis]),
    y=lambda g, x_shape, axis: between(g, axis, x_shape[axis], None),
)


def concatenate(parts: Sequence[Values], axis: int | None = 0) -> Any:
    """The parts one after the other along `axis`, concatenated in pairs as a balanced tree.

    With axis None they are flattened first.
    """
    if len(parts) == 0:
        raise ValueError("concatenate needs at least one part")
    if axis is None:
        return concatenate([reshape(part, shape=(-1,)) for part in parts])
    if len(parts) == 1:
        return parts[0]
    first, second = parts[: len(parts) // 2], parts[len(parts) // 2 :]
    return concatenate_pair(concatenate(first, axis), concatenate(second, axis), axis=axis)


def stack(parts: Sequence[Values], axis: int = 0) -> Any:
    """Parts of one shape, along a new axis."""

    def with_axis(part):
        (position,) = normalize_axis_tuple(axis, part.ndim + 1)
        return reshape(part, shape=(*part.shape[:position], 1, *part.shape[position:]))

    return concatenate([with_axis(part) for part in parts], axis)


def split(x: Values, parts: int | Sequence[int], axis: int = 0) -> list:
    """As NumPy: `parts` parts of one length, or parts that begin at 0 and at each of `parts`.

    The gradient of each part takes the time and the memory of x. Raises ValueError if the length
    of the axis is no multiple of the number of parts.
    """
    n = length(x, axis)
    if isinstance(parts, int | np.integer):
        if parts < 1 or n % parts:
            raise ValueError(f"axis {axis} of {x.shape} does not split into {parts} equal parts")
        parts = [i * n // parts for i in range(1, parts)]
    return [between(x, axis, start, stop) for start, stop in pairwise([0, *parts, n])]


def flip(x: Values, axis: int | tuple[int, ...] | None = None) -> Any:
    """The elements in reverse order along an axis, several, or all of them."""
    axes = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim)
    return x[tuple([slice(None, None, -1 if i in axes else 1) for i in range(x.ndim)])]


def roll(x: Values, shift: int, axis: int = -1) -> Any:
    """The elements moved by `shift` along `axis`; those moved beyond its end begin it."""
    cut = -shift % max(1, length(x, axis))
    return concatenate_pair(between(x, axis, cut, None), between(x, axis, 0, cut), axis=axis)


def by_channel(values: Values, ndim: int) -> Any:
    """Reshape (C,) to (1, C, 1, ...), which broadcasts along axis 1 of `ndim`."""
    return values.reshape((1, -1, *[1] * (ndim - 2)))


@primitive
def squeeze(x, *, axis=None):
    """Remove axes of length 1: all of them, or those given."""
    return x.squeeze(axis)


squeeze.rule(x=lambda g, x_shape: g.reshape(x_shape))


@primitive
def pad(x, *, widths):
    """Zeros around `x`: a pair (before, after) for each axis, one pair for all, or one number."""
    return np.pad(x, _pairs(widths, x.ndim)) if x.ndim else x


def _pairs(widths, ndim):
    return np.broadcast_to(widths, (ndim, 2)).tolist()


pad.rule(
    x=lambda g, x_shape, widths: g[
        tuple(slice(a, a + n) for n, (a, _) in zip(x_shape, _pairs(widths, len(x_shape))))
    ]
)


def flatten(x):
    """(N, ...) to (N, the rest)."""
    return reshape(x, shape=(x.shape[0], math.prod(x.shape[1:])))
