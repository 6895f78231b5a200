"""Generative adversarial networks (Goodfellow et al. 2014, "Generative Adversarial Nets").

A generator G makes x from z ~ N(0, I); a discriminator D tells the probability that x is of the
data. They play for

    min_G max_D V(D, G) = E[log D(x)] + E[log(1 - D(G(z)))]                                (eq. 1)

Everything is a mean over the batch, in nats, and a loss is what its player minimises. That of D
is the sum of its two terms, -log D(x) - log(1 - D(G(z))), so where the generator has matched the
data and D = 1/2 everywhere it is log 4 = 1.386, and -log D(G(z)) is log 2 = 0.693. Beware: some
print half of the first, the mean of the terms. There V = -log 4 is as low as G can bring it
(theorem 1), but nothing says that gradient descent of both ends there: the losses tell who is
winning, and only the samples how well G does.

A Wasserstein GAN has a critic instead, whose scores are no probabilities and whose two means
differ by at most the Lipschitz constant times the distance of data and samples.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from matplotlib.figure import Figure

from autograd import (
    Array,
    Tensor,
    bce_with_logits,
    grad,
    no_grad,
    norm,
    optim,
    sigmoid,
    softplus,
)
from models.adversarial.networks import Discriminator, Generator, evaluating, substituted
from models.data import Dataset
from models.errors import UsageError
from models.model import MOST, Model, Row, check_settings, setting
from models.pictures import Panel

LOSSES = ("minimax", "non-saturating", "wgan", "wgan-gp")
LOG_4, LOG_2 = math.log(4), math.log(2)


@dataclass(frozen=True)
class Settings:
    """What a GAN is and how it learns; the defaults are those for MNIST."""

    loss: str = setting("non-saturating", "minimax, non-saturating, wgan, or wgan-gp")
    network: str = setting("dcgan", "mlp, or dcgan: convolutions (Radford et al. 2016)")
    latent: int = setting(64, "dimensions of z")
    hidden: tuple[int, ...] = setting((32, 64), "widths of D; G mirrors them")
    conditional: bool = setting(False, "tell both the class (Mirza & Osindero 2014)")
    real_target: float = setting(1.0, "what D is to say of data: 0.9 is one-sided smoothing")
    fake_target: float = setting(0.0, "what D is to say of samples: 0.1 smooths that side too")
    spectral_norm: bool = setting(False, "divide D's weights by their norm (Miyato et al. 2018)")
    minibatch_kernels: int = setting(0, "of minibatch discrimination; 0 is none")
    feature_matching: bool = setting(False, "G matches mean features (Salimans et al. 2016)")
    unrolled_steps: int = setting(0, "steps of D that G looks ahead (Metz et al. 2017)")
    unrolled_rate: float = setting(0.1, "the learning rate of these steps")
    clip: float = setting(0.01, "wgan: the most that a weight of the critic may be")
    penalty: float = setting(10.0, "wgan-gp: lambda, the weight of the gradient penalty")
    critic_steps: int = setting(1, "steps of D for each of G; 5 for the Wasserstein losses")
    optimizer: str = setting("adam", "adam, or rmsprop, which wgan needs")
    beta1: float = setting(0.5, "of Adam")
    beta2: float = setting(0.999, "of Adam")
    binarisation: str = setting("none", "fixed, dynamic, or none (grey levels)")
    batch: int = setting(64, "images for each step of D, and samples for each of G")
    learning_rate: float = setting(2e-4, "of D, at the start")
    generator_pace: float = setting(1.0, "the learning rate of G, as a multiple of D's")
    final_learning_rate: float = setting(2e-4, "where half a cosine takes it")
    epochs: int = setting(5, "passes over the training images")

    def __post_init__(self) -> None:
        check_settings(
            self,
            choices={
                "loss": LOSSES,
                "network": ("mlp", "dcgan"),
                "optimizer": ("adam", "rmsprop"),
            },
            bounds={
                "latent": (1, MOST),
                "hidden": (1, MOST),
                "real_target": (0, 1),
                "fake_target": (0, 1),
                "minibatch_kernels": (0, 1000),
                "unrolled_steps": (0, 100),
                "unrolled_rate": (0, MOST),
                "clip": (1e-12, MOST),
                "penalty": (0, MOST),
                "critic_steps": (1, 1000),
                "generator_pace": (1e-9, MOST),
                "beta1": (0, 1 - 1e-9),
                "beta2": (0, 1 - 1e-9),
            },
        )
        if self.real_target <= self.fake_target:
            raise UsageError(
                f"real_target={self.real_target}, fake_target={self.fake_target}: "
                "what D is to say of data must be more than of samples"
            )
        if self.loss == "wgan-gp" and self.minibatch_kernels:
            raise UsageError(
                f"loss=wgan-gp with minibatch_kernels={self.minibatch_kernels}: the penalty is "
                "on each image's own gradient, and the kernels tie images together"
            )

    @property
    def wasserstein(self) -> bool:
        return self.loss.startswith("wgan")


COLLAPSING = Settings(
    network="mlp",
    latent=2,
    hidden=(64, 64, 64),
    batch=128,
    learning_rate=2e-4,
    final_learning_rate=1e-5,
    generator_pace=5.0,
    epochs=25,
)
"""On the ring: a generator faster than its discriminator leaves each mode where that finds it."""

DEFAULTS = {
    "digits": Settings(
        loss="wgan-gp",
        network="mlp",
        latent=16,
        hidden=(256, 256),
        penalty=1.0,
        critic_steps=2,
        beta2=0.9,
        batch=100,
        learning_rate=2e-3,
        final_learning_rate=1e-5,
        epochs=300,
    ),
    "ring": Settings(
        loss="wgan-gp",
        network="mlp",
        latent=4,
        hidden=(64, 64, 64),
        penalty=0.1,
        critic_steps=2,
        beta2=0.9,
        batch=128,
        learning_rate=1e-3,
        final_learning_rate=1e-5,
        epochs=100,
    ),
    "binarized-mnist": Settings(binarisation="fixed"),
}
"""What is known to work on a data set; the class has the rest."""


def reproduce() -> dict[str, Any]:
    """Looking ahead against mode collapse, `python -m benchmarks mode_collapse`.

    Metz, Poole, Pfau & Sohl-Dickstein 2017, "Unrolled Generative Adversarial Networks", section
    3.1: of 8 Gaussians on a ring a plain GAN never holds more than one or two and goes round, and
    with unrolled steps of D (they take 5 to 10) it spreads over all 8. Theirs have sigma = 0.02.
    """
    settings = replace(COLLAPSING, unrolled_steps=5, unrolled_rate=0.05)
    return {"settings": settings, "data": "ring", "modes": 8}


class GAN(Model):
    """A generator and a discriminator for images of `shape`, or for points of the plane."""

    name = "gan"
    settings_type = Settings
    defaults = DEFAULTS
    headline = ("discriminator_loss", "D loss")
    planar = True

    def __init__(
        self,
        settings: Settings,
        shape: tuple[int, ...],
        levels: int,
        rng: np.random.Generator,
        classes: int = 0,
    ):
        self.settings, self.shape, self.levels, self.classes = settings, shape, levels, classes
        s = settings
        self.generator = Generator(s.network, s.latent, s.hidden, shape, classes, rng)
        self.discriminator = Discriminator(
            s.network, s.hidden, shape, classes, rng, s.spectral_norm, s.minibatch_kernels
        )

    @classmethod
    def for_data(cls, settings: Settings, data: Dataset, rng: np.random.Generator) -> Self:
        classes = data.classes if settings.conditional else 0
        return cls(settings, data.image_shape, data.levels, rng, classes)

    @property
    def images_a_step(self) -> int:
        return self.settings.batch * self.settings.critic_steps

    def discriminator_loss(
        self, real: Any, fake: Any, classes: Any, rng: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """What D minimises for data and samples (N, pixels), in G's units; and its parts."""
        s = self.settings
        on_real, on_fake = self.discriminator(real, classes), self.discriminator(fake, classes)
        if s.wasserstein:
            # -(E f(x) - E f(G(z))), whose greatest value over 1-Lipschitz f is the distance
            # (Arjovsky et al. 2017, eq. 2 and algorithm 1, line 5).
            loss = on_fake.mean() - on_real.mean()
            parts = {"wasserstein": -loss.item()}
            if s.loss == "wgan-gp":
                mix = self.array(rng.random((len(real), 1), dtype=np.float32))
                between = Tensor(mix * real, requires_grad=True) + (1 - mix) * fake
                penalty = self.gradient_penalty(between, classes)
                parts["penalty"] = penalty.item()
                loss = loss + s.penalty * penalty  # Gulrajani et al. 2017, eq. 3
        else:
            # eq. 1 with its sign changed. A real target a < 1 and a fake target b > 0 move D's
            # optimum from p / (p + q) to (a p + b q) / (p + q): with b > 0, D of a sample far from
            # the data is drawn to b and G learns little there, so smooth the one side only
            # (Salimans et al. 2016, section 3.4).
            loss = (
                bce_with_logits(on_real, s.real_target).mean()
                + bce_with_logits(on_fake, s.fake_target).mean()
            )
            parts = {}
        says = (lambda scores: scores) if s.wasserstein else sigmoid
        parts |= {"d_real": _mean(says(on_real)), "d_fake": _mean(says(on_fake))}
        return loss, {"discriminator_loss": loss.item(), **parts}

    def gradient_penalty(self, x: Tensor, classes: Any = None) -> Tensor:
        """E[(|grad f(x)| - 1)^2] at x (N, pixels) between data and samples, which is recorded.

        There an optimal critic has a slope of 1 (Gulrajani et al. 2017, proposition 1 and eq. 3).
        To minimise it takes the gradient of a gradient.
        """
        slope = grad(self.discriminator(x, classes).sum(), x, create_graph=True)
        return ((norm(slope, axis=1) - 1) ** 2).mean()

    def generator_loss(
        self, fake: Any, real: Any, classes: Any, rng: np.random.Generator
    ) -> Tensor:
        """What G minimises for its samples (N, pixels), where D may look ahead on `real`."""
        with self.unrolled(real, fake, classes, rng):
            if self.settings.feature_matching:  # |E f(x) - E f(G(z))|^2 (Salimans, section 3.1)
                on_real, on_fake = (self.discriminator.features(x, classes) for x in (real, fake))
                return ((on_real.mean(axis=0) - on_fake.mean(axis=0)) ** 2).sum()
            return self.fooling(self.discriminator(fake, classes)).mean()

    def fooling(self, scores: Any) -> Any:
        """The generator's loss for each of D's logits of samples, or of the critic's scores."""
        if self.settings.wasserstein:
            return -scores
        if self.settings.loss == "minimax":
            return -softplus(scores)  # log(1 - D(G(z))): flat where D is sure, D(G(z)) -> 0
        return softplus(-scores)  # -log D(G(z)): steep there, and the same fixed point (section 3)

    @contextmanager
    def unrolled(
        self, real: Any, fake: Any, classes: Any, rng: np.random.Generator
    ) -> Iterator[None]:
        """Within the block D is what `unrolled_steps` of gradient descent would make of it.

            phi_0 = phi,  phi_k+1 = phi_k - rate grad L_D(phi_k)     (Metz et al. 2017, section 2.2)

        The steps are recorded, so the gradient for G goes through them and knows how D would
        answer: the "missing gradient term" of their section 2.4. All are on the one batch, and
        plain steps: the moments of D's own optimiser play no part here.
        """
        phi = self.discriminator.parameters()
        for _ in range(self.settings.unrolled_steps):
            with substituted(self.discriminator, phi):
                loss, _ = self.discriminator_loss(real, fake, classes, rng)
            slopes = grad(loss, list(phi.values()), create_graph=True)
            rate = self.settings.unrolled_rate
            phi = {name: p - rate * slope for (name, p), slope in zip(phi.items(), slopes)}
        with substituted(self.discriminator, phi):
            yield

    def optimizers(self, steps: int) -> dict[str, optim.Optimizer]:
        """One for each player; D takes `critic_steps` steps for each of G."""
        s = self.settings
        made: dict[str, optim.Optimizer] = {}
        for name, player, own_steps, pace in (
            ("discriminator", self.discriminator, steps * s.critic_steps, 1.0),
            ("generator", self.generator, steps, s.generator_pace),
        ):
            first, last = pace * s.learning_rate, pace * s.final_learning_rate
            schedule = optim.cosine_schedule(first, last, own_steps)
            if s.optimizer == "rmsprop":
                made[name] = optim.RMSprop(player.parameters(), schedule)
            else:
                made[name] = optim.Adam(player.parameters(), schedule, (s.beta1, s.beta2))
        return made

    def update(
        self,
        x: Any,
        rng: np.random.Generator,
        epoch: float,
        labels: np.ndarray | None,
        optimizers: Mapping[str, optim.Optimizer],
    ) -> dict[str, float]:
        """`critic_steps` steps of D, each on its own minibatch, then one of G (algorithm 1)."""
        s = self.settings
        for k in range(s.critic_steps):
            part = slice(k * s.batch, (k + 1) * s.batch)
            real = self._inwards(x[part])
            classes = self._one_hot(len(real), None if labels is None else labels[part])
            with no_grad():
                fake = self._generate(len(real), classes, rng).data
            loss, numbers = self.discriminator_loss(real, fake, classes, rng)
            _descend(loss, optimizers["discriminator"])
            if s.loss == "wgan":
                for weight in self.discriminator.parameters().values():
                    weight.data = weight.data.clip(-s.clip, s.clip)  # algorithm 1, line 7
        loss = self.generator_loss(self._generate(len(real), classes, rng), real, classes, rng)
        _descend(loss, optimizers["generator"])
        return {**numbers, "generator_loss": loss.item()}

    def _generate(self, n: int, classes: Any, rng: np.random.Generator) -> Tensor:
        z = self.array(rng.standard_normal((n, self.settings.latent), dtype=np.float32))
        return self.generator(z, classes)

    def _one_hot(self, n: int, labels: np.ndarray | None) -> Array | None:
        """(n, classes), of labels or else of each class in turn; None if it is not conditional."""
        found = self.classes_of(n, labels)
        return None if found is None else self.array(np.eye(self.classes)[found])

    def _inwards(self, x: Any) -> Any:
        """Pixels in [0, 1] as the generator's in [-1, 1]; points as they are."""
        self.check_pixels(x)
        return x if self.levels == 0 else 2 * x - 1

    @no_grad()
    def test(
        self, x: Array, rng: np.random.Generator, labels: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Of each image and one sample: what D says, and both losses, without any smoothing."""
        classes = self._one_hot(len(x), labels)
        with evaluating(self):
            real = self._scores(self._inwards(x), classes)
            fake = self._scores(self._generate(len(x), classes, rng), classes)
        numbers = {"generator_loss": self.fooling(fake)}
        if self.settings.wasserstein:
            return numbers | {"discriminator_loss": fake - real, "d_real": real, "d_fake": fake}
        loss = softplus(-real) + softplus(fake)  # -log D(x) - log(1 - D(G(z)))
        probabilities = {"d_real": sigmoid(real), "d_fake": sigmoid(fake)}
        return numbers | {"discriminator_loss": loss, **probabilities}

    def _scores(self, x: Any, classes: Any) -> np.ndarray:
        """(N,), in batches as large as in training: a minibatch discriminator counts neighbours."""
        starts = range(0, len(x), self.settings.batch)
        parts = [slice(start, start + self.settings.batch) for start in starts]
        told = [None if classes is None else classes[part] for part in parts]
        scores = [self.discriminator(x[part], own).numpy() for part, own in zip(parts, told)]
        return np.concatenate(scores)

    def report(self, numbers: Mapping[str, float]) -> list[Row]:
        if self.settings.wasserstein:
            return [
                Row("f(x) - f(G(z))", -numbers["discriminator_loss"], "the critic's difference"),
                Row("  f(x)", numbers["d_real"]),
                Row("  f(G(z))", numbers["d_fake"]),
            ]
        minimax = self.settings.loss == "minimax"
        return [
            Row("D(x)", numbers["d_real"], "1/2 where D cannot tell"),
            Row("D(G(z))", numbers["d_fake"], "1/2 too"),
            Row("D loss, the sum of both terms", numbers["discriminator_loss"], "log 4 = 1.386"),
            Row("G loss", numbers["generator_loss"], f"{'-' * minimax}log 2 = 0.693 in size"),
        ]

    @property
    def called(self) -> str:
        conditional = "conditional " * bool(self.classes)
        loss = self.settings.loss
        return conditional + (loss.upper() if self.settings.wasserstein else f"GAN ({loss})")

    def panels(self, baseline: float | None) -> list[Panel]:
        losses = {"discriminator_loss": "D, sum of both terms", "generator_loss": "G"}
        if self.settings.wasserstein:  # G's is - E f(G(z)), and f may have any constant added
            unit = "units of the critic f"
            return [
                Panel("E f(x) $-$ E f(G(z))", unit, {"wasserstein": "train"}, lines={"0": 0.0}),
                *(Panel(f"loss of {key[0].upper()}", unit, {key: "train"}) for key in losses),
            ]
        lines = {"log 4": LOG_4}
        if not self.settings.feature_matching:
            lines |= {"$-$log 2": -LOG_2} if self.settings.loss == "minimax" else {"log 2": LOG_2}
        says = {"d_real": "D(x)", "d_fake": "D(G(z))"}
        return [
            Panel("losses", "nats", losses, lines=lines),
            Panel("what D says", "probability", says, lines={"1/2": 0.5}),
        ]

    @no_grad()
    def sample(
        self, n: int, rng: np.random.Generator, labels: np.ndarray | None = None
    ) -> np.ndarray:
        """G(z) for z ~ N(0, I): images (n, height, width) in [0, 1], or points (n, 2)."""
        with evaluating(self):
            x = self._generate(n, self._one_hot(n, labels), rng).numpy()
        return x if self.levels == 0 else ((x + 1) / 2).reshape(n, *self.shape)

    def draw(self, data: Dataset, test: Array, rng: np.random.Generator) -> dict[str, Figure]:
        from models.adversarial.gan_report import draw  # with what trains a classifier

        return draw(self, data, test, rng)


def _descend(loss: Tensor, optimizer: optim.Optimizer) -> None:
    """A step of one player: the other's parameters get no gradient, and cost none."""
    parameters = optimizer.parameters
    for p, slope in zip(parameters.values(), grad(loss, list(parameters.values()))):
        p.grad = slope
    optimizer.step()


def _mean(values: Any) -> float:
    return float(values.data.mean())
