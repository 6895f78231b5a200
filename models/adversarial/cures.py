"""Cures for a GAN that does not train, or that collapses: each is a function or a layer.

`substituted` lets a network compute with other parameters than its own, which two of them need.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograd import Rng, Tensor, exp, grad, matmul, nn, norm
from autograd import abs as absolute

KERNEL_DIMENSIONS = 5  # C of minibatch discrimination, as in the code of Salimans et al.


def gradient_penalty(critic: Callable[..., Tensor], x: Tensor, classes: Any = None) -> Tensor:
    """E[(|grad f(x)| - 1)^2] at x (N, pixels) between data and samples, which is recorded.

    There an optimal critic has a slope of 1 (Gulrajani et al. 2017, proposition 1 and eq. 3).
    To minimise it takes the gradient of a gradient.
    """
    slope = grad(critic(x, classes).sum(), x, create_graph=True)
    return ((norm(slope, axis=1) - 1) ** 2).mean()


def feature_matching(real: Tensor, fake: Tensor) -> Tensor:
    """|E f(x) - E f(G(z))|^2 of features (N, F) (Salimans et al. 2016, section 3.1)."""
    return ((real.mean(axis=0) - fake.mean(axis=0)) ** 2).sum()


@contextmanager
def unrolled(
    discriminator: nn.Module, loss: Callable[[], Tensor], steps: int, rate: float
) -> Iterator[None]:
    """Within the block D is what `steps` of gradient descent on its `loss` would make of it.

        phi_0 = phi,  phi_k+1 = phi_k - rate grad L_D(phi_k)     (Metz et al. 2017, section 2.2)

    The steps are recorded, so the gradient for G goes through them and accounts for D's answer:
    the "missing gradient term" of their section 2.4. All are on one batch, and plain steps: the
    moments of D's own optimiser play no part here.
    """
    phi = discriminator.parameters() if steps else {}
    for _ in range(steps):
        with substituted(discriminator, phi):
            slopes = grad(loss(), list(phi.values()), create_graph=True)
        phi = {name: p - rate * slope for (name, p), slope in zip(phi.items(), slopes)}
    with substituted(discriminator, phi):
        yield


class MinibatchDiscrimination(nn.Module):
    """How near the others of the batch are: features f (N, A) to (N, B), with B kernels.

        M_i = f(x_i) T,  c_b(x_i, x_j) = exp(-|M_ib - M_jb|_1),  o(x_i)_b = sum_j c_b(x_i, x_j)

    (Salimans et al. 2016, section 3.2.) It exposes a generator whose samples are all alike.
    """

    def __init__(self, features: int, kernels: int, rng: Rng):
        scale = 1 / math.sqrt(features)
        shape = (features, kernels * KERNEL_DIMENSIONS)
        self.weight = nn.parameter(scale * rng.standard_normal(shape))

    def forward(self, f: Any) -> Tensor:
        n = len(f)
        m = (f @ self.weight).reshape(n, 1, -1, KERNEL_DIMENSIONS)
        others = m.reshape(1, n, -1, KERNEL_DIMENSIONS)
        return exp(-absolute(m - others).sum(axis=3)).sum(axis=1)


class SpectralNorm(nn.Module):
    """A layer whose weight W is divided by its largest singular value (Miyato et al. 2018).

    So a Linear is 1-Lipschitz. Of a convolution W is (outputs, the rest), as in their section 3:
    that is a proxy, not its norm as a map of images. One step of the power method for each
    forward pass of training, from where the last one ended (their algorithm 1).
    """

    def __init__(self, layer: nn.Module, rng: Rng):
        self.layer = layer
        outputs = layer.tensors()["weight"].shape[0]
        self.u = Tensor(_unit(rng.standard_normal(outputs).astype(np.float32)))

    def sigma(self) -> Tensor:
        """u^T W v, which is differentiated for W alone: u and v count as constants (eq. 12)."""
        w = self.layer.tensors()["weight"]
        w = w.reshape(w.shape[0], -1)
        v = _unit(matmul(w.data.T, self.u.data))
        u = _unit(matmul(w.data, v))
        if self.training:
            self.u.data[...] = u
        return ((w @ v) * u).sum()

    def forward(self, x: Any) -> Tensor:
        normal = self.layer.tensors()["weight"] / self.sigma()
        with substituted(self.layer, {"weight": normal}):
            return self.layer(x)


@contextmanager
def substituted(module: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Within the block `module` computes with these Tensors, named as its own by dotted names.

    So a network is a function of its parameters, and can be differentiated with respect to what
    these were made of.
    """
    places = {name: _place(module, name) for name in tensors}
    before = {name: getattr(*place) for name, place in places.items()}
    for name, place in places.items():
        setattr(*place, tensors[name])
    try:
        yield
    finally:
        for name, place in places.items():
            setattr(*place, before[name])


def _place(module: Any, name: str) -> tuple[Any, str]:
    """The Module that has the Tensor of a dotted name, and its attribute."""
    *path, attribute = name.split(".")
    for key in path:
        module = module[int(key)] if key.isdecimal() else getattr(module, key)
    return module, attribute


def _unit(vector: Any) -> Any:
    return vector / ((vector * vector).sum() ** 0.5 + 1e-12)
