"""Generative adversarial networks (Goodfellow et al. 2014, "Generative Adversarial Nets").

A generator G makes x from z ~ N(0, I); a discriminator D gives the probability that x is of the
data. They play for

    min_G max_D V(D, G) = E[log D(x)] + E[log(1 - D(G(z)))]                                (eq. 1)

Everything is a mean over the batch, in nats, and a loss is what its player minimises (`losses`).
That of D is the sum of its two terms, -log D(x) - log(1 - D(G(z))), so where the generator has
matched the data and D = 1/2 everywhere it is log 4 = 1.386, and -log D(G(z)) is log 2 = 0.693.
Beware: some print half of the first, the mean of the terms. There V = -log 4 is as low as G can
bring it (theorem 1), but gradient descent of both players need not end there: the losses show who
is winning, and only the samples how well G does.

A Wasserstein GAN has a critic instead, whose scores are no probabilities and whose two means
differ by at most the Lipschitz constant times the distance of data and samples.
"""

from typing import Any, ClassVar

import numpy as np

from autograd import Array, Rng, Tensor, Values, grad, no_grad, one_hot, optim
from autograd.tensor import array_of
from models.adversarial.cures import feature_matching, gradient_penalty, unrolled
from models.adversarial.gan_settings import DEFAULTS, Settings
from models.adversarial.losses import LOSSES
from models.adversarial.networks import Discriminator, Generator, evaluating
from models.data import Labels, Shape, batches
from models.model import Loss, Model, Numbers, Optimizers


