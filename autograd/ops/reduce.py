"""Sums, products and extremes over axes."""

import math
from typing import Any

from autograd.array import Axis, namespace
from autograd.ops.elementwise import where
from autograd.ops.shape import Shape, broadcast_to
from autograd.primitive import bare, primitive


@primitive
def sum(x, *, axis=None, keepdims=False):
    return x.sum(axis=axis, keepdims=keepdims)


sum.rule(x=lambda g, x_shape, axis: broadcast_to(restore(g, x_shape, axis), shape=x_shape))


@primitive
def max(x, *, axis=None, keepdims=False):
    """The largest; its derivative is shared evenly among ties."""
    return x.max(axis=axis, keepdims=keepdims)


def _max_x(g, x, ans, axis):
    ties = bare(x) == bare(restore(ans, x.shape, axis))
    shares = ties / ties.sum(axis=axis, keepdims=True)
    return restore(g, x.shape, axis) * shares.astype(x.dtype)


max.rule(x=_max_x)


def min(x, axis: Axis = None, keepdims: bool = False):
    return -max(-x, axis=axis, keepdims=keepdims)


@primitive
def prod(x, *, axis=None, keepdims=False):
    return x.prod(axis=axis, keepdims=keepdims)


def _prod_x(g, x, axis):
    """g times the product of the others, which dividing by x would lose where x = 0.

    The reduced axes become one of n elements; its n x n outer copy with ones on the diagonal has
    the products of the others as its row products: O(n^2), and differentiable to any order.
    """
    axes = normalise(axis, x.ndim)
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    order = rest + axes
    moved = x.transpose(order)
    kept = moved.shape[: len(rest)]
    n = math.prod(moved.shape[len(rest) :])
    rows = broadcast_to(moved.reshape((*kept, 1, n)), shape=(*kept, n, n))
    diagonal = namespace(bare(x)).eye(n, dtype=bool)
    others = prod(where(diagonal, 1.0, rows), axis=-1).reshape(moved.shape)
    back = tuple(order.index(i) for i in range(x.ndim))
    return restore(g, x.shape, axis) * others.transpose(back)


prod.rule(x=_prod_x)


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return sum(x, axis=axis, keepdims=keepdims) / count(x.shape, axis)


def var(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The variance, dividing by n; in two passes, since E[x^2] - E[x]^2 cancels."""
    centred = x - mean(x, axis, keepdims=True)
    return mean(centred * centred, axis, keepdims)


def normalise(axis: Axis, ndim: int) -> tuple[int, ...]:
    axes = range(ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return tuple(i % ndim for i in axes)


def count(shape: Shape, axis: Axis) -> int:
    """How many elements a reduction of `shape` over `axis` takes together."""
    return math.prod(shape[i] for i in normalise(axis, len(shape)))


def restore(reduced: Any, shape: Shape, axis: Axis) -> Any:
    """A reduction of an array of `shape`, with the axes it lost put back as ones.

    Without any axis it broadcasts as it is.
    """
    if reduced.ndim in (0, len(shape)):
        return reduced
    axes = normalise(axis, len(shape))
    return reduced.reshape(tuple([1 if i in axes else n for i, n in enumerate(shape)]))
