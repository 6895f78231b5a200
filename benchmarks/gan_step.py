"""A training step of a GAN: both players, as `chainrule train gan` has them by default.

On the 8 x 8 digits a WGAN-GP of perceptrons, whose penalty is the gradient of a gradient; on
28 x 28 images a DCGAN. Both libraries with their default threads.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.interleaved import Contestant, training_steps

SIZES = {"digits": 8, "mnist": 28}


def _settings(case: str) -> Any:
    from models.adversarial.gan import GAN, Settings

    return GAN.defaults.get(case) or Settings()


def _batch(case: str) -> np.ndarray:
    settings, pixels = _settings(case), SIZES[case] ** 2
    n = settings.batch * settings.critic_steps
    return np.random.default_rng(0).random((n, pixels), dtype=np.float32)


def ours(case: str) -> Callable[[], object]:
    from models.adversarial.gan import GAN

    rng, x = np.random.default_rng(0), _batch(case)
    model = GAN(_settings(case), (SIZES[case], SIZES[case]), 17, rng)
    optimizers = model.optimizers(1_000_000)
    return lambda: model.update(x, rng, 0, None, optimizers)


def torch(case: str) -> Callable[[], object]:
    import torch
    from torch import nn
    from torch.nn import functional as F

    s, size = _settings(case), SIZES[case]
    if s.network == "mlp":
        generator: Any = _perceptron(nn, (s.latent, *reversed(s.hidden), size**2), nn.Tanh())
        critic: Any = _perceptron(nn, (size**2, *s.hidden, 1))
    else:
        generator, critic = _dcgan(nn, s, size)
    x = 2 * torch.tensor(_batch(case)) - 1
    betas = (s.beta1, s.beta2)
    critic_optimizer = torch.optim.Adam(critic.parameters(), s.learning_rate, betas)
    generator_optimizer = torch.optim.Adam(generator.parameters(), s.learning_rate, betas)

    def critic_loss(real: Any, fake: Any) -> Any:
        on_real, on_fake = critic(real), critic(fake)
        if s.loss != "wgan-gp":
            return F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
        mix = torch.rand(len(real), 1)
        between = (mix * real + (1 - mix) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = ((slope.norm(dim=1) - 1) ** 2).mean()
        return on_fake.mean() - on_real.mean() + s.penalty * penalty

    def step() -> None:
        for real in x.split(s.batch):
            with torch.no_grad():
                fake = generator(torch.randn(s.batch, s.latent))
            loss = critic_loss(real, fake)
            critic_optimizer.zero_grad()
            loss.backward()
            critic_optimizer.step()
        scores = critic(generator(torch.randn(s.batch, s.latent)))
        loss = -scores.mean() if s.loss == "wgan-gp" else F.softplus(-scores).mean()
        generator_optimizer.zero_grad()
        loss.backward()
        generator_optimizer.step()
        loss.item()

    return step


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


CONTESTANTS = {
    "chainrule": Contestant("models.adversarial.gan", ours),
    "PyTorch": Contestant("torch", torch),
}


def run(rounds: int) -> dict[str, Any]:
    return training_steps(CONTESTANTS, list(SIZES), rounds)
