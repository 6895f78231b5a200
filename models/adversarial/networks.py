"""The two players of a GAN, as perceptrons or as convolutions of any image size.

`hidden` has the widths of the discriminator from the data to its features, and the generator
mirrors them, so that neither is much the stronger. The discriminator has no batch normalisation:
what it says of one image shall not depend on the others, and a gradient penalty is defined only
then (Gulrajani et al. 2017, section 4).
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograd import Tensor, concatenate, exp, flatten, leaky_relu, namespace, nn, relu, tanh
from autograd import abs as absolute
from autograd.tensor import array_of
from models.errors import UsageError

KERNEL_DIMENSIONS = 5  # C of minibatch discrimination, as in the code of Salimans et al.


class Generator(nn.Module):
    """z (N, latent), with one-hot classes (N, classes) or None, to (N, pixels).

    Images come out in [-1, 1], points of the plane anywhere.
    """

    def __init__(
        self,
        network: str,
        latent: int,
        hidden: tuple[int, ...],
        shape: tuple[int, ...],
        classes: int,
        rng: np.random.Generator,
    ):
        inputs = latent + classes
        if network == "dcgan":
            self.steps = _upwards(inputs, hidden, _image(shape, hidden), rng)
        else:
            outputs = math.prod(shape)
            self.steps = _perceptron((inputs, *reversed(hidden)), rng)
            self.steps.append(nn.Linear(hidden[0], outputs, rng))
            if len(shape) == 2:
                self.steps.append(tanh)

    def forward(self, z: Any, classes: Any = None) -> Tensor:
        h = z if classes is None else concatenate([z, classes], axis=1)
        for step in self.steps:
            h = step(h)
        return h


class Discriminator(nn.Module):
    """x (N, pixels) in the generator's units to logits (N,): log D(x) / (1 - D(x)).

    For a critic they are its scores. With classes, as one-hot (N, classes), it judges whether x
    and its class belong together (Mirza & Osindero 2014).
    """

    def __init__(
        self,
        network: str,
        hidden: tuple[int, ...],
        shape: tuple[int, ...],
        classes: int,
        rng: np.random.Generator,
        spectral_norm: bool = False,
        minibatch_kernels: int = 0,
    ):
        self.image = _image(shape, hidden) if network == "dcgan" else None
        if self.image:
            self.steps, features = _downwards(hidden, self.image, classes, rng)
        else:
            self.steps = _perceptron((math.prod(shape) + classes, *hidden), rng)
            features = hidden[-1]
        self.minibatch = None
        if minibatch_kernels:
            self.minibatch = MinibatchDiscrimination(features, minibatch_kernels, rng)
        self.output: nn.Module = nn.Linear(features + minibatch_kernels, 1, rng)
        if spectral_norm:
            self.steps = [
                SpectralNorm(step, rng) if isinstance(step, nn.Module) else step
                for step in self.steps
            ]
            self.output = SpectralNorm(self.output, rng)

    def features(self, x: Any, classes: Any = None) -> Tensor:
        """The last hidden layer, (N, features): the f(x) of Salimans et al. 2016, section 3.1."""
        parts = [x] if classes is None else [x, classes]
        if self.image:  # a class is a plane of ones among planes of zeros
            n, (height, width) = len(x), self.image
            ones = namespace(array_of(x)).ones((1, 1, height, width), x.dtype)
            parts = [x.reshape((n, 1, height, width))]
            if classes is not None:
                parts.append(classes.reshape((n, -1, 1, 1)) * ones)
        h = concatenate(parts, axis=1)
        for step in self.steps:
            h = step(h)
        return h

    def forward(self, x: Any, classes: Any = None) -> Tensor:
        h = self.features(x, classes)
        if self.minibatch:
            h = concatenate([h, self.minibatch(h)], axis=1)
        return self.output(h).reshape(-1)


class MinibatchDiscrimination(nn.Module):
    """How near the others of the batch are: features f (N, A) to (N, B), with B kernels.

        M_i = f(x_i) T,  c_b(x_i, x_j) = exp(-|M_ib - M_jb|_1),  o(x_i)_b = sum_j c_b(x_i, x_j)

    (Salimans et al. 2016, section 3.2.) A generator that always says the same is found out.
    """

    def __init__(self, features: int, kernels: int, rng: np.random.Generator):
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

    def __init__(self, layer: nn.Module, rng: np.random.Generator):
        self.layer = layer
        outputs = layer.tensors()["weight"].shape[0]
        self.u = Tensor(_unit(rng.standard_normal(outputs).astype(np.float32)))

    def sigma(self) -> Tensor:
        """u^T W v, which is differentiated for W alone: u and v count as constants (eq. 12)."""
        w = self.layer.tensors()["weight"]
        w = w.reshape(w.shape[0], -1)
        v = _unit(w.data.T @ self.u.data)
        u = _unit(w.data @ v)
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


@contextmanager
def evaluating(*modules: nn.Module) -> Iterator[None]:
    """Within the block they do not learn from what they see: no running averages, no power step."""
    before = [module.training for module in modules]
    for module in modules:
        module.train(False)
    try:
        yield
    finally:
        for module, training in zip(modules, before):
            module.train(training)


def _place(module: Any, name: str) -> tuple[Any, str]:
    """The Module that has the Tensor of a dotted name, and its attribute."""
    *path, attribute = name.split(".")
    for key in path:
        module = module[int(key)] if key.isdecimal() else getattr(module, key)
    return module, attribute


def _unit(vector: Any) -> Any:
    return vector / ((vector * vector).sum() ** 0.5 + 1e-12)


def _perceptron(widths: tuple[int, ...], rng: np.random.Generator) -> list[Callable]:
    """Linear layers between these widths, each followed by a leaky ReLU."""
    steps: list[Callable] = []
    for inputs, outputs in itertools.pairwise(widths):
        steps += [nn.Linear(inputs, outputs, rng), leaky_relu]
    return steps


def _image(shape: tuple[int, ...], hidden: tuple[int, ...]) -> tuple[int, int]:
    """The shape, if it is of an image that can be halved for each of the hidden layers."""
    if len(shape) != 2:
        raise UsageError("network=dcgan is for images: choose network=mlp for points of the plane")
    height, width = shape
    if min(shape) < 2 ** len(hidden):
        raise UsageError(
            f"hidden={','.join(map(str, hidden))} halves an image {len(hidden)} times: "
            f"{height}x{width} is too small; name fewer widths"
        )
    return height, width


def _downwards(
    hidden: tuple[int, ...], image: tuple[int, int], classes: int, rng: np.random.Generator
) -> tuple[list[Callable], int]:
    """Strided convolutions instead of pooling (Radford et al. 2016), and how many features."""
    steps: list[Callable] = []
    for inputs, outputs in itertools.pairwise((1 + classes, *hidden)):
        conv = nn.Conv2d(inputs, outputs, 4, rng, stride=2, padding=1)
        steps += [_small(conv, rng), leaky_relu]
    height, width = _sizes(image, hidden)[-1]
    return [*steps, flatten], hidden[-1] * height * width


def _upwards(
    inputs: int, hidden: tuple[int, ...], image: tuple[int, int], rng: np.random.Generator
) -> list[Callable]:
    """Their mirror image: transposed convolutions, batch normalisation and ReLU."""
    *sizes, smallest = _sizes(image, hidden)
    start = (-1, hidden[-1], *smallest)
    steps: list[Callable] = [
        _small(nn.Linear(inputs, math.prod(start[1:]), rng), rng),
        lambda h: h.reshape(start),
    ]
    for channels, outputs, size in zip(hidden[::-1], (*hidden[-2::-1], 1), sizes[::-1]):
        odd = (size[0] % 2, size[1] % 2)  # the row and the column that halving left out
        conv = nn.ConvTranspose2d(
            channels, outputs, 4, rng, stride=2, padding=1, output_padding=odd
        )
        steps += [nn.BatchNorm(channels), relu, _small(conv, rng)]
    return [*steps, tanh, flatten]


def _sizes(image: tuple[int, int], hidden: tuple[int, ...]) -> list[tuple[int, int]]:
    """The image's, and that after each halving."""
    return [(image[0] >> i, image[1] >> i) for i in range(len(hidden) + 1)]


def _small(layer: Any, rng: np.random.Generator) -> Any:
    """With weights from N(0, 0.02^2) and no bias to start with (Radford et al. 2016, section 4)."""
    layer.weight.data[...] = 0.02 * rng.standard_normal(layer.weight.shape)
    layer.bias.data[...] = 0
    return layer
