"""Matrix products."""

import math
from typing import Any

from autograd.ops.shape import swap_last_axes
from autograd.primitive import primitive


@primitive
def matrix_product(x, y):
    """X Y of matrices in the last two axes, broadcast over the others."""
    return x @ y


matrix_product.rule(
    x=lambda g, y: g @ swap_last_axes(y),  # dL/dX = G Y^T
    y=lambda g, x: swap_last_axes(x) @ g,  # dL/dY = X^T G
)


def matmul(x: Any, y: Any) -> Any:
    """x @ y, as NumPy has it: of matrices, batches of them, and vectors."""
    if x.ndim > 1 and y.ndim > 1:
        return matrix_product(x, y)
    row = x.reshape((1, -1)) if x.ndim == 1 else x
    column = y.reshape((-1, 1)) if y.ndim == 1 else y
    product = matrix_product(row, column)
    kept = (
        product.shape[:-2] + product.shape[-2:-1] * (x.ndim > 1) + product.shape[-1:] * (y.ndim > 1)
    )
    return product.reshape(kept)


@primitive
def linear(x, w, b):
    """x W^T + b: x is (..., in), W is (out, in), b is (out,)."""
    if x.shape[-1] != w.shape[1]:
        raise ValueError(f"x has {x.shape[-1]} features and W {w.shape} takes {w.shape[1]}")
    return _of_rows(x, w.T) + b


linear.rule(
    x=lambda g, w: _of_rows(g, w),
    w=lambda g, x: _rows(g).T @ _rows(x),
    b=lambda g: g,  # the sweep sums over what b was broadcast along
)


def _of_rows(x, w):
    """x @ w as one product, where NumPy makes one of each matrix in x."""
    return (_rows(x) @ w).reshape((*x.shape[:-1], w.shape[-1]))


def _rows(x):
    return x if x.ndim == 2 else x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))
