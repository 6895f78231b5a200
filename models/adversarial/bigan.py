"""An encoder added to a GAN: BiGAN (Donahue et al. 2017), which is ALI too (Dumoulin et al. 2017).

A GAN makes images of codes and has no way back. Here an encoder E goes back, and the discriminator
judges pairs of an image and a code. It has to tell which of the two was made of the other:

    min_{G,E} max_D  E[log D(x, E(x))] + E[log(1 - D(G(z), z))],    x of the data, z ~ N(0, I)

Against the best D this is 2 JS - log 4 of the two distributions of pairs. Where these are equal and
E and G are functions, E inverts G: a pair (x, E(x)) with another G(E(x)) than x is one that G never
makes. Yet nothing in the game compares x with G(E(x)), and before the end, or if E or G is noisy, a
reconstruction may be another image of the same kind. Li et al. 2017 ("ALICE") add that comparison:

    + reconstruction |x - G(E(x))|^2,    the weight `reconstruction` is 0 in a BiGAN

Donahue, Krähenbühl & Darrell 2017, "Adversarial Feature Learning"; Dumoulin et al. 2017,
"Adversarially Learned Inference", where q(z|x) and p(x|z) may be noisy. The losses, the cures and
the steps of the players are those of `gan`.
"""

from typing import Any

from autograd import Rng, Tensor, concatenate
from models.adversarial.bigan_settings import DEFAULTS, Settings
from models.adversarial.encoder_gan import EncoderGAN
from models.adversarial.losses import LOSSES
from models.adversarial.networks import PairDiscriminator


class BiGAN(EncoderGAN):
    """Encoder and generator against a discriminator of pairs, for images of `shape`."""

    settings_type, defaults = Settings, DEFAULTS
    discriminator_type = PairDiscriminator

    def rivals(self, x: Any, classes: Any, rng: Rng) -> tuple[Any, Any]:
        """The pairs (x, E(x)) of images and (G(z), z) of samples, (N, pixels + latent) each."""
        x, z = self.standardise(x), self.sent_codes(len(x), rng)
        encoded, generated = [x, self.encode(x)], [self.generator(z, classes), z]
        return concatenate(encoded, axis=1), concatenate(generated, axis=1)

    def value(self, fake: Any, real: Any, classes: Any) -> Tensor:
        """G wants its pairs taken for E's, and E wants its pairs taken for G's."""
        of_encoder = LOSSES[self.settings.loss].generator(-self.discriminator(real, classes))
        return super().value(fake, real, classes) + of_encoder.mean()

    def generator_loss(self, fake: Any, real: Any, classes: Any, rng: Rng) -> Tensor:
        """As a GAN's, and where it has a weight the squared error of the reconstructions."""
        loss = super().generator_loss(fake, real, classes, rng)
        if not (weight := self.settings.reconstruction):
            return loss
        x, z = real[:, : -self.latent], real[:, -self.latent :]  # E's codes: it learns from both
        return loss + weight * self.squared_error(x, z, classes).mean()

    def generator_parameters(self) -> dict[str, Tensor]:
        """Those of G and of E: one step for both."""
        return self.autoencoder_parameters()
