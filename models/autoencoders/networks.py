"""Perceptrons and convolutions, and the activations between their layers."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from autograd import Rng, flatten, nn, relu, sigmoid, silu, tanh
from models.data import Shape, channels_of, planes
from models.errors import UsageError

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": relu,
    "silu": silu,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "linear": lambda x: x,
}


def perceptron(widths: Sequence[int], activation: str, rng: Rng) -> nn.Sequential:
    """Linear layers between these widths, each followed by the activation."""
    steps: list[Callable] = []
    for inputs, outputs in itertools.pairwise(widths):
        steps += [nn.Linear(inputs, outputs, rng), ACTIVATIONS[activation]]
    return nn.Sequential(*steps)


def encoder(settings: Any, shape: Shape, rng: Rng) -> tuple[nn.Sequential, int]:
    """Flat images of `shape` to features (N, F), and F: the network that the settings describe."""
    if settings.network == "conv":
        return downwards(shape, settings.hidden, settings.activation, rng)
    widths = (math.prod(shape), *settings.hidden)
    return perceptron(widths, settings.activation, rng), widths[-1]


def downwards(
    shape: Shape, hidden: Sequence[int], activation: str, rng: Rng
) -> tuple[nn.Sequential, int]:
    """Flat images of `shape` to features (N, F), and F: each convolution halves both sides."""
    steps = halving(shape, hidden, activation, rng)
    return nn.Sequential(*steps, flatten), hidden[-1] * math.prod(sizes(shape, hidden)[-1])


def halving(shape: Shape, hidden: Sequence[int], activation: str, rng: Rng) -> list[Callable]:
    """The steps from flat images to (N, hidden[-1], *the last sides)."""
    steps: list[Callable] = [lambda x: planes(x, shape)]
    for inputs, outputs in itertools.pairwise((channels_of(shape), *hidden)):
        conv = nn.Conv2d(inputs, outputs, 4, rng, stride=2, padding=1)
        steps += [conv, ACTIVATIONS[activation]]
    return steps


def upwards(
    latent: int, hidden: Sequence[int], shape: Shape, activation: str, rng: Rng
) -> tuple[nn.Sequential, nn.ConvTranspose2d]:
    """Their mirror image, from z (N, latent), and its last step, to (N, channels, *sides)."""
    start = (-1, hidden[-1], *sizes(shape, hidden)[-1])
    first = nn.Linear(latent, math.prod(start[1:]), rng)
    steps, conv = doubling(hidden, shape, activation, rng)
    return nn.Sequential(first, lambda h: h.reshape(start), *steps), conv


def doubling(
    hidden: Sequence[int], shape: Shape, activation: str, rng: Rng
) -> tuple[list[Callable], nn.ConvTranspose2d]:
    """The steps from (N, hidden[-1], *the last sides) back to the image, and the last step."""
    steps: list[Callable] = []
    widths = (*reversed(hidden), channels_of(shape))
    for inputs, outputs, size in zip(widths, widths[1:], reversed(sizes(shape, hidden)[:-1])):
        odd = (size[0] % 2, size[1] % 2)  # the row and the column that halving left out
        conv = nn.ConvTranspose2d(inputs, outputs, 4, rng, 2, 1, output_padding=odd)
        steps += [ACTIVATIONS[activation], conv]
    return steps[:-1], conv


def sizes(shape: Shape, hidden: Sequence[int]) -> list[tuple[int, int]]:
    """The sides of the image, and those after each halving."""
    if min(shape[:2]) < 2 ** len(hidden):
        raise UsageError(
            f"hidden={','.join(map(str, hidden))} halves an image {len(hidden)} times: "
            f"{shape[0]}x{shape[1]} is too small; name fewer widths"
        )
    return [(shape[0] >> i, shape[1] >> i) for i in range(len(hidden) + 1)]
