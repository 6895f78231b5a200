"""The same elements in another shape, and the sum that undoes a broadcast."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

import kernels
from autograd.array import namespace
from autograd.primitive import primitive

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
    leading = x.ndim - len(shape)
    stretched = [i for i, n in enumerate(shape, leading) if i < 0 or n != x.shape[i]]
    if leading < 0 or (stretched and any(shape[i - leading] != 1 for i in stretched)):
        raise ValueError(f"an array of shape {shape} does not broadcast to {x.shape}")
    axes = *range(leading), *stretched
    return kernels.total(x, axes).reshape(shape)


broadcast_to.rule(x=lambda g, x_shape: sum_to(g, shape=x_shape))
sum_to.rule(x=lambda g, x_shape: broadcast_to(g, shape=x_shape))


@primitive
def join(x, y, *, axis):
    return np.concatenate((x, y), axis=axis)


def _part(g, axis, start, stop):
    return g[(slice(None),) * (axis % g.ndim) + (slice(start, stop),)]


join.rule(
    x=lambda g, x_shape, axis: _part(g, axis, 0, x_shape[axis]),
    y=lambda g, x_shape, axis: _part(g, axis, x_shape[axis], None),
)


def concatenate(parts: Sequence[Any], axis: int = 0) -> Any:
    """The parts one after the other along `axis`, joined in pairs as a balanced tree."""
    if len(parts) == 0:
        raise ValueError("concatenate needs at least one part")
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return join(concatenate(parts[:middle], axis), concatenate(parts[middle:], axis), axis=axis)


def stack(parts: Sequence[Any]) -> Any:
    """Parts of one shape, along a new first axis."""
    return concatenate([reshape(part, shape=(1, *part.shape)) for part in parts])


@primitive
def pad(x, *, widths):
    """Zeros around `x`: `widths` has a pair (before, after) for each axis."""
    return np.pad(x, widths)


pad.rule(
    x=lambda g, x_shape, widths: g[
        tuple(slice(before, before + n) for n, (before, _) in zip(x_shape, widths))
    ]
)


def flatten(x):
    """(N, ...) to (N, the rest)."""
    return reshape(x, shape=(x.shape[0], math.prod(x.shape[1:])))
