"""A training step of a VAE, 784-400-20-400-784 in batches of 128: its time and its memory.

Forward, backward and Adam, in both libraries with their default threads. PyTorch's memory
includes its library, so what is added above the imports stands beside it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.interleaved import COLUMNS, Contestant, compare

BATCH, PIXELS, HIDDEN, LATENT = 128, 784, 400, 20


def _batch() -> np.ndarray:
    return (np.random.default_rng(0).random((BATCH, PIXELS)) > 0.8).astype(np.float32)


def ours(_: str) -> Callable[[], object]:
    from autograd import optim
    from models.autoencoders.vae import VAE, Settings

    settings = Settings(hidden=(HIDDEN,), latent=LATENT, batch=BATCH)
    rng = np.random.default_rng(0)
    model, x = VAE(settings, (28, 28), 2, rng), _batch()
    optimizer = optim.Adam(model.parameters(), 1e-3)

    def step() -> None:
        loss, _ = model.loss(x, rng)
        model.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def torch(_: str) -> Callable[[], object]:
    import torch
    from torch.nn import functional as F

    def linear(inputs: int, outputs: int) -> Any:
        return torch.nn.Linear(inputs, outputs)

    encoder, mu, logvar = linear(PIXELS, HIDDEN), linear(HIDDEN, LATENT), linear(HIDDEN, LATENT)
    decoder, output = linear(LATENT, HIDDEN), linear(HIDDEN, PIXELS)
    layers = torch.nn.ModuleList([encoder, mu, logvar, decoder, output])
    optimizer = torch.optim.Adam(layers.parameters(), 1e-3)
    x = torch.tensor(_batch())

    def step() -> None:
        h = F.relu(encoder(x))
        m, v = mu(h), logvar(h)
        z = m + torch.exp(0.5 * v) * torch.randn_like(m)
        logits = output(F.relu(decoder(z)))
        reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        loss = (reconstruction - 0.5 * (1 + v - m * m - v.exp()).sum()) / BATCH
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return step


CONTESTANTS = {
    "chainrule": Contestant("models.autoencoders.vae", ours),
    "pytorch": Contestant("torch", torch),
}


def run(rounds: int) -> dict[str, Any]:
    measured = compare(CONTESTANTS, ["step"], rounds, calls=20)
    print(f"{'a step':12}{COLUMNS}{'peak MiB':>12}{'above imports':>16}")
    for who, m in measured.items():
        print(f"{who:12}{m.columns('step')}{m.peak:12.0f}{m.above_imports:16.1f}")
    a, b = measured["chainrule"], measured["pytorch"]
    ratio = a.seconds["step"] / b.seconds["step"]
    least = a.least["step"] / b.least["step"]
    print(f"{'ratio':12}{ratio:12.2f}{least:12.2f}{'':8}{a.peak / b.peak:12.2f}")
    return {who: vars(m) for who, m in measured.items()} | {"ratio": ratio}
