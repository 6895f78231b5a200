"""A training step of a PixelCNN on 28 x 28 images, with Adam: the default plain network.

Elsewhere a masked convolution is one with its weight times the mask, as it is usually written.
"""

from typing import Any

import numpy as np

from benchmarks.steps import Sides, Step, Variant, Weights, training_steps

SIZE, KERNEL, CHANNELS, BLOCKS = 28, 15, 64, 8
CASES = {"PixelCNN, 28x28, batch 16": 16, "PixelCNN, 28x28, batch 64": 64}


def _batch(n: int) -> np.ndarray:
    return (np.random.default_rng(0).random((n, SIZE * SIZE)) > 0.8).astype(np.float32)


def model(n: int) -> Any:
    from models.autoregressive.pixelcnn import PixelCNN, Settings

    settings = Settings(
        kernel_size=KERNEL, channels=CHANNELS, blocks=BLOCKS, batch=n, learning_rate=1e-3
    )
    return PixelCNN(settings, (SIZE, SIZE), 2, np.random.default_rng(0))


def ours(n: int, weights: Weights) -> Step:
    pixelcnn, x, rng = model(n), _batch(n), np.random.default_rng(0)
    pixelcnn.load_state(weights)
    optimizers = pixelcnn.optimizers(1_000_000)
    return lambda: pixelcnn.update(x, rng, 0, None, optimizers)["loss"]


def torch(n: int, weights: Weights, variant: Variant) -> Step:
    import torch
    from torch.nn import functional as F

    class Masked(torch.nn.Conv2d):
        mask: torch.Tensor

        def __init__(self, inputs: int, outputs: int, size: int, own: bool):
            super().__init__(inputs, outputs, size, padding=size // 2)
            live = torch.arange(size * size) < size * size // 2 + own
            self.register_buffer("mask", live.float().reshape(size, size))

        def forward(self, x):
            return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.down = torch.nn.Conv2d(CHANNELS, CHANNELS // 2, 1)
            self.masked = Masked(CHANNELS // 2, CHANNELS // 2, 3, own=True)
            self.up = torch.nn.Conv2d(CHANNELS // 2, CHANNELS, 1)

        def forward(self, h):
            return h + self.up(F.relu(self.masked(F.relu(self.down(F.relu(h))))))

    network: Any = torch.nn.Sequential(
        Masked(1, CHANNELS, KERNEL, own=False),
        *(Block() for _ in range(BLOCKS)),
        torch.nn.ReLU(),
        torch.nn.Conv2d(CHANNELS, CHANNELS, 1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(CHANNELS, 1, 1),
    )
    variant.loaded(network, weights)
    x = variant.placed(torch.tensor(_batch(n)).reshape(n, 1, SIZE, SIZE))

    def loss() -> Any:
        return F.binary_cross_entropy_with_logits(network(x), x, reduction="sum") / n

    return variant.step(loss, network)


def jax(n: int, weights: Weights) -> Step:
    from benchmarks import jax_twins

    return jax_twins.training(jax_twins.pixelcnn, weights, _batch(n).reshape(n, SIZE, SIZE, 1))


SIDES = Sides("models.autoregressive.pixelcnn", model, ours, torch, jax)


def run(rounds: int) -> dict[str, Any]:
    return training_steps(SIDES, CASES, rounds)
