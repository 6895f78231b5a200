"""The hierarchical VAE: two layers of latent variables, and two ways to infer them.

    p(x, z1, z2) = p(x|z1) p(z1|z2) p(z2),  p(z2) = N(0, I),  p(z1|z2) = N(mu(z2), sigma(z2)^2)

z2 is there to say what kind of image it is, and z1 what this one looks like. The bound has the KL
of each layer, by the chain rule of the KL divergence:

    -ELBO = E_q[-log p(x|z1) + log q(z1|...) / p(z1|z2) + log q(z2|...) / p(z2)]

- bottom-up: q(z1|x) q(z2|z1), as in Rezende et al. 2014 and Burda et al. 2016. The upper layer has
  only a sample of z1 to see, and most often it is lost: its KL goes to 0, and z2 says nothing.
- ladder: q(z2|x) q(z1|x, z2) (Sønderby, Raiko, Maaløe, Sønderby & Winther 2016). A deterministic
  way up goes past z1. On the way down what the image says of z1, N(mu', sigma'^2), is combined with
  the prior p(z1|z2) as the product of two Gaussians, each weighted by its precision:

      1 / sigma_q^2 = 1 / sigma'^2 + 1 / sigma_p^2
      mu_q = sigma_q^2 (mu' / sigma'^2 + mu_p / sigma_p^2)

Against the collapse: warm-up, beta from 0 to 1 (Sønderby et al.), and free bits, E_q[-log p(x|z1)]
+ sum_l max(free_bits, KL_l), with KL_l the mean over the batch: below `free_bits` a layer gains
nothing by giving up information (Kingma et al. 2016, "Improved Variational Inference with Inverse
Autoregressive Flow", whose groups of variables are our layers).
"""

import math
from typing import Any, NamedTuple

import numpy as np

from autograd import Array, Rng, Tensor, nn, no_grad, to_device
from autograd.ops import exp, maximum, sigmoid, softplus
from models.autoencoders.hvae_settings import DEFAULTS, Settings
from models.autoencoders.networks import perceptron
from models.autoencoders.vae import VAE
from models.data import Labels, Shape
from models.model import Loss, Model, Numbers

Gaussian = tuple[Any, Any]
"""mu and log sigma^2, of one shape."""
STANDARD: Gaussian = (np.float32(0), np.float32(0))


def at(q: Gaussian, eps: Any) -> Tensor:
    """mu + sigma eps."""
    return q[0] + exp(q[1] / 2) * eps


def combined(seen: Gaussian, prior: Gaussian) -> Gaussian:
    """The product of two Gaussians, normalised: precisions add, and weigh the means.

    The share of the prior's precision in the sum is a sigmoid, so that nothing overflows.
    """
    difference = seen[1] - prior[1]
    share = sigmoid(difference)
    return seen[0] + share * (prior[0] - seen[0]), seen[1] - softplus(difference)


class Layer(NamedTuple):
    """Samples z of q in one layer, and the Gaussians that q and p are."""

    z: Tensor
    q: Gaussian
    p: Gaussian

    def log_ratio(self) -> Tensor:
        """log q(z) / p(z) of each dimension, in nats: its mean is the KL."""
        squares = [(self.z - mu) ** 2 * exp(-logvar) + logvar for mu, logvar in (self.p, self.q)]
        return 0.5 * (squares[0] - squares[1])


