"""Matrix products."""

from autograd.ops.shape import reshape, swap_last_axes
from autograd.primitive import primitive


@primitive
def matmul(x, y):
    """x @ y: matrices in the last two axes, broadcast over the others; a vector is 1-d."""
    return x @ y


def _as_matrices(g, x, y):
    """The three with a vector x made a row, a vector y made a column, and g to match."""
    m = 1 if x.ndim == 1 else x.shape[-2]
    n = 1 if y.ndim == 1 else y.shape[-1]
    batch = g.shape[: g.ndim - (x.ndim > 1) - (y.ndim > 1)]
    return (
        reshape(g, shape=(*batch, m, n)),
        reshape(x, shape=(1, -1)) if x.ndim == 1 else x,
        reshape(y, shape=(-1, 1)) if y.ndim == 1 else y,
    )


def _matmul_x(g, x, y):
    """dL/dX = G Y^T; for a row X, the sweep sums the result (..., 1, k) to (k,)."""
    g, _, columns = _as_matrices(g, x, y)
    return g @ swap_last_axes(columns)


def _matmul_y(g, x, y):
    """dL/dY = X^T G; for a column Y, as the transpose of (..., k, 1)."""
    g, rows, _ = _as_matrices(g, x, y)
    if y.ndim == 1:
        return swap_last_axes(g) @ rows
    return swap_last_axes(rows) @ g


matmul.rule(x=_matmul_x, y=_matmul_y)


@primitive
def linear(x, w, b):
    """x W^T + b: x is (..., in), W is (out, in), b is (out,)."""
    if x.shape[-1] != w.shape[1]:
        raise ValueError(f"x has {x.shape[-1]} features and W {w.shape} takes {w.shape[1]}")
    return x @ w.T + b


linear.rule(
    x=lambda g, w: g @ w,
    w=lambda g, x: _rows(g).T @ _rows(x),
    b=lambda g: g,  # the sweep sums over what b was broadcast along
)


def _rows(x):
    return x if x.ndim == 2 else reshape(x, shape=(-1, x.shape[-1]))
