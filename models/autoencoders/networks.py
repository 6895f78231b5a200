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


def downwards(
    shape: Shape, hidden: Sequence[int], activation: str, rng: Rng
) -> tuple[nn.Sequential, int]:
    """Flat images of `shape` to features (N, F), and F: each convolution halves both sides."""
    steps: list[Callable] = [lambda x: planes(x, shape)]
    for inputs, outputs in itertools.pairwise((channels_of(shape), *hidden)):
        conv = nn.Conv2d(inputs, outputs, 4, rng, stride=2, padding=1)
        steps += [conv, ACTIVATIONS[activation]]
    smallest = _sizes(shape, hidden)[-1]
    return nn.Sequential(*steps, flatten), hidden[-1] * math.prod(smallest)


def upwards(
    latent: int, hidden: Sequence[int], shape: Shape, activation: str, rng: Rng
) -> tuple[nn.Sequential, nn.ConvTranspose2d]:
    """Their mirror image, from z (N, latent), and its last step, to (N, channels, *sides)."""
    *sizes, smallest = _sizes(shape, hidden)
    start = (-1, hidden[-1], *smallest)
    steps: list[Callable] = [
        nn.Linear(latent, math.prod(start[1:]), rng),
        lambda h: h.reshape(start),
    ]
    widths = (*reversed(hidden), channels_of(shape))
    for inputs, outputs, size in zip(widths, widths[1:], reversed(sizes)):
        odd = (size[0] % 2, size[1] % 2)  # the row and the column that halving left out
        conv = nn.ConvTranspose2d(inputs, outputs, 4, rng, 2, 1, output_padding=odd)
        steps += [ACTIVATIONS[activation], conv]
    return nn.Sequential(*steps[:-1]), conv


def _sizes(shape: Shape, hidden: Sequence[int]) -> list[tuple[int, int]]:
    """The sides of the image, and those after each halving."""
    if min(shape[:2]) < 2 ** len(hidden):
        raise UsageError(
            f"hidden={','.join(map(str, hidden))} halves an image {len(hidden)} times: "
            f"{shape[0]}x{shape[1]} is too small; name fewer widths"
        )
    return [(shape[0] >> i, shape[1] >> i) for i in range(len(hidden) + 1)]