class HVAE(VAE):
    """A VAE of z1 whose prior is learnt, p(z1|z2), with a second encoder and decoder for z2."""

    settings_type, defaults = Settings, DEFAULTS
    complete = Model.complete  # the chain of the VAE is for one layer

    def __init__(self, settings: Settings, shape: Shape, levels: int, rng: Rng, classes: int = 0):
        super().__init__(settings, shape, levels, rng, classes)
        s = settings
        below = s.latent if s.inference == "bottom-up" else self.mu.weight.shape[1]
        up = (below, *s.upper_hidden)
        self.upper_encoder = perceptron(up, s.activation, rng)
        self.upper_mu = nn.Linear(up[-1], s.upper_latent, rng)
        self.upper_logvar = nn.Linear(up[-1], s.upper_latent, rng)
        down = (s.upper_latent, *reversed(s.upper_hidden))
        self.upper_decoder = perceptron(down, s.activation, rng)
        self.prior_mu = nn.Linear(down[-1], s.latent, rng)
        self.prior_logvar = nn.Linear(down[-1], s.latent, rng)

    def prior(self, z2: Any) -> Gaussian:
        """p(z1|z2): (..., upper_latent) to mu and logvar (..., latent)."""
        h = self.upper_decoder(z2)
        return self.prior_mu(h), self.prior_logvar(h)

    def upper(self, below: Any) -> Gaussian:
        """q(z2|z1) or, of the ladder, q(z2|x): from z1, or from the features of x."""
        h = self.upper_encoder(below)
        return self.upper_mu(h), self.upper_logvar(h)

    def infer(self, x: Any, eps1: Any, eps2: Any) -> tuple[Layer, Layer]:
        """Samples of both layers for images (N, pixels), from noise (..., N, latent) of N(0, 1)."""
        self.check_pixels(x)
        h = self.encoder(x)
        seen = self.mu(h), self.logvar(h)
        if self.settings.inference == "bottom-up":
            z1 = at(seen, eps1)
            q2 = self.upper(z1)
            z2 = at(q2, eps2)
            return Layer(z1, seen, self.prior(z2)), Layer(z2, q2, STANDARD)
        q2 = self.upper(h)
        z2 = at(q2, eps2)
        p1 = self.prior(z2)
        q1 = combined(seen, p1)
        return Layer(at(q1, eps1), q1, p1), Layer(z2, q2, STANDARD)

    def encode(self, x: Any) -> tuple[Tensor, Tensor]:
        """mu and logvar of q(z1|x), or of q(z1|x, z2) at the mean of z2: (N, latent) each."""
        return self.infer(x, 0.0, 0.0)[0].q

    def terms(self, x: Any, rng: Rng, *count: int) -> tuple[Tensor, ...]:
        """The reconstruction (*count, N), and log q / p of each dimension of z1 and of z2, in nats.

        Of one sample of both layers, or of `count`. The mean of a log q / p is the layer's KL.
        """
        s = self.settings
        eps1, eps2 = (
            self.normal(rng, (*count, len(x), width)) for width in (s.latent, s.upper_latent)
        )
        lower, upper = self.infer(x, eps1, eps2)
        return self.reconstruction(x, lower.z), lower.log_ratio(), upper.log_ratio()

    def loss(self, x: Any, rng: Rng, epoch: float = math.inf, labels: Labels = None) -> Loss:
        """reconstruction + beta (KL_1 + KL_2), each no less than `free_bits`, and the parts."""
        reconstruction, *ratios = self.terms(x, rng)
        kl = [ratio.sum(axis=-1).mean() for ratio in ratios]
        parts = {"reconstruction": reconstruction.mean().data}
        parts |= {"kl_1": kl[0].data, "kl_2": kl[1].data, "beta": self.beta_at(epoch)}
        precise = parts["reconstruction"].astype(np.float64)
        parts["negative_elbo"] = precise + parts["kl_1"] + parts["kl_2"]
        if self.settings.free_bits:
            kl = [maximum(layer, self.settings.free_bits) for layer in kl]
        return reconstruction.mean() + self.beta_at(epoch) * (kl[0] + kl[1]), parts

    @no_grad()
    def bound(self, x: Array, rng: Rng, samples: int = 1) -> Numbers:
        """-ELBO with its parts, nats for each image (N, pixels), mean over samples of z1 and z2."""
        repeated = [self.terms(x, rng) for _ in range(samples)]
        means = (np.mean([t.numpy() for t in terms], 0) for terms in zip(*repeated))
        reconstruction, *kl = (mean.astype(np.float64) for mean in means)
        parts = {"reconstruction": reconstruction, "kl_1": kl[0].sum(1), "kl_2": kl[1].sum(1)}
        kl_of_dimension = np.concatenate(kl, axis=1)
        return {"negative_elbo": sum(parts.values()), **parts, "kl_of_dimension": kl_of_dimension}

    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """The bound; if `thorough` over 10 samples of z1 and z2, beside a closer one, "nll"."""
        if not thorough:
            return {k: v for k, v in self.bound(x, rng).items() if v.ndim == 1}
        return self.bound(x, rng, 10) | {"nll": -self.log_prob(x, rng, self.importance_samples)}

    def sampled_weights(self, x: Any, posterior: Any, count: int, rng: Rng) -> Tensor:
        """log p(x|z1) p(z1|z2) p(z2) / q(z1, z2|x) of so many samples, (count, N)."""
        reconstruction, *ratios = self.terms(x, rng, count)
        return -(reconstruction + ratios[0].sum(axis=-1) + ratios[1].sum(axis=-1))

    @no_grad()
    def sample_prior(self, n: int, rng: Rng) -> Array:
        """z1 ~ p(z1|z2) for z2 ~ N(0, I), (n, latent), on the model's device."""
        return self.sample_lower(self.normal(rng, (n, self.settings.upper_latent)), rng)

    @no_grad()
    def sample_lower(self, z2: Any, rng: Rng) -> Array:
        """z1 ~ p(z1|z2): (n, upper_latent) to (n, latent)."""
        return at(self.prior(z2), self.normal(rng, (len(z2), self.settings.latent))).data

    def sample_codes(self, n: int, rng: Rng) -> np.ndarray:
        return to_device(self.sample_prior(n, rng), "cpu")
