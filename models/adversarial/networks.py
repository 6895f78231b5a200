"""The two players of a GAN, as perceptrons or as convolutions of any image size.

`hidden` has the widths of the discriminator from the data to its features, and the generator
mirrors them, so that neither is much stronger. The discriminator has no batch normalisation:
its output for one image must not depend on the others, and a gradient penalty is defined only
then (Gulrajani et al. 2017, section 4).
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from autograd import Rng, Tensor, concatenate, flatten, leaky_relu, namespace, nn, relu, tanh
from autograd.tensor import array_of
from models.adversarial.cures import MinibatchDiscrimination, SpectralNorm
from models.adversarial.gan_settings import Settings
from models.data import Shape, channels_of, flat, planes
from models.errors import UsageError


class Generator(nn.Module):
    """z (N, latent), with one-hot classes (N, classes) or None, to (N, pixels).

    Images come out in [-1, 1], points of the plane anywhere.
    """

    def __init__(self, settings: Settings, shape: Shape, classes: int, rng: Rng):
        inputs, hidden = settings.latent + classes, settings.hidden
        if settings.network == "dcgan":
            self.steps = _upwards(inputs, hidden, _image(shape, hidden), rng)
        else:
            self.steps = _perceptron((inputs, *reversed(hidden)), rng)
            self.steps.append(nn.Linear(hidden[0], math.prod(shape), rng))
            if len(shape) > 1:
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

    def __init__(self, settings: Settings, shape: Shape, classes: int, rng: Rng):
        hidden, kernels = settings.hidden, settings.minibatch_kernels
        self.image = _image(shape, hidden) if settings.network == "dcgan" else None
        if self.image:
            self.steps, features = _downwards(hidden, self.image, classes, rng)
        else:
            self.steps = _perceptron((math.prod(shape) + classes, *hidden), rng)
            features = hidden[-1]
        self.width = features
        self.minibatch = MinibatchDiscrimination(features, kernels, rng) if kernels else None
        self.output: nn.Module = nn.Linear(features + kernels, 1, rng)
        if settings.spectral_norm:
            self.steps = [
                SpectralNorm(step, rng) if isinstance(step, nn.Module) else step
                for step in self.steps
            ]
            self.output = SpectralNorm(self.output, rng)

    def features(self, x: Any, classes: Any = None) -> Tensor:
        """The last hidden layer, (N, features): the f(x) of Salimans et al. 2016, section 3.1."""
        parts = [x] if classes is None else [x, classes]
        if self.image:  # a class is a plane of ones among planes of zeros
            parts = [planes(x, self.image)]
            if classes is not None:
                ones = namespace(array_of(x)).ones((1, 1, *self.image[:2]), x.dtype)
                parts.append(classes.reshape((len(x), -1, 1, 1)) * ones)
        h = concatenate(parts, axis=1)
        for step in self.steps:
            h = step(h)
        return h

    def forward(self, x: Any, classes: Any = None) -> Tensor:
        h = self.features(x, classes)
        if self.minibatch:
            h = concatenate([h, self.minibatch(h)], axis=1)
        return self.output(h).reshape(-1)


class PairDiscriminator(Discriminator):
    """Pairs (x, z), each a row of (N, pixels + latent), to logits (N,)."""

    def __init__(self, settings: Settings, shape: Shape, classes: int, rng: Rng):
        super().__init__(settings, shape, settings.latent + classes, rng)
        self.pixels = math.prod(shape)

    def features(self, x: Any, classes: Any = None) -> Tensor:
        """As its image's, with the code, and the class, where those have the class alone."""
        x, z = x[:, : self.pixels], x[:, self.pixels :]
        return super().features(x, z if classes is None else concatenate([z, classes], axis=1))


class Encoder(nn.Module):
    """x (N, pixels) in the generator's units to (N, outputs), by the layers that D has too."""

    def __init__(self, settings: Settings, shape: Shape, outputs: int, rng: Rng):
        hidden = settings.hidden
        self.image = _image(shape, hidden) if settings.network == "dcgan" else None
        if self.image:
            self.steps, features = _downwards(hidden, self.image, 0, rng)
        else:
            self.steps, features = _perceptron((math.prod(shape), *hidden), rng), hidden[-1]
        self.output = nn.Linear(features, outputs, rng)

    def forward(self, x: Any) -> Tensor:
        h = planes(x, self.image) if self.image else x
        for step in self.steps:
            h = step(h)
        return self.output(h)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Within the block no running average is updated, and no power step is made."""
    before = module.training
    try:
        module.train(False)
        yield
    finally:
        module.train(before)


def _perceptron(widths: Sequence[int], rng: Rng) -> list[Callable]:
    """Linear layers between these widths, each followed by a leaky ReLU."""
    steps: list[Callable] = []
    for inputs, outputs in itertools.pairwise(widths):
        steps += [nn.Linear(inputs, outputs, rng), leaky_relu]
    return steps


def _image(shape: Shape, hidden: Sequence[int]) -> Shape:
    """The shape, if it is of an image that can be halved for each of the hidden layers."""
    if len(shape) == 1:
        raise UsageError("network=dcgan is for images: choose network=mlp for points of the plane")
    if min(shape[:2]) < 2 ** len(hidden):
        raise UsageError(
            f"hidden={','.join(map(str, hidden))} halves an image {len(hidden)} times: "
            f"{shape[0]}x{shape[1]} is too small; name fewer widths"
        )
    return shape


def _downwards(
    hidden: Sequence[int], image: Shape, classes: int, rng: Rng
) -> tuple[list[Callable], int]:
    """Strided convolutions instead of pooling (Radford et al. 2016), and how many features."""
    steps: list[Callable] = []
    for inputs, outputs in itertools.pairwise((channels_of(image) + classes, *hidden)):
        conv = nn.Conv2d(inputs, outputs, 4, rng, stride=2, padding=1)
        steps += [_dcgan_init(conv, rng), leaky_relu]
    height, width = _sizes(image, hidden)[-1]
    return [*steps, flatten], hidden[-1] * height * width


def _upwards(inputs: int, hidden: Sequence[int], image: Shape, rng: Rng) -> list[Callable]:
    """Their mirror image: transposed convolutions, batch normalisation and ReLU."""
    *sizes, smallest = _sizes(image, hidden)
    start = (-1, hidden[-1], *smallest)
    steps: list[Callable] = [
        _dcgan_init(nn.Linear(inputs, math.prod(start[1:]), rng), rng),
        lambda h: h.reshape(start),
    ]
    for channels, outputs, size in zip(
        hidden[::-1], (*hidden[-2::-1], channels_of(image)), sizes[::-1]
    ):
        odd = (size[0] % 2, size[1] % 2)  # the row and the column that halving left out
        conv = nn.ConvTranspose2d(
            channels, outputs, 4, rng, stride=2, padding=1, output_padding=odd
        )
        steps += [nn.BatchNorm(channels), relu, _dcgan_init(conv, rng)]
    return [*steps, tanh, flat]


def _sizes(image: Shape, hidden: Sequence[int]) -> list[tuple[int, int]]:
    """The image's, and that after each halving."""
    return [(image[0] >> i, image[1] >> i) for i in range(len(hidden) + 1)]


def _dcgan_init(layer: Any, rng: Rng) -> Any:
    """With weights from N(0, 0.02^2) and no bias to start with (Radford et al. 2016, section 4)."""
    layer.weight.data[...] = 0.02 * rng.standard_normal(layer.weight.shape)
    layer.bias.data[...] = 0
    return layer
