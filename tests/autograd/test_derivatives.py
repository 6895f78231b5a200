"""Jacobians, Hessians and their products: by closed forms, by PyTorch, and at the stated cost."""

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, hessian, hvp, jacobian, jvp, no_grad, vjp
from autograd.watch import Watcher, watching

RNG = np.random.default_rng(0)
A = RNG.standard_normal((3, 4))
X, V, G = RNG.standard_normal(4), RNG.standard_normal(4), RNG.standard_normal(3)
SYMMETRIC = A.T @ A


def linear(x):
    return A @ x


def quadratic(x):
    return 0.5 * (x @ SYMMETRIC @ x)


class Sweeps(Watcher):
    begun = 0

    def began(self, root):
        self.begun += 1


def close(found, expected):
    assert isinstance(found, Tensor) and not found.requires_grad
    np.testing.assert_allclose(found.data, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("compute", "expected", "sweeps"),
    [
        (lambda: vjp(linear, X, G), G @ A, 1),
        (lambda: jvp(linear, X, V), A @ V, 2),
        (lambda: jacobian(linear, X), A, 3),
        (lambda: hvp(quadratic, X, V), SYMMETRIC @ V, 2),
        (lambda: hessian(quadratic, X), SYMMETRIC, 5),
        (lambda: jacobian(quadratic, X), SYMMETRIC @ X, 1),
        (lambda: jacobian(lambda x: x * 0 + Tensor(G, True)[0], X), np.zeros((4, 4)), 4),
        (lambda: hessian(lambda x: x.sum(), X), np.zeros((4, 4)), 5),
        (lambda: hvp(lambda x: x.sum(), X, V), np.zeros(4), 2),
        (lambda: jacobian(lambda x: x, X), np.eye(4), 4),
        (lambda: jvp(lambda x: x, X, V), V, 2),
        (lambda: jvp(lambda x: x, X, V.tolist()), V, 2),
        (lambda: jacobian(ag.sin, np.float64(0.3)), np.cos(0.3), 1),
        (lambda: jacobian(lambda x: x[:0], X), np.empty((0, 4)), 0),
        (lambda: jacobian(ag.exp, X.reshape(2, 2))[0, 1, 0, 1], np.exp(X[1]), 4),
    ],
)
def test_closed_forms_at_the_stated_number_of_sweeps(compute, expected, sweeps):
    counter = Sweeps()
    with watching(counter), no_grad():
        found = compute()
    close(found, expected)
    assert counter.begun == sweeps


def network(tanh, exp, w, b, x):
    return tanh(w @ tanh(w.T @ x) + b) * exp(b - x)


XS = (A, RNG.standard_normal(3), RNG.standard_normal(3))
VS = tuple(RNG.standard_normal(x.shape) for x in XS)


def ours(*xs):
    return network(ag.tanh, ag.exp, *xs)


def ours_scalar(*xs):
    return (ours(*xs) ** 2).sum()


@pytest.mark.parametrize("name", ["vjp", "jvp", "jacobian", "hvp", "hessian"])
def test_functions_of_several_arrays_as_in_pytorch(name):
    torch = pytest.importorskip("torch")
    xs, vs = (tuple(map(torch.tensor, values)) for values in (XS, VS))

    def theirs(*xs):
        return network(torch.tanh, torch.exp, *xs)

    def scalar(*xs):
        return (theirs(*xs) ** 2).sum()

    their = getattr(torch.autograd.functional, name)
    found, expected = {
        "vjp": lambda: (vjp(ours, XS, G), their(theirs, xs, torch.tensor(G))[1]),
        "jvp": lambda: ((jvp(ours, XS, VS),), (their(theirs, xs, vs)[1],)),
        "jacobian": lambda: (jacobian(ours, XS), their(theirs, xs)),
        "hvp": lambda: (hvp(ours_scalar, XS, VS), their(scalar, xs, vs)[1]),
        "hessian": lambda: (sum(hessian(ours_scalar, XS), ()), sum(their(scalar, xs), ())),
    }[name]()
    for a, b in zip(found, expected, strict=True):
        close(a, b)


def test_float32_stays_and_the_gradients_of_parameters_are_left_alone():
    layer = ag.nn.Linear(4, 3, np.random.default_rng(0))
    x, v = np.float32(X), np.float32(V)
    found = [jacobian(layer, x), jvp(layer, x, v), hvp(lambda x: (layer(x) ** 2).sum(), x, v)]
    assert {y.dtype for y in found} == {np.dtype(np.float32)}
    assert layer.weight.grad is None


@pytest.mark.parametrize(
    ("compute", "error", "message"),
    [
        (lambda: jvp(linear, X, G), ValueError, r"shapes \[\(3,\)\], x has \[\(4,\)\]"),
        (lambda: jvp(ours, XS, V), ValueError, r"x has \[\(3, 4\), \(3,\), \(3,\)\]"),
        (lambda: vjp(linear, X, V), ValueError, r"cotangent of shape \(4,\) for"),
        (lambda: hessian(linear, X), ValueError, r"shape \(3,\) .* reduce it to a scalar"),
        (lambda: jacobian(linear, np.arange(4)), TypeError, "float32 and float64 can"),
        (lambda: jacobian(lambda x: x.data, X), TypeError, "f takes Tensors and returns one"),
    ],
)
def test_what_does_not_fit_is_refused(compute, error, message):
    with pytest.raises(error, match=message):
        compute()