class GAN(Model):
    """A generator and a discriminator for images of `shape`, or for points of the plane."""

    settings_type, defaults = Settings, DEFAULTS
    takes_points = True
    generator_type: ClassVar[type] = Generator
    discriminator_type: ClassVar[type] = Discriminator

    def __init__(self, settings: Settings, shape: Shape, levels: int, rng: Rng, classes: int = 0):
        super().__init__(settings, shape, levels, rng, classes)
        self.generator = self.generator_type(settings, shape, classes, rng)
        self.discriminator = self.discriminator_type(settings, shape, classes, rng)

    @property
    def images_per_step(self) -> int:
        return self.settings.batch * self.settings.critic_steps

    def discriminator_loss(self, real: Any, fake: Any, classes: Any, rng: Rng) -> Loss:
        """What D minimises for data and samples (N, pixels), in G's units; and its parts."""
        s, pair = self.settings, LOSSES[self.settings.loss]
        on_real, on_fake = self.discriminator(real, classes), self.discriminator(fake, classes)
        of_real, of_fake = pair.discriminator(on_real, on_fake, s.real_target, s.fake_target)
        loss = of_real.mean() + of_fake.mean()
        parts = {"wasserstein": -loss.data} if pair.has_critic else {}
        if s.loss == "wgan-gp":
            mix = self.sent(lambda: rng.random((len(real), 1), dtype=np.float32))
            mixed = mix * real  # recorded, while D looks ahead, if an encoder made a part of it
            leaf = mixed if isinstance(mixed, Tensor) else Tensor(mixed, requires_grad=True)
            between = leaf + (1 - mix) * fake
            penalty = gradient_penalty(self.discriminator, between, classes)
            parts["penalty"] = penalty.data
            loss = loss + s.penalty * penalty  # Gulrajani et al. 2017, eq. 3
        outputs = {"d_real": pair.output(on_real), "d_fake": pair.output(on_fake)}
        parts |= {name: values.data.mean() for name, values in outputs.items()}
        return loss, {"discriminator_loss": loss.data, **parts}

    def generator_loss(self, fake: Any, real: Any, classes: Any, rng: Rng) -> Tensor:
        """What G minimises for its samples (N, pixels), where D may look ahead on `real`."""
        s, d = self.settings, self.discriminator

        def loss_of_d() -> Tensor:
            return self.discriminator_loss(real, fake, classes, rng)[0]

        with unrolled(d, loss_of_d, s.unrolled_steps, s.unrolled_rate):
            if s.feature_matching:
                return feature_matching(d.features(real, classes), d.features(fake, classes))
            return self.value(fake, real, classes)

    def value(self, fake: Any, real: Any, classes: Any) -> Tensor:
        """The loss of G for its samples, as D is: without the cures."""
        return LOSSES[self.settings.loss].generator(self.discriminator(fake, classes)).mean()

    def generator_parameters(self) -> dict[str, Tensor]:
        """Those that a step against D changes."""
        return self.generator.parameters()

    def optimizers(self, steps: int) -> dict[str, optim.Optimizer]:
        """One for each player; D takes `critic_steps` steps for each of G."""
        s = self.settings

        def optimizer(player: dict[str, Tensor], own_steps: int, pace: float) -> optim.Optimizer:
            first, last = pace * s.learning_rate, pace * s.final_learning_rate
            schedule = optim.cosine_schedule(first, last, own_steps)
            if s.optimizer == "rmsprop":
                return optim.RMSprop(player, schedule)
            return optim.Adam(player, schedule, (s.beta1, s.beta2))

        d = optimizer(self.discriminator.parameters(), steps * s.critic_steps, 1.0)
        g = optimizer(self.generator_parameters(), steps, s.generator_pace)
        return {"discriminator": d, "generator": g}

    def update(
        self, x: Any, rng: Rng, epoch: float, labels: Labels, optimizers: Optimizers
    ) -> dict[str, Any]:
        """`critic_steps` steps of D, each on its own minibatch, then one of G (algorithm 1)."""
        s = self.settings
        for part in batches(self.images_per_step, s.batch):
            images = x[part]
            classes = self._one_hot(len(images), None if labels is None else labels[part])
            with no_grad():
                real, fake = map(array_of, self.rivals(images, classes, rng))
            loss, numbers = self.discriminator_loss(real, fake, classes, rng)
            descend(loss, optimizers["discriminator"])
            if s.loss == "wgan":  # Arjovsky et al. 2017, algorithm 1, line 7
                for weight in self.discriminator.parameters().values():
                    weight.data[...] = weight.data.clip(-s.clip, s.clip)
        real, fake = self.rivals(images, classes, rng)
        loss = self.generator_loss(fake, real, classes, rng)
        descend(loss, optimizers["generator"])
        return {**numbers, "generator_loss": loss.data}

    @no_grad()
    def decode_codes(self, z: np.ndarray, rng: Rng, labels: Labels = None) -> np.ndarray:
        """G(z): (n, latent) to images (n, *shape) in [0, 1], or points (n, 2)."""
        with evaluating(self):
            return self._public(self.generator(self.array(z), self._one_hot(len(z), labels)))

    def rivals(self, x: Any, classes: Any, rng: Rng) -> tuple[Any, Any]:
        """What D has to tell apart, for images (N, pixels): them, and as many samples."""
        return self.standardise(x), self.generate(len(x), classes, rng)

    def sent_codes(self, n: int, rng: Rng) -> Array:
        """Samples z of the prior, (n, latent), on the model's device."""
        return self.sent(lambda: self.sample_codes(n, rng))

    def generate(self, n: int, classes: Any, rng: Rng) -> Tensor:
        """G(z) for z of the prior, (n, pixels): images in [-1, 1], or points."""
        return self.generator(self.sent_codes(n, rng), classes)

    def standardise(self, x: Values) -> Any:
        """Pixels in [0, 1] as the generator's in [-1, 1]; points as they are."""
        self.check_pixels(x)
        return x if self.levels == 0 else 2 * x - 1

    def _one_hot(self, n: int, labels: Labels) -> Array | None:
        """(n, classes), of labels or else of each class in turn; None if it is not conditional."""
        if self.classes_of(n, labels) is None:
            return None
        return self.sent(lambda: one_hot(self.classes_of(n, labels), self.classes))

    @no_grad()
    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """Of each image and one sample: D's outputs, and both losses, without any smoothing."""
        pair, classes = LOSSES[self.settings.loss], self._one_hot(len(x), labels)
        with evaluating(self):
            real, fake = (self._scores(one, classes) for one in self.rivals(x, classes, rng))
        of_real, of_fake = pair.discriminator(real, fake)
        return {
            "generator_loss": pair.generator(fake),
            "discriminator_loss": of_real + of_fake,
            "d_real": pair.output(real),
            "d_fake": pair.output(fake),
        }

    def _scores(self, x: Any, classes: Any) -> np.ndarray:
        """(N,), in batches as large as in training: a minibatch discriminator counts neighbours."""
        scores = []
        for part in batches(len(x), self.settings.batch):
            own = None if classes is None else classes[part]
            scores.append(self.discriminator(x[part], own).numpy())
        return np.concatenate(scores)

    @no_grad()
    def sample(self, n: int, rng: Rng, labels: Labels = None) -> np.ndarray:
        """G(z) for z ~ N(0, I): images (n, *shape) in [0, 1], or points (n, 2)."""
        with evaluating(self):
            return self._public(self.generate(n, self._one_hot(n, labels), rng))

    def _public(self, x: Tensor) -> np.ndarray:
        """The inverse of `standardise`: (n, pixels) in the generator's units to (n, *shape)."""
        return x.numpy() if self.levels == 0 else ((x.numpy() + 1) / 2).reshape(-1, *self.shape)


def descend(loss: Tensor, optimizer: optim.Optimizer) -> None:
    """A step of one player: the other's parameters get no gradient, and cost none."""
    parameters = optimizer.parameters
    for p, slope in zip(parameters.values(), grad(loss, list(parameters.values()))):
        p.grad = slope
    optimizer.step()
