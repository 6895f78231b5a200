"""Several generators (Hoang et al. 2018, "MGAN: Training Generative Adversarial Nets with Multiple
Generators").

K generators make samples of one mixture, p_model = 1/K sum_k p_Gk. A discriminator D tells data
from the mixture, and a classifier C tells which generator made a sample. All play for

    min_{G, C} max_D  E[log D(x)] + E_model[log(1 - D(x))]                the game of a GAN
                      - beta 1/K sum_k E_Gk[log C_k(x)]                   the classifier's

so each generator makes what D takes for data, and what C knows to be its own: they divide the
modes among them. At the best D and C this is, but for constants,

    2 JSD(p_data, p_model) - beta JSD(p_G1, ..., p_GK)

The second JSD is the information (nats) that a sample has about its generator, and log K minus the
cross-entropy of any classifier is at most that. With beta = 0 nothing keeps the generators apart.
With a large beta they leave the data, since that makes them easy to tell.

As in the authors' code the generators share all layers but the first, and C shares all layers of D
but the last.
"""

import math
from typing import Any

import numpy as np

from autograd import Rng, Tensor, concatenate, cross_entropy, nn, no_grad, one_hot
from models.adversarial.gan import GAN
from models.adversarial.mgan_settings import DEFAULTS, Settings
from models.adversarial.networks import Discriminator, Generator, evaluating
from models.data import Labels, Shape
from models.model import Loss, Numbers


class Generators(nn.Module):
    """z and a one-hot k, (N, latent + K), with classes as `Generator`, to G_k(z), (N, pixels)."""

    def __init__(self, settings: Settings, shape: Shape, classes: int, rng: Rng):
        each = [Generator(settings, shape, classes, rng) for _ in range(settings.generators)]
        self.latent = settings.latent
        self.first = [generator.steps[0] for generator in each]
        self.shared = each[0].steps[1:]

    def forward(self, z_and_k: Any, classes: Any = None) -> Tensor:
        z, k = z_and_k[:, : self.latent], z_and_k[:, self.latent :]
        z = z if classes is None else concatenate([z, classes], axis=1)
        h = sum(k[:, i : i + 1] * first(z) for i, first in enumerate(self.first))
        for step in self.shared:
            h = step(h)
        return h


class DiscriminatorAndClassifier(Discriminator):
    """D, and another last layer of it for C."""

    def __init__(self, settings: Settings, shape: Shape, classes: int, rng: Rng):
        super().__init__(settings, shape, classes, rng)
        self.classifier = nn.Linear(self.width, settings.generators, rng)

    def classify(self, x: Any, classes: Any = None) -> Tensor:
        """The logits of C_k(x) for samples (N, pixels): (N, K)."""
        return self.classifier(self.features(x, classes))


class MGAN(GAN):
    """A mixture of generators, a discriminator and a classifier, for images or for points.

    Sample i of a batch is of generator i mod K, so that each makes its share. A code has the
    generator too: it is z and a one-hot k, (latent + K).
    """

    settings_type, defaults = Settings, DEFAULTS
    generator_type, discriminator_type = Generators, DiscriminatorAndClassifier

    @property
    def latent(self) -> int:
        return self.settings.latent + self.settings.generators

    def sample_codes(self, n: int, rng: Rng) -> np.ndarray:
        z = rng.standard_normal((n, self.settings.latent), dtype=np.float32)
        return np.concatenate([z, one_hot(self.turns(n), self.settings.generators)], axis=1)

    def turns(self, n: int) -> np.ndarray:
        """The generators of n samples, each in turn: (n,)."""
        i, k = np.arange(n), self.settings.generators
        if self.classes:  # they may come in turn too: each is to meet every generator
            i += i // math.lcm(k, self.classes)
        return i % k

    def cross_entropy(self, fake: Any, classes: Any) -> Tensor:
        """-log C_k(x) of samples (N, pixels) that each generator made in turn, nats: (N,)."""
        logits = self.discriminator.classify(fake, classes)
        return cross_entropy(logits, self.sent(lambda: self.turns(len(fake)), int))

    def discriminator_loss(self, real: Any, fake: Any, classes: Any, rng: Rng) -> Loss:
        """What D and C minimise; D's alone is the part `discriminator_loss`."""
        loss, parts = super().discriminator_loss(real, fake, classes, rng)
        own = self.cross_entropy(fake, classes).mean()
        return loss + own, parts | {"cross_entropy": own.data}

    def value(self, fake: Any, real: Any, classes: Any) -> Tensor:
        own = self.cross_entropy(fake, classes).mean()
        return super().value(fake, real, classes) + self.settings.beta * own

    @no_grad()
    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """As a GAN's; and of a sample of each generator in turn, how well C knows it."""
        numbers = super().evaluate(x, rng, labels, thorough)
        classes = self._one_hot(len(x), labels)
        with evaluating(self):
            fake = self.generate(len(x), classes, rng)
            known = self.discriminator.classify(fake, classes).numpy().argmax(1)
            own = self.cross_entropy(fake, classes).numpy()
        return numbers | {
            "information": math.log(self.settings.generators) - own,
            "accuracy": (known == self.turns(len(x))).astype(np.float64),
        }
