"""Sums, products and extremes over axes."""

import math
from typing import Any

from numpy.lib.array_utils import normalize_axis_tuple

import kernels
from autograd.array import Axis
from autograd.ops.shape import Shape, broadcast_to, by_channel, concatenate_pair
from autograd.primitive import primitive
from autograd.tensor import Values, array_of


@primitive
def sum(x, *, axis=None, keepdims=False):
    return kernels.total(x, axis, keepdims)


sum.rule(x=lambda g, x_shape, axis: broadcast_to(restore_axes(g, x_shape, axis), shape=x_shape))


@primitive
def max(x, *, axis=None, keepdims=False):
    """The largest; its derivative is shared evenly among ties."""
    return x.max(axis=axis, keepdims=keepdims)


@primitive
def min(x, *, axis=None, keepdims=False):
    """The smallest; its derivative is shared evenly among ties."""
    return x.min(axis=axis, keepdims=keepdims)


def _extreme_x(g, x, ans, axis):
    ties = array_of(x) == array_of(restore_axes(ans, x.shape, axis))
    shares = ties / ties.sum(axis=axis, keepdims=True)
    return restore_axes(g, x.shape, axis) * shares.astype(x.dtype)


max.rule(x=_extreme_x)
min.rule(x=_extreme_x)


def prod(x: Values, axis: Axis = None, keepdims: bool = False) -> Any:
    """The product, multiplied in pairs: no rule divides by x, which may be 0."""
    axes = positive_axes(axis, x.ndim)
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    shape = tuple(x.shape[i] for i in rest)
    factors = x.transpose((*rest, *axes)).reshape((*shape, reduced_size(x.shape, axis)))
    while (n := factors.shape[-1]) > 1:
        pairs = factors[..., : n // 2] * factors[..., n // 2 : n // 2 * 2]
        factors = concatenate_pair(pairs, factors[..., -1:], axis=-1) if n % 2 else pairs
    product = factors.sum(axis=-1) + (n == 0)  # one factor is left, or none
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    return product.reshape(kept if keepdims else shape)


def mean(x: Values, axis: Axis = None, keepdims: bool = False) -> Any:
    return sum(x, axis=axis, keepdims=keepdims) / reduced_size(x.shape, axis)


sum_by_channel = primitive(kernels.sum_by_channel)
sum_by_channel.rule(x=lambda g, x_shape: broadcast_to(by_channel(g, len(x_shape)), shape=x_shape))


def var(x: Values, axis: Axis = None, keepdims: bool = False) -> Any:
    """The variance, dividing by n, in two passes, since E[x^2] - E[x]^2 cancels."""
    centred = x - mean(x, axis, keepdims=True)
    return mean(centred * centred, axis, keepdims)


def positive_axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    return normalize_axis_tuple(range(ndim) if axis is None else axis, ndim)


def reduced_size(shape: Shape, axis: Axis) -> int:
    """The number of elements that a reduction of `shape` over `axis` combines."""
    return math.prod(shape[i] for i in positive_axes(axis, len(shape)))


def restore_axes(reduced: Values, shape: Shape, axis: Axis) -> Any:
    """A reduction of an array of `shape`, in the shape that keepdims=True gives.

    A scalar stays one, since it broadcasts.
    """
    if reduced.ndim in (0, len(shape)):
        return reduced
    axes = positive_axes(axis, len(shape))
    return reduced.reshape(tuple([1 if i in axes else n for i, n in enumerate(shape)]))
