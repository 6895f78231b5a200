"""Perceptrons, and the activations between their layers."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from autograd import Rng, nn, relu, sigmoid, tanh

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": relu,
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
