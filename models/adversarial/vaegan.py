"""VAE-GAN: reconstructions compared in the features of a discriminator (Larsen et al. 2016).

The squared error of pixels asks a VAE's decoder for the mean of all images that a code may stand
for, and that is a blur. Here the decoder is a GAN's generator too, and the error is one of the
features D_l(x) of the discriminator's last hidden layer. With z ~ q(z|x) = N(mu, diag(sigma^2)):

    L_prior = KL(q(z|x) || p(z))
    L_llike = -log N(D_l(x); D_l(G(z)), I) = |D_l(x) - D_l(G(z))|^2 / 2 + a constant
    L_GAN   = -log D(x) - log(1 - D(G(z))) - log(1 - D(G(z_p))),    z_p ~ p(z)

Each network descends what is its own (their algorithm 1):

    encoder:        L_prior + L_llike
    generator:      gamma L_llike - L_GAN
    discriminator:  L_GAN, without L_llike: it would make its features small

Larsen, Sønderby, Larochelle & Winther 2016, "Autoencoding beyond pixels using a learned similarity
metric". Here the two kinds of samples share a batch: half are reconstructions, half are of p(z).
"""

from typing import Any

from autograd import Rng, Tensor, concatenate, no_grad, optim, reparameterize, split
from models.adversarial.encoder_gan import EncoderGAN
from models.adversarial.gan import descend
from models.adversarial.networks import Encoder, evaluating
from models.adversarial.vaegan_settings import DEFAULTS, Settings
from models.data import Labels
from models.model import Numbers, Optimizers, random_seed


class GaussianEncoder(Encoder):
    """Images (N, pixels) in [-1, 1] to z ~ q(z|x), (N, latent), and L_prior of each, (N,)."""

    def moments(self, x: Any) -> list[Tensor]:
        """mu and log sigma^2, (N, latent) each."""
        return split(super().forward(x), 2, axis=1)

    def forward(self, x: Any, rng: Rng) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        mu, logvar = self.moments(x)
        return reparameterize(mu, logvar, seed=random_seed(rng, mu))


class VAEGAN(EncoderGAN):
    """The encoder of a VAE, a generator and a discriminator, for images of `shape`."""

    settings_type, defaults = Settings, DEFAULTS
    encoder_type, numbers_of_code = GaussianEncoder, 2  # mu and log sigma^2

    def encode(self, x: Any) -> Tensor:
        """mu of q(z|x): images (N, pixels) in [-1, 1] to (N, latent)."""
        return self.encoder.moments(x)[0]

    def feature_error(self, x: Any, z: Any, classes: Any) -> Tensor:
        """L_llike in nats, without its constant: (N,)."""
        d = self.discriminator
        error = d.features(x, classes) - d.features(self.generator(z, classes), classes)
        return 0.5 * (error * error).sum(axis=1)

    def rivals(self, x: Any, classes: Any, rng: Rng) -> tuple[Any, Any]:
        """Images, and as many samples: the first half of codes of images, the others of p(z)."""
        x, half = self.standardise(x), len(x) // 2
        z = [self.encoder(x[:half], rng)[0], self.sent_codes(len(x) - half, rng)]
        return x, self.generator(concatenate(z, axis=0), classes)

    def generator_loss(self, fake: Any, real: Any, classes: Any, rng: Rng) -> Tensor:
        """gamma L_llike - L_GAN, or another of a GAN's losses."""
        z, _ = self.encoder(real, rng)
        likeness = self.feature_error(real, z, classes).mean()
        return self.settings.gamma * likeness + super().generator_loss(fake, real, classes, rng)

    def encoder_loss(self, real: Any, classes: Any, rng: Rng) -> Tensor:
        """L_prior + L_llike."""
        z, prior = self.encoder(real, rng)
        return (prior + self.feature_error(real, z, classes)).mean()

    def optimizers(self, steps: int) -> dict[str, optim.Optimizer]:
        s = self.settings
        schedule = optim.cosine_schedule(s.learning_rate, s.final_learning_rate, steps)
        encoder = optim.Adam(self.encoder.parameters(), schedule, (s.beta1, s.beta2))
        return super().optimizers(steps) | {"encoder": encoder}

    def update(
        self, x: Any, rng: Rng, epoch: float, labels: Labels, optimizers: Optimizers
    ) -> dict[str, Any]:
        """A step of the encoder, and then a GAN's: of D, and of the generator."""
        loss = self.encoder_loss(self.standardise(x), self._one_hot(len(x), labels), rng)
        descend(loss, optimizers["encoder"])
        return {**super().update(x, rng, epoch, labels, optimizers), "encoder_loss": loss.data}

    @no_grad()
    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """As a GAN's with an encoder, and L_prior and L_llike of each image, in nats."""
        numbers = super().evaluate(x, rng, labels, thorough)
        with evaluating(self):
            real, classes = self.standardise(x), self._one_hot(len(x), labels)
            z, prior = self.encoder(real, rng)
            likeness = self.feature_error(real, z, classes)
        return numbers | {"kl": prior.numpy(), "feature_error": likeness.numpy()}
