"""A training step of a small classifier of 28 x 28 images, in batches of 128, with Adam.

Convolutions 1-32-64-64, 3 x 3, the second with stride 2, then linear layers 12544-128-10. Our
kernels and BLAS take turns in a step: a convolution that waits for BLAS's spinning threads, or
that BLAS waits for, is slow here and not in `conv2d`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.steps import Sides, Step, Variant, Weights, training_steps

CASES = {"classifier": None}
BATCH, SIZE, CHANNELS, HIDDEN, CLASSES = 128, 28, (1, 32, 64, 64), 128, 10
STRIDES = (1, 2, 1)
FEATURES = CHANNELS[-1] * (SIZE // 2) ** 2


def _batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((BATCH, 1, SIZE, SIZE), np.float32), rng.integers(0, CLASSES, BATCH)


def model(_: None) -> Any:
    from autograd import flatten, nn, relu

    rng = np.random.default_rng(0)
    steps: list[Callable] = []
    for inputs, outputs, stride in zip(CHANNELS, CHANNELS[1:], STRIDES):
        steps += [nn.Conv2d(inputs, outputs, 3, rng, stride, 1), relu]
    steps += [flatten, nn.Linear(FEATURES, HIDDEN, rng), relu, nn.Linear(HIDDEN, CLASSES, rng)]
    return nn.Sequential(*steps)


def ours(_: None, weights: Weights) -> Step:
    from autograd import log_softmax, optim

    network, (x, labels) = model(_), _batch()
    network.load_state(weights)
    optimizer = optim.Adam(network.parameters(), 1e-3)

    def step() -> float:
        log_p = log_softmax(network(x), axis=-1)
        loss = -log_p[np.arange(BATCH), labels].mean()
        network.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def torch(_: None, weights: Weights, variant: Variant) -> Step:
    import torch

    steps: list[Any] = []
    for inputs, outputs, stride in zip(CHANNELS, CHANNELS[1:], STRIDES):
        steps += [torch.nn.Conv2d(inputs, outputs, 3, stride, 1), torch.nn.ReLU()]
    steps += [torch.nn.Flatten(), torch.nn.Linear(FEATURES, HIDDEN), torch.nn.ReLU()]
    network: Any = torch.nn.Sequential(*steps, torch.nn.Linear(HIDDEN, CLASSES))
    variant.loaded(network, weights)
    images, labels = (torch.tensor(a) for a in _batch())
    x = variant.placed(images)
    return variant.step(lambda: torch.nn.functional.cross_entropy(network(x), labels), network)


def jax(_: None, weights: Weights) -> Step:
    from benchmarks import jax_twins

    x, labels = _batch()
    return jax_twins.training(jax_twins.classifier, weights, x.transpose(0, 2, 3, 1), labels)


SIDES = Sides("autograd", model, ours, torch, jax)


def run(rounds: int) -> dict[str, Any]:
    return training_steps(SIDES, CASES, rounds)
