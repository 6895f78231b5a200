"""The adversarial autoencoder (Makhzani et al. 2016, "Adversarial Autoencoders").

An autoencoder restores images, and a discriminator of codes sees to it that they are samples of a
prior p(z). For each minibatch:

    reconstruction:  E and G minimise    |x - G(E(x))|^2
    regularisation:  D and then E play   min_E max_D  E[log D(z)] + E[log(1 - D(E(x)))],  z ~ p(z)

What is matched to p(z) is the aggregated posterior q(z) = E_x[q(z|x)], of all images together. A
VAE pulls the posterior of each image to p(z) instead, by a KL that needs a formula of p(z). Here
samples of p(z) are enough, so it may have any form, such as a swiss roll; G decodes them in turn.

The networks, losses and steps are those of a GAN whose data are samples of p(z), and whose
generator is the encoder.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from autograd import Rng, Tensor, no_grad, optim
from models.adversarial.aae_settings import DEFAULTS, Settings
from models.adversarial.encoder_gan import EncoderGAN
from models.adversarial.gan import descend
from models.adversarial.networks import Discriminator
from models.adversarial.priors import PRIORS
from models.data import Labels, Shape
from models.metrics import energy_distance
from models.model import Numbers, Optimizers


class CodeDiscriminator(Discriminator):
    """Codes (N, latent) to logits (N,): a perceptron, whatever the network for images is."""

    def __init__(self, settings: Settings, shape: Shape, classes: int, rng: Rng):
        super().__init__(replace(settings, network="mlp"), (settings.latent,), classes, rng)


class AAE(EncoderGAN):
    """Encoder, decoder and a discriminator of codes, for images of `shape`."""

    settings_type, defaults = Settings, DEFAULTS
    discriminator_type = CodeDiscriminator

    def sample_codes(self, n: int, rng: Rng) -> np.ndarray:
        """Samples (n, latent) of the prior."""
        return PRIORS[self.settings.prior](n, self.latent, rng)

    def rivals(self, x: Any, classes: Any, rng: Rng) -> tuple[Any, Any]:
        """What D has to tell apart: samples of the prior, and the codes of the images."""
        codes = self.encode(self.standardise(x))
        return self.sent_codes(len(x), rng), codes

    def generator_parameters(self) -> dict[str, Tensor]:
        """Those of E: it alone makes codes."""
        return self.encoder.parameters()

    def optimizers(self, steps: int) -> dict[str, optim.Optimizer]:
        """Of the two players for the codes, and of the autoencoder."""
        s = self.settings
        schedule = optim.cosine_schedule(s.learning_rate, s.final_learning_rate, steps)
        return super().optimizers(steps) | {
            "autoencoder": optim.Adam(self.autoencoder_parameters(), schedule)
        }

    def update(
        self, x: Any, rng: Rng, epoch: float, labels: Labels, optimizers: Optimizers
    ) -> dict[str, Any]:
        """The phase of reconstruction, and then that of regularisation."""
        images, classes = self.standardise(x), self._one_hot(len(x), labels)
        error = self.squared_error(images, self.encode(images), classes).mean()
        descend(error, optimizers["autoencoder"])
        numbers = super().update(x, rng, epoch, labels, optimizers)
        return {"squared_error": error.data, **numbers}

    @no_grad()
    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """The squared error, D's outputs, and the energy distance of the codes from the prior."""
        numbers = super().evaluate(x, rng, labels, thorough)
        prior = self.sample_codes(len(x), rng)
        return numbers | {"prior_distance": energy_distance(self.codes(x, labels), prior)}
