"""A training step of a VAE, 784-400-20-400-784 in batches of 128, with Adam."""

from typing import Any

import numpy as np

from benchmarks.steps import Sides, Step, Variant, Weights, training_steps

CASES = {"VAE, batch 128": None}
BATCH, SIZE, HIDDEN, LATENT = 128, 28, 400, 20


def _batch() -> np.ndarray:
    return (np.random.default_rng(0).random((BATCH, SIZE * SIZE)) > 0.8).astype(np.float32)


def model(_: None) -> Any:
    from models.autoencoders.vae import VAE, Settings

    settings = Settings(hidden=(HIDDEN,), latent=LATENT, batch=BATCH)
    return VAE(settings, (SIZE, SIZE), 2, np.random.default_rng(0))


def ours(_: None, weights: Weights) -> Step:
    from autograd import optim

    vae, x, rng = model(_), _batch(), np.random.default_rng(0)
    vae.load_state(weights)
    optimizer = optim.Adam(vae.parameters(), 1e-3)

    def step() -> float:
        loss, _ = vae.loss(x, rng)
        vae.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def torch(_: None, weights: Weights, variant: Variant) -> Step:
    import torch
    from torch.nn import functional as F

    shapes = [w.shape[::-1] for w in weights.values() if w.ndim == 2]
    layers = torch.nn.ModuleList([torch.nn.Linear(*shape) for shape in shapes])
    encoder, mu, logvar, decoder, output = variant.loaded(layers, weights)
    x = torch.tensor(_batch())

    def loss() -> Any:
        h = F.relu(encoder(x))
        m, v = mu(h), logvar(h)
        z = m + torch.exp(0.5 * v) * torch.randn_like(m)
        logits = output(F.relu(decoder(z)))
        reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        return (reconstruction - 0.5 * (1 + v - m * m - v.exp()).sum()) / BATCH

    return variant.step(loss, layers)


def jax(_: None, weights: Weights) -> Step:
    from benchmarks import jax_twins

    return jax_twins.training(jax_twins.vae, weights, _batch())


SIDES = Sides("models.autoencoders.vae", model, ours, torch, jax)


def run(rounds: int) -> dict[str, Any]:
    return training_steps(SIDES, CASES, rounds)
