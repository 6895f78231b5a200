"""Latent diffusion (Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion
Models").

It is trained in two stages. The first is a VAE, with a small weight beta of its KL: it compresses
an image x to a code z, and leaves out what the eye misses. The second, with the encoder frozen, is
a diffusion of codes, which are few numbers, so that its steps are cheap:

    L = E |eps - eps_theta(z_t, t)|^2                                                      (eq. 2)

A sample is a code of the diffusion, decoded once. The codes are brought to mean 0 and variance 1,
for a diffusion ends at N(0, I), whatever its data are. (The paper divides by the deviation alone:
section 4.3.2 and appendix D.1.)

The diffusion takes the place of the prior N(0, I) of the VAE, so the bounds add up (nats an image):

    -log p(x) <= E_q[-log p(x|z)]                the reconstruction: what the code lost
               + E_q[log q(z|x) - log p(z)]      the rate, with the diffusion's bound on -log p(z)

The codes were regularised only a little, and no Gaussian fits them: with N(0, I) the rate would be
the VAE's KL.
"""

import math
from typing import Any, Self

import numpy as np

from autograd import Rng, no_grad, optim, to_device
from autograd.ops import reparameterize
from models.autoencoders.vae import VAE
from models.data import Dataset, Labels, Shape
from models.diffusion.ddpm import DDPM
from models.diffusion.ldm_settings import DEFAULTS, Settings
from models.model import Loss, Model, Numbers, Optimizers, random_seed


class LDM(Model):
    """A VAE for images of `shape`, and a DDPM of its codes."""

    settings_type, defaults = Settings, DEFAULTS
    likelihood = "bound"

    def __init__(self, settings: Settings, shape: Shape, levels: int, rng: Rng, classes: int = 0):
        super().__init__(settings, shape, levels, rng, classes)
        self.autoencoder = VAE(settings.of_autoencoder, shape, levels, rng)
        self.diffusion = DDPM(settings.of_diffusion, (settings.latent,), 0, rng)
        self.diffusion.center.data[...], self.diffusion.scale.data[...] = 0, 1

    @classmethod
    def for_data(cls, settings: Settings, data: Dataset, rng: Rng) -> Self:
        train = data.observe(data.excerpt, settings.pixels, rng)
        model = super().for_data(settings, data, rng)
        model.autoencoder.start_as_factorised(train)
        return model

    def to(self, device: str) -> None:
        super().to(device)
        self.diffusion.to(device)

    @no_grad()
    def encode(self, x: Any, rng: Rng) -> np.ndarray:
        """A sample of q(z|x) for images (N, pixels): codes (N, latent), without a gradient."""
        mu, logvar = self.autoencoder.encode(x)
        return reparameterize(mu, logvar, seed=random_seed(rng, mu))[0].data

    def standardise(self, z: Any) -> None:
        """Tell the diffusion the mean and the deviation of the codes (N, latent) of a batch.

        There is one deviation for all of their dimensions, as in the paper.
        """
        self.diffusion.center.data[...] = z.mean(axis=0)
        self.diffusion.scale.data[...] = (z - z.mean(axis=0)).std()

    def stage(self, epoch: float) -> int:
        """0 for the autoencoder; 1 for what learns its codes."""
        return int(epoch >= self.settings.autoencoder_epochs)

    def loss(self, x: Any, rng: Rng, epoch: float = math.inf, labels: Labels = None) -> Loss:
        """That of the stage which this epoch belongs to."""
        if self.stage(epoch) == 0:
            return self.autoencoder.loss(x, rng, epoch)
        return self.diffusion.loss(self.encode(x, rng), rng, epoch)

    def optimizers(self, steps: int) -> dict[str, optim.Optimizer]:
        """One for each stage, for its part of so many steps."""
        s = self.settings
        first = round(steps * s.autoencoder_epochs / s.epochs)
        return {
            "autoencoder": self.autoencoder.optimizers(max(first, 1))["adam"],
            "diffusion": self.diffusion.optimizers(max(steps - first, 1))["adam"],
        }

    def update(
        self, x: Any, rng: Rng, epoch: float, labels: Labels, optimizers: Optimizers
    ) -> dict[str, Any]:
        """A step of the VAE in the first `autoencoder_epochs`, and then of the diffusion."""
        self.zero_grad()  # of both: the stage that rests has none
        if self.stage(epoch) == 0:
            own = {"adam": optimizers["autoencoder"]}
            return self.autoencoder.update(x, rng, epoch, None, own)
        z, own = self.encode(x, rng), {"adam": optimizers["diffusion"]}
        if self.settings.standardise and not own["adam"].steps:
            self.standardise(z)
        numbers = self.diffusion.update(z, rng, epoch, None, own)
        return {"diffusion_loss": numbers.pop("loss"), **numbers}

    @no_grad()
    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """The bound with its parts, nats of each image (N, pixels), with one sample of z each.

        `kl` is what the rate would be with the prior N(0, I). `squared_error`, summed over pixels,
        is of the decoded means of q(z|x).
        """
        mu, logvar = self.autoencoder.encode(x)
        z, kl = reparameterize(mu, logvar, seed=random_seed(rng, mu))
        reconstruction = self.autoencoder.reconstruction(x, z).numpy()
        entropy = 0.5 * (logvar + math.log(2 * math.pi * math.e)).sum(axis=1).numpy()
        prior = self.diffusion.evaluate(z.data, rng, thorough=thorough)["nll"]
        error = self.autoencoder.images(mu.data).reshape(len(x), -1) - to_device(x, "cpu")
        return {
            "nll": reconstruction + prior - entropy,
            "reconstruction": reconstruction,
            "rate": prior - entropy,
            "kl": kl.numpy(),
            "squared_error": (error**2).sum(axis=1),
        }

    def sample_codes(self, n: int, rng: Rng) -> np.ndarray:
        """Codes (n, latent) of the diffusion."""
        self.diffusion.settings = self.settings.of_diffusion  # those of sampling may be others now
        return self.diffusion.sample(n, rng)

    def sample(self, n: int, rng: Rng, labels: Labels = None) -> np.ndarray:
        """The means of p(x|z) for codes of the diffusion, (n, *shape), in [0, 1]."""
        return self.decode_codes(self.sample_codes(n, rng), rng, labels)

    def codes(self, x: Any, labels: Labels = None) -> np.ndarray:
        """The means of q(z|x) for images (N, pixels): (N, latent)."""
        self.classes_of(len(x), labels)
        return self.autoencoder.codes(x)

    def decode_codes(self, z: np.ndarray, rng: Rng, labels: Labels = None) -> np.ndarray:
        """The means of p(x|z): (n, latent) to (n, *shape)."""
        self.classes_of(len(z), labels)
        return self.autoencoder.images(z)
