"""A training step of a GAN: both players, as `chainrule train gan` has them by default.

On the 8 x 8 digits a WGAN-GP of perceptrons, whose penalty is the gradient of a gradient; on
28 x 28 images a DCGAN. Both libraries with their default threads.
"""

import itertools
from typing import Any

import numpy as np

from benchmarks.steps import Sides, Step, Variant, Weights, training_steps

CASES = {
    "GAN, digits: WGAN-GP of perceptrons": "digits",
    "GAN, 28x28: DCGAN, batch 64": "mnist",
}
SIZES = {"digits": 8, "mnist": 28}


def _settings(case: str) -> Any:
    from models.adversarial.gan import GAN, Settings

    return GAN.defaults.get(case) or Settings()


def _batch(case: str) -> np.ndarray:
    settings, pixels = _settings(case), SIZES[case] ** 2
    n = settings.batch * settings.critic_steps
    return np.random.default_rng(0).random((n, pixels), dtype=np.float32)


def model(case: str) -> Any:
    from models.adversarial.gan import GAN

    size = SIZES[case]
    return GAN(_settings(case), (size, size), 17, np.random.default_rng(0))


def ours(case: str, weights: Weights) -> Step:
    gan, x, rng = model(case), _batch(case), np.random.default_rng(0)
    gan.load_state(weights)
    optimizers = gan.optimizers(1_000_000)
    return lambda: gan.update(x, rng, 0, None, optimizers)["generator_loss"]


def torch(case: str, weights: Weights, variant: Variant) -> Step:
    import torch
    from torch import nn
    from torch.nn import functional as F

    s, size = _settings(case), SIZES[case]
    if s.network == "mlp":
        generator: Any = _perceptron(nn, (s.latent, *reversed(s.hidden), size**2), nn.Tanh())
        critic: Any = _perceptron(nn, (size**2, *s.hidden, 1))
    else:
        generator, critic = _dcgan(nn, s, size)
    optimizers = []
    for name, player in (("generator", generator), ("discriminator", critic)):
        own = {n: w for n, w in weights.items() if n.startswith(name) and ".running_" not in n}
        variant.loaded(player, own)
        betas = (s.beta1, s.beta2)
        optimizers.append(variant.adam(player.parameters(), s.learning_rate, betas))
    x = 2 * torch.tensor(_batch(case)) - 1

    def critic_loss(real: Any, fake: Any) -> Any:
        on_real, on_fake = critic(real), critic(fake)
        if s.loss != "wgan-gp":
            return F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
        mix = torch.rand(len(real), 1)
        between = (mix * real + (1 - mix) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = ((slope.norm(dim=1) - 1) ** 2).mean()
        return on_fake.mean() - on_real.mean() + s.penalty * penalty

    def generator_loss() -> Any:
        scores = critic(generator(torch.randn(s.batch, s.latent)))
        return -scores.mean() if s.loss == "wgan-gp" else F.softplus(-scores).mean()

    def samples() -> Any:
        with torch.no_grad():
            return generator(torch.randn(s.batch, s.latent))

    generator_loss, samples = variant.compile(generator_loss), variant.compile(samples)
    if s.loss != "wgan-gp":  # torch.compile has no gradient of a gradient
        critic_loss = variant.compile(critic_loss)

    def step() -> float:
        of_generator, of_critic = optimizers
        for real in x.split(s.batch):
            loss = critic_loss(real, samples())
            of_critic.zero_grad()
            loss.backward()
            of_critic.step()
        loss = generator_loss()
        of_generator.zero_grad()
        loss.backward()
        of_generator.step()
        return loss.item()

    return step


def jax(case: str, weights: Weights) -> Step:
    from benchmarks import jax_twins

    return jax_twins.gan(weights, 2 * _batch(case) - 1, _settings(case), SIZES[case])


def _perceptron(nn: Any, widths: tuple[int, ...], *last: Any) -> Any:
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
    between = [step for layer in layers[:-1] for step in (layer, nn.LeakyReLU(0.2))]
    return nn.Sequential(*between, layers[-1], *last)


def _dcgan(nn: Any, s: Any, size: int) -> tuple[Any, Any]:
    smallest = size >> len(s.hidden)
    features = s.hidden[-1] * smallest**2
    down = [
        step
        for a, b in itertools.pairwise((1, *s.hidden))
        for step in (nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.2))
    ]
    up = [
        step
        for a, b in itertools.pairwise((*reversed(s.hidden), 1))
        for step in (nn.BatchNorm2d(a), nn.ReLU(), nn.ConvTranspose2d(a, b, 4, 2, 1))
    ]
    generator = nn.Sequential(
        nn.Linear(s.latent, features),
        nn.Unflatten(1, (s.hidden[-1], smallest, smallest)),
        *up,
        nn.Tanh(),
        nn.Flatten(),
    )
    critic = nn.Sequential(
        nn.Unflatten(1, (1, size, size)), *down, nn.Flatten(), nn.Linear(features, 1)
    )
    return generator, critic


SIDES = Sides("models.adversarial.gan", model, ours, torch, jax)


def run(rounds: int) -> dict[str, Any]:
    return training_steps(SIDES, CASES, rounds)
