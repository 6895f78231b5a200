"""A training step of a PixelCNN on 28 x 28 images, with Adam: the default plain network.

In PyTorch a masked convolution is one with its weight times the mask, as it is usually written.
PyTorch has two memory layouts, and both are here.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.interleaved import COLUMNS, Contestant, compare

SIZE, KERNEL, CHANNELS, BLOCKS = 28, 15, 64, 8
BATCHES = (16, 64)


def _batch(n: int) -> np.ndarray:
    return (np.random.default_rng(0).random((n, SIZE * SIZE)) > 0.8).astype(np.float32)


def ours(n: int) -> Callable[[], object]:
    from models.autoregressive.pixelcnn import PixelCNN, Settings

    settings = Settings(kernel_size=KERNEL, channels=CHANNELS, blocks=BLOCKS, batch=n)
    rng = np.random.default_rng(0)
    model, x = PixelCNN(settings, (SIZE, SIZE), 2, rng), _batch(n)
    optimizers = model.optimizers(1000)
    return lambda: model.update(x, rng, 0, None, optimizers)


def torch(n: int, layout: str) -> Callable[[], object]:
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
    memory_format = getattr(torch, layout)
    network.to(memory_format=memory_format)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    x = torch.tensor(_batch(n)).reshape(n, 1, SIZE, SIZE).to(memory_format=memory_format)

    def step() -> None:
        loss = F.binary_cross_entropy_with_logits(network(x), x, reduction="sum") / n
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return step


CONTESTANTS = {
    "chainrule": Contestant("models.autoregressive.pixelcnn", ours),
    "PyTorch NCHW": Contestant("torch", partial(torch, layout="contiguous_format")),
    "PyTorch channels_last": Contestant("torch", partial(torch, layout="channels_last")),
}


def run(rounds: int) -> dict[str, Any]:
    measured = compare(CONTESTANTS, BATCHES, rounds, calls=5)
    print(f"{'a step':24}{'batch':>8}{COLUMNS}{'ratio':>8}{'peak MiB':>12}")
    for who, m in measured.items():
        for n, seconds in m.seconds.items():
            ratio = measured["chainrule"].seconds[n] / seconds
            print(f"{who:24}{n:8}{m.columns(n)}{ratio:8.2f}{m.peak:12.0f}")
    return {who: vars(m) for who, m in measured.items()}
