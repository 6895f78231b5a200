"""A training step of a small classifier of 28 x 28 images, in batches of 128, with Adam.

Convolutions 1-32-64-64, 3 x 3, the second with stride 2, then linear layers 12544-128-10. Our
kernels and BLAS take turns in a step: a convolution that waits for BLAS's spinning threads, or
that BLAS waits for, is slow here and not in `conv2d`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.interleaved import COLUMNS, Contestant, compare

BATCH, SIZE, CHANNELS, HIDDEN, CLASSES = 128, 28, (1, 32, 64, 64), 128, 10
STRIDES = (1, 2, 1)
FEATURES = CHANNELS[-1] * (SIZE // 2) ** 2


def _batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((BATCH, 1, SIZE, SIZE), np.float32), rng.integers(0, CLASSES, BATCH)


def ours(_: str) -> Callable[[], object]:
    from autograd import flatten, log_softmax, nn, optim, relu

    rng = np.random.default_rng(0)
    steps: list[Callable] = []
    for inputs, outputs, stride in zip(CHANNELS, CHANNELS[1:], STRIDES):
        steps += [nn.Conv2d(inputs, outputs, 3, rng, stride, 1), relu]
    steps += [flatten, nn.Linear(FEATURES, HIDDEN, rng), relu, nn.Linear(HIDDEN, CLASSES, rng)]
    model = nn.Sequential(*steps)
    optimizer, (x, labels) = optim.Adam(model.parameters(), 1e-3), _batch()

    def step() -> None:
        log_p = log_softmax(model(x), axis=-1)
        loss = -log_p[np.arange(BATCH), labels].mean()
        model.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def torch(_: str, layout: str) -> Callable[[], object]:
    import torch

    steps: list[Any] = []
    for inputs, outputs, stride in zip(CHANNELS, CHANNELS[1:], STRIDES):
        steps += [torch.nn.Conv2d(inputs, outputs, 3, stride, 1), torch.nn.ReLU()]
    steps += [torch.nn.Flatten(), torch.nn.Linear(FEATURES, HIDDEN), torch.nn.ReLU()]
    memory_format = getattr(torch, layout)
    model: Any = torch.nn.Sequential(*steps, torch.nn.Linear(HIDDEN, CLASSES))
    model.to(memory_format=memory_format)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    images, labels = (torch.tensor(a) for a in _batch())
    x = images.to(memory_format=memory_format)

    def step() -> None:
        loss = torch.nn.functional.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return step


CONTESTANTS = {
    "chainrule": Contestant("autograd", ours),
    "PyTorch NCHW": Contestant("torch", partial(torch, layout="contiguous_format")),
    "PyTorch channels_last": Contestant("torch", partial(torch, layout="channels_last")),
}


def run(rounds: int) -> dict[str, Any]:
    measured = compare(CONTESTANTS, ["step"], rounds, calls=5)
    ours = measured["chainrule"].seconds["step"]
    print(f"{'a step':24}{COLUMNS}{'ratio':>8}{'peak MiB':>12}")
    for who, m in measured.items():
        print(f"{who:24}{m.columns('step')}{ours / m.seconds['step']:8.2f}{m.peak:12.0f}")
    return {who: vars(m) for who, m in measured.items()}
