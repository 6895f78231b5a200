"""Matrix products, and the distances that they give."""

import math
from typing import Any

import numpy as np

import kernels
from autograd.ops.shape import swap_last_axes
from autograd.primitive import primitive
from autograd.tensor import Values, array_of

product = kernels.matmul  # of arrays, and in rules of Tensors too


@primitive
def matrix_product(x, y):
    """X Y of matrices in the last two axes, broadcast over the others."""
    return product(x, y)


matrix_product.rule(
    x=lambda g, y: product(g, swap_last_axes(y)),  # dL/dX = G Y^T
    y=lambda g, x: product(swap_last_axes(x), g),  # dL/dY = X^T G
)


def matmul(x: Values, y: Values) -> Any:
    """x @ y, as in NumPy: of matrices, batches of matrices, and vectors."""
    if x.ndim > 1 and y.ndim > 1:
        return matrix_product(x, y)
    row = x.reshape((1, -1)) if x.ndim == 1 else x
    column = y.reshape((-1, 1)) if y.ndim == 1 else y
    ans = matrix_product(row, column)
    *batch, rows, columns = ans.shape
    return ans.reshape((*batch, *[rows] * (x.ndim > 1), *[columns] * (y.ndim > 1)))


@primitive
def linear(x, w, b=None):
    """x W^T + b: x is (..., in), W is (out, in), b is (out,) or None."""
    if x.shape[-1] != w.shape[1]:
        raise ValueError(f"x has {x.shape[-1]} features and W {w.shape} takes {w.shape[1]}")
    y = _of_rows(x, w.T)
    return y if b is None else y + b


linear.rule(
    x=lambda g, w: _of_rows(g, w),
    w=lambda g, x: product(_rows(g).T, _rows(x)),
    b=lambda g: g,  # the sweep sums over the axes along which b was broadcast
)


def _of_rows(x, w):
    """x @ w as one product. (NumPy makes a product for each matrix in x.)"""
    if x.ndim == 2:
        return product(x, w)
    return product(_rows(x), w).reshape((*x.shape[:-1], w.shape[-1]))


def _rows(x):
    return x if x.ndim == 2 else x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))


def squared_distances(x: Values, y: Values) -> Any:
    """|x_i - y_j|^2 for all rows of x (..., N, D) and of y (..., M, D): (..., N, M).

    It is |x_i|^2 - 2 x_i.y_j + |y_j|^2, one matrix product, with both moved to the mean of y, since
    the terms cancel: rounding leaves an error of about eps times the largest of them. What it makes
    negative is 0, with the derivative of the formula, 2 (x_i - y_j).
    """
    if min(x.ndim, y.ndim) < 2 or x.shape[-1] != y.shape[-1]:
        raise ValueError(f"x {x.shape} and y {y.shape}: they are rows of one length")
    centre = array_of(y).sum(axis=-2, keepdims=True) / max(1, y.shape[-2])
    x, y = x - centre, y - centre
    of_y = swap_last_axes((y * y).sum(axis=-1, keepdims=True))
    squares = (x * x).sum(axis=-1, keepdims=True) - 2 * matmul(x, swap_last_axes(y)) + of_y
    return squares + np.maximum(-array_of(squares), 0)
