"""Values and gradients of two orders, against PyTorch's, where it has the same function."""

from functools import partial

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, grad

RNG = np.random.default_rng(0)
X, Y, ROWS = RNG.standard_normal((3, 4)), RNG.standard_normal((3, 4)), RNG.standard_normal((5, 4))
A, B = RNG.standard_normal((2, 4, 4)) - 3 * np.eye(4)[::-1], RNG.standard_normal((2, 4, 2))
INDICES = np.array([3, 0, 2])

FUNCTIONS = {
    "log1p": (ag.log1p, lambda t, x: t.log1p(x), [X**2]),
    "expm1": (ag.expm1, lambda t, x: t.expm1(x), [X]),
    "logaddexp": (ag.logaddexp, lambda t, x, y: t.logaddexp(x, y), [X, Y[0]]),
    "erf": (ag.erf, lambda t, x: t.erf(x), [X]),
    "lgamma": (ag.lgamma, lambda t, x: t.lgamma(x), [X]),
    "polygamma": (
        lambda x: ag.polygamma(x, n=2),
        lambda t, x: t.polygamma(2, x),
        [1 + X**2],
    ),
    "gelu": (
        lambda x: ag.gelu(x, exact=True),
        lambda t, x: t.nn.functional.gelu(x),
        [X],
    ),
    "cumsum": (lambda x: ag.cumsum(x, axis=0), lambda t, x: x.cumsum(0), [X]),
    "logcumsumexp": (ag.logcumsumexp, lambda t, x: x.logcumsumexp(-1), [ROWS]),
    "sort": (lambda x: ag.sort(x, axis=0), lambda t, x: x.sort(0).values, [ROWS]),
    "topk": (lambda x: ag.topk(x, 2)[0], lambda t, x: x.topk(2).values, [ROWS]),
    "gather": (
        lambda x: ag.gather(x, INDICES[:, None]),
        lambda t, x: x.gather(-1, t.tensor(INDICES)[:, None]),
        [X],
    ),
    "split": (
        lambda x: ag.split(x, [1, 3], axis=1)[1],
        lambda t, x: x.tensor_split([1, 3], 1)[1],
        [X],
    ),
    "roll": (lambda x: ag.roll(x, 2, axis=0), lambda t, x: x.roll(2, 0), [X]),
    "flip": (lambda x: ag.flip(x, (0, 1)), lambda t, x: x.flip(0, 1), [X]),
    "std": (lambda x: ag.std(x, 1), lambda t, x: x.std(1, correction=0), [X]),
    "normalize": (ag.normalize, lambda t, x: t.nn.functional.normalize(x), [X]),
    "einsum": (
        lambda x, y, z: ag.einsum("ij,kj,il", x, y, z),
        lambda t, x, y, z: t.einsum("ij,kj,il", x, y, z),
        [X, ROWS, Y],
    ),
    "attention": (
        ag.attention,
        lambda t, q, k, v: (q @ k.mT / 2).softmax(-1) @ v,
        [X, ROWS, ROWS[:, :2]],
    ),
    "causal_conv1d": (
        lambda x, w, b: ag.causal_conv1d(x, w, b, dilation=2),
        lambda t, x, w, b: t.nn.functional.conv1d(t.nn.functional.pad(x, (2, 0)), w, b, dilation=2),
        [A, A[:, :, :2], X[0, :2]],
    ),
    "cross_entropy": (
        lambda x: ag.cross_entropy(x, INDICES),
        lambda t, x: t.nn.functional.cross_entropy(x, t.tensor(INDICES), reduction="none"),
        [X],
    ),
    "squared_distances": (
        ag.squared_distances,
        lambda t, x, y: ((x[:, None] - y) ** 2).sum(-1),
        [X, ROWS],
    ),
    "tril": (lambda x: ag.tril(x, 1), lambda t, x: x.tril(1), [X]),
    "triu": (lambda x: ag.triu(x, -1), lambda t, x: x.triu(-1), [X]),
    "slogdet": (lambda a: ag.slogdet(a)[1], lambda t, a: t.linalg.slogdet(a)[1], [A]),
    "inverse": (ag.inverse, lambda t, a: t.linalg.inv(a), [A]),
    "solve": (ag.solve, lambda t, a, b: t.linalg.solve(a, b), [A, B]),
    "solve, of one matrix": (ag.solve, lambda t, a, b: t.linalg.solve(a[None], b), [A[0], B]),
    "solve, of a vector": (ag.solve, lambda t, a, b: t.linalg.solve(a, b), [A[0], X[0]]),
    "solve_triangular": (
        ag.solve_triangular,
        lambda t, a, b: t.linalg.solve_triangular(a, b, upper=False),
        [A[:, ::-1], B],
    ),
    "solve_triangular, upper": (
        lambda a, b: ag.solve_triangular(a, b, lower=False),
        lambda t, a, b: t.linalg.solve_triangular(a, b, upper=True),
        [A[:, ::-1], B[0]],
    ),
    "cholesky": (
        lambda a: ag.cholesky(a @ a.transpose(0, 2, 1)),
        lambda t, a: t.linalg.cholesky(a @ a.mT),
        [A],
    ),
}


def derivatives(f, xs, gradient, weights):
    """f, and gradients of two orders, of a curved function of it, with weights."""
    y = f(*xs)
    found = [y]
    for _ in range(2):
        total = ((y + y * y) * weights(y.shape)).sum()
        gradients = gradient(total, xs)
        found += gradients
        y = sum((g * g).sum() for g in gradients)
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    torch = pytest.importorskip("torch")
    ours, theirs, arrays = FUNCTIONS[name]

    def weights(shape):
        return np.random.default_rng(1).standard_normal(tuple(shape))

    found = derivatives(
        ours,
        [Tensor(x, requires_grad=True) for x in arrays],
        lambda total, xs: grad(total, xs, create_graph=True),
        weights,
    )
    expected = derivatives(
        partial(theirs, torch),
        [torch.tensor(x.copy(), requires_grad=True) for x in arrays],
        lambda total, xs: torch.autograd.grad(total, xs, create_graph=True),
        lambda shape: torch.tensor(weights(shape)),
    )
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.data, b.detach(), rtol=1e-9, atol=1e-11)
