"""A GAN that has an encoder too: what is common to `bigan`, `aae` and `vaegan`."""

from typing import Any, ClassVar

import numpy as np

from autograd import Rng, Tensor, no_grad
from models.adversarial.gan import GAN
from models.adversarial.networks import Encoder, evaluating
from models.data import Labels, Shape
from models.model import Numbers


class EncoderGAN(GAN):
    """An encoder E from images to codes, and a generator G back. What D judges, a family says."""

    takes_points = False
    encoder_type: ClassVar[Any] = Encoder
    numbers_of_code = 1  # that E gives, for each dimension of z

    def __init__(self, settings: Any, shape: Shape, levels: int, rng: Rng, classes: int = 0):
        super().__init__(settings, shape, levels, rng, classes)
        outputs = self.numbers_of_code * settings.latent
        self.encoder = self.encoder_type(settings, shape, outputs, rng)

    def encode(self, x: Any) -> Tensor:
        """Images (N, pixels) in [-1, 1] to codes (N, latent)."""
        return self.encoder(x)

    def autoencoder_parameters(self) -> dict[str, Tensor]:
        """Those of E and of G."""
        own = self.parameters().items()
        return {name: p for name, p in own if not name.startswith("discriminator.")}

    def squared_error(self, x: Any, z: Any, classes: Any) -> Tensor:
        """|x - G(z)|^2, summed over pixels in units of [0, 1]: (N,). `x` is in those of G."""
        error = (x - self.generator(z, classes)) / 2
        return (error * error).sum(axis=1)

    @no_grad()
    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """As a GAN's, and the squared error of each image from its reconstruction."""
        numbers = super().evaluate(x, rng, labels, thorough)
        with evaluating(self):
            real, classes = self.standardise(x), self._one_hot(len(x), labels)
            error = self.squared_error(real, self.encode(real), classes)
        return numbers | {"squared_error": error.numpy()}

    @no_grad()
    def codes(self, x: Any, labels: Labels = None) -> np.ndarray:
        """E(x), (N, latent), of images (N, pixels) in [0, 1]."""
        self.classes_of(len(x), labels)
        with evaluating(self):
            return self.encode(self.standardise(x)).numpy()
