"""Values and gradients of two orders, against PyTorch's, where it has the same function."""

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, grad

torch = pytest.importorskip("torch")
F = torch.nn.functional
RNG = np.random.default_rng(0)
X, Y, ROWS = RNG.standard_normal((3, 4)), RNG.standard_normal((3, 4)), RNG.standard_normal((5, 4))
INDICES = np.array([3, 0, 2])

FUNCTIONS = {
    "log1p": (ag.log1p, torch.log1p, [X**2]),
    "expm1": (ag.expm1, torch.expm1, [X]),
    "logaddexp": (ag.logaddexp, torch.logaddexp, [X, Y[0]]),
    "cross_entropy": (
        lambda x: ag.cross_entropy(x, INDICES),
        lambda x: F.cross_entropy(x, torch.tensor(INDICES), reduction="none"),
        [X],
    ),
    "squared_distances": (
        ag.squared_distances,
        lambda x, y: ((x[:, None] - y) ** 2).sum(-1),
        [X, ROWS],
    ),
}


def derivatives(f, xs, gradient, weights):
    """f, and its gradients of two orders, each weighted to a number before the next."""
    y = f(*xs)
    found = [y]
    for _ in range(2):
        total = (y * weights(y.shape)).sum()
        gradients = gradient(total, xs)
        found += gradients
        y = sum((g * g).sum() for g in gradients)
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
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
        theirs,
        [torch.tensor(x, requires_grad=True) for x in arrays],
        lambda total, xs: torch.autograd.grad(total, xs, create_graph=True),
        lambda shape: torch.tensor(weights(shape)),
    )
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.data, b.detach(), rtol=1e-9, atol=1e-11)
