"""Square matrices, in the last two axes: systems of equations, determinants, Cholesky factors.

The rules are matrix products and solutions of systems again (Giles 2008, Collected Matrix
Derivative Results), so they have derivatives of every order. NumPy raises LinAlgError for a matrix
that is singular or not positive definite; CuPy does so under cupyx.errstate(linalg="raise").
"""

from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from autograd.array import Array, namespace, scipy_for
from autograd.ops.elementwise import where
from autograd.ops.linalg import matrix_product
from autograd.ops.shape import broadcast_to, swap_last_axes
from autograd.primitive import primitive
from autograd.tensor import Values, array_of


def tril(x: Values, k: int = 0) -> Any:
    """The lower triangle of matrices (..., N, M), up to the k-th diagonal above the main one."""
    return where(lower_triangle(x, k), x, 0.0)


def triu(x: Values, k: int = 0) -> Any:
    """The upper triangle of matrices (..., N, M), from the k-th diagonal above the main one."""
    return where(lower_triangle(x, k - 1), 0.0, x)


def lower_triangle(x: Values, k: int = 0) -> Array:
    """True in the lower triangle of x, up to the k-th diagonal above the main one."""
    if x.ndim < 2:
        raise ValueError(f"an array of shape {x.shape} is no matrices (..., N, M)")
    return namespace(array_of(x)).tri(*x.shape[-2:], k, dtype=bool)


@primitive
def matrix_solve(a, b):
    """X of A X = B, for A (..., n, n) and B (..., n, k), by an LU decomposition."""
    try:
        return np.linalg.solve(a, b)
    except LinAlgError:
        raise LinAlgError(
            f"a matrix of {a.shape} is singular, so A X = B has no unique solution: its rows are "
            "linearly dependent"
        ) from None


matrix_solve.rule(
    a=lambda g, a, ans: -matrix_product(_solve_b(g, a), swap_last_axes(ans)),
    b=lambda g, a: _solve_b(g, a),
)


def _solve_b(g, a):
    """dL/dB = A^-T G; and dL/dA = -dL/dB X^T."""
    return matrix_solve(swap_last_axes(a), g)


@primitive
def triangular_solve(a, b, *, lower):
    """X of A X = B for the lower or upper triangle A of `a`, by substitution."""
    out = namespace(b).empty(b.shape, np.result_type(a, b, np.float32))
    solve = scipy_for(a, "linalg").solve_triangular  # of one matrix, in SciPy
    for i in np.ndindex(a.shape[:-2] if b.size else (0,)):
        try:
            out[i] = solve(a[i], b[i], lower=lower, check_finite=False)
        except LinAlgError:
            raise LinAlgError(f"a triangle of {a.shape} has a 0 on its diagonal") from None
    return out


def _triangular_solve_a(g, a, ans, lower):
    """The triangle of -dL/dB X^T."""
    d = -matrix_product(_triangular_solve_b(g, a, lower), swap_last_axes(ans))
    return tril(d) if lower else triu(d)


def _triangular_solve_b(g, a, lower):
    """A^-T G."""
    return triangular_solve(swap_last_axes(a), g, lower=not lower)


triangular_solve.rule(a=_triangular_solve_a, b=_triangular_solve_b)


def solve(a: Values, b: Values) -> Any:
    """X of A X = B, for A (..., n, n) and B (..., n, k), or one vector (n,).

    2/3 n^3 operations, and 2 n^2 for each column. Raises LinAlgError for a singular matrix,
    ValueError for shapes that do not fit.
    """
    return _solution(matrix_solve, a, b)


def solve_triangular(a: Values, b: Values, lower: bool = True) -> Any:
    """`solve` with the lower or the upper triangle of A; the rest of A is not read.

    n^2 operations for each column. Raises LinAlgError for a 0 on the diagonal.
    """
    return _solution(triangular_solve, a, b, lower=lower)


def _solution(solver, a, b, **options):
    if b.ndim == 0:
        raise ValueError("A X = B with a number B: B has as many rows as A")
    if b.ndim == 1:
        return _solution(solver, a, b.reshape((-1, 1)), **options)[..., 0]
    _expect_square(a)
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"A X = B of {a.shape} and {b.shape}: B has as many rows as A")
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = (
        x if x.shape[:-2] == batch else broadcast_to(x, shape=(*batch, *x.shape[-2:]))
        for x in (a, b)
    )
    return solver(a, b, **options)


def _expect_square(a):
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"an array of shape {a.shape} is no square matrices (..., n, n)")


def inverse(a: Values) -> Any:
    """X of A X = I, in 2 n^3 operations. For A^-1 B, `solve` is faster and more precise."""
    _expect_square(a)
    return solve(a, namespace(array_of(a)).eye(a.shape[-1], dtype=a.dtype))


def slogdet(a: Values) -> tuple[Array, Any]:
    """The sign of det A, a constant -1, 0 or 1, and log |det A|, for A (..., n, n): both (...).

    2/3 n^3 operations, and 2 n^3 for the gradient. The determinant itself would overflow. For a
    singular matrix they are 0 and -inf, and the gradient raises LinAlgError.
    """
    _expect_square(a)
    both = sign_and_logdet(a)
    return array_of(both)[0], both[1]


@primitive
def sign_and_logdet(a):
    """Both results of `slogdet` in one array (2, ...), since a primitive returns one."""
    return namespace(a).stack(tuple(np.linalg.slogdet(a)))


def _logdet_a(g, a):
    """d log|det A| / dA = A^-T; the sign is constant."""
    return g[1].reshape((*g.shape[1:], 1, 1)) * swap_last_axes(inverse(a))


sign_and_logdet.rule(a=_logdet_a)


@primitive
def cholesky(a):
    """The lower triangle L with L L^T = A, for the symmetric part A of `a` (..., n, n).

    n^3 / 3 operations. Raises LinAlgError unless A is positive definite.
    """
    _expect_square(a)
    a = (a + swap_last_axes(a)) / 2
    try:
        return np.linalg.cholesky(a)
    except LinAlgError:
        smallest = np.linalg.eigvalsh(a).min().item()
        raise LinAlgError(
            f"a matrix of {a.shape} is not positive definite: its smallest eigenvalue is "
            f"{smallest:.3g}; more than {max(0.0, -smallest):.3g} added to the diagonal makes it so"
        ) from None


def _cholesky_a(g, ans):
    """The symmetric part of L^-T P L^-1, with P = L^T G, of its triangle, the diagonal halved.

    (Murray 2016, Differentiation of the Cholesky Decomposition, section 3.)
    """
    tri, n, dtype = namespace(array_of(ans)).tri, ans.shape[-1], ans.dtype
    halved = (tri(n, dtype=dtype) + tri(n, k=-1, dtype=dtype)) / 2
    upper = swap_last_axes(ans)
    left = triangular_solve(upper, matrix_product(upper, g) * halved, lower=False)
    d = triangular_solve(upper, swap_last_axes(left), lower=False)
    return (d + swap_last_axes(d)) / 2


cholesky.rule(a=_cholesky_a)
