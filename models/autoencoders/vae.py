"""The variational autoencoder (Kingma & Welling 2014, "Auto-Encoding Variational Bayes").

A latent z ~ N(0, I) and a decoder p(x|z) define p(x) = integral of p(x|z) p(z) dz. An encoder
q(z|x) = N(mu(x), diag(sigma(x)^2)) makes the integral tractable from below:

    log p(x) >= E_q[log p(x|z)] - KL(q(z|x) || p(z)) = ELBO(x)                             (eq. 3)

Everything here is in nats per image, and what is minimised is -ELBO = reconstruction + KL, with
reconstruction = -E_q[log p(x|z)] >= 0 for discrete x. Mind the sign: a common mistake,
`-(reconstruction + KL)`, is the ELBO, and minimising it makes the model worse.
"""

import math
from typing import Any, Self

import numpy as np

from autograd import Array, Rng, Tensor, nn, no_grad
from autograd.ops import bce_with_logits, exp, log, logsumexp, reparameterize, sigmoid
from models.autoencoders.networks import perceptron
from models.autoencoders.vae_settings import DEFAULTS, Settings
from models.data import Dataset, Labels, Shape
from models.model import Loss, Model, Numbers, random_seed

IMPORTANCE_SAMPLES = 128
IMPORTANCE_SAMPLES_PER_BATCH = 16


class VAE(Model):
    """Encoder and decoder for images of `shape` whose pixels have `levels` values."""

    settings_type, defaults = Settings, DEFAULTS
    likelihood = "bound"

    def __init__(self, settings: Settings, shape: Shape, levels: int, rng: Rng, classes: int = 0):
        super().__init__(settings, shape, levels, rng, classes)
        s, pixels = settings, math.prod(shape)
        self.encoder = perceptron((pixels, *s.hidden), s.activation, rng)
        self.mu = nn.Linear(s.hidden[-1], s.latent, rng)
        self.logvar = nn.Linear(s.hidden[-1], s.latent, rng)
        self.decoder = perceptron((s.latent, *reversed(s.hidden)), s.activation, rng)
        self.output = nn.Linear(s.hidden[0], pixels, rng)
        if s.decoder == "gaussian":
            # The network describes each pixel in units of its own deviation. Without that, pixels
            # that hardly vary outweigh the others, and the decoder learns to ignore z.
            self.center = Tensor(np.zeros(pixels, dtype=np.float32))
            self.scale = Tensor(np.ones(pixels, dtype=np.float32))
            self.log_sigma = nn.parameter(np.zeros(pixels))

    @classmethod
    def for_data(cls, settings: Settings, data: Dataset, rng: Rng) -> Self:
        train = data.observe(data.excerpt, settings.pixels, rng)
        model = super().for_data(settings, data, rng)
        model.start_as_factorised(train)
        return model

    def start_as_factorised(self, train: np.ndarray) -> None:
        """Give the output the mean of training images (N, pixels), and a Gaussian its deviations.

        The decoder then begins as the factorised model and learns what differs (Burda et al. 2016).
        """
        mean = train.mean(0, np.float64)
        if self.settings.decoder == "gaussian":
            self.center.data[...] = mean
            self.scale.data[...] = train.std(0, np.float64)  # not 0: every grey level has its noise
        else:
            p = np.clip(mean, 0.01, 0.99)
            self.output.bias.data[...] = np.log(p / (1 - p))

    def encode(self, x: Any) -> tuple[Tensor, Tensor]:
        """(N, pixels) in [0, 1] to mu and logvar of q(z|x), each (N, latent)."""
        self.check_pixels(x)
        h = self.encoder(x)
        return self.mu(h), self.logvar(h)

    def decode(self, z: Any) -> Tensor:
        """(..., latent) to (..., pixels): Bernoulli logits, or a standardised Gaussian mean."""
        return self.output(self.decoder(z))

    def reconstruction(self, x: Any, z: Any) -> Tensor:
        """-log p(x|z) in nats per image: z is (..., N, latent), the result (..., N)."""
        if self.settings.decoder == "bernoulli":
            return bce_with_logits(self.decode(z), x).sum(axis=-1)
        # -log N(x; mean, sigma^2) for each pixel, with x = center + scale * standardised. A level
        # is 1/levels wide, and the uniform noise on x makes density times width a bound on its
        # probability (Theis et al. 2016, section 3.1). With sigma^2 = 1/2 throughout, the first
        # term is the squared error: MSE hides a choice of sigma.
        error = (x - self.center) / self.scale - self.decode(z)
        constant = log(self.scale) + 0.5 * math.log(2 * math.pi) + math.log(self.levels)
        squares = error * error * (0.5 * exp(-2 * self.log_sigma))
        return (squares + self.log_sigma + constant).sum(axis=-1)

    def terms(self, x: Any, rng: Rng) -> tuple[Tensor, Tensor]:
        """The reconstruction, with one sample of z, and the KL: (N,) each, in nats."""
        mu, logvar = self.encode(x)
        z, kl = reparameterize(mu, logvar, seed=random_seed(rng))
        return self.reconstruction(x, z), kl

    def beta_at(self, epoch: float) -> float:
        s = self.settings
        return s.beta * (min(epoch / s.anneal_epochs, 1.0) if s.anneal_epochs else 1.0)

    def loss(self, x: Any, rng: Rng, epoch: float = math.inf, labels: Labels = None) -> Loss:
        """reconstruction + beta KL, nats per image, mean over the batch; and its parts.

        With beta = 1 this is -ELBO. Annealing lets beta grow with the epoch.
        """
        reconstruction, kl = (term.mean() for term in self.terms(x, rng))
        beta = self.beta_at(epoch)
        parts = {"reconstruction": reconstruction.item(), "kl": kl.item(), "beta": beta}
        parts["negative_elbo"] = parts["reconstruction"] + parts["kl"]
        return reconstruction + beta * kl, parts

    @no_grad()
    def bound(self, x: Array, rng: Rng, samples: int = 1) -> Numbers:
        """-ELBO with its parts, nats for each image (N, pixels), mean over samples of z."""
        repeated = [self.terms(x, rng) for _ in range(samples)]
        reconstruction, kl = (np.mean([t.numpy() for t in terms], 0) for terms in zip(*repeated))
        return {"negative_elbo": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """The bound; if `thorough` over 10 samples of z an image, beside a closer one, "nll", and
        the KL of each dimension of z, (N, latent).
        """
        if not thorough:
            return self.bound(x, rng)
        bound = self.bound(x, rng, samples=10)
        nll = -self.log_prob(x, rng, IMPORTANCE_SAMPLES)
        return bound | {"nll": nll, "kl_of_dimension": self.kl_of_dimension(x)}

    @no_grad()
    def kl_of_dimension(self, x: Array) -> np.ndarray:
        """KL(q(z_i|x) || p(z_i)) in nats for images (N, pixels), (N, latent): the KL's summands."""
        mu, logvar = (t.numpy().astype(np.float64) for t in self.encode(x))
        return 0.5 * (mu * mu + np.expm1(logvar) - logvar)

    @no_grad()
    def log_prob(self, x: Array, rng: Rng, samples: int) -> np.ndarray:
        """A lower bound of log p(x) in nats, (N,), that rises to it with `samples`.

            log 1/k sum_i p(x|z_i) p(z_i) / q(z_i|x),  z_i ~ q(z|x)        (Burda et al., eq. 8)

        Samples are summed in batches, so memory does not grow with their number.
        """
        mu, logvar = self.encode(x)
        log_sum = np.full(len(x), -np.inf)
        for done in range(0, samples, IMPORTANCE_SAMPLES_PER_BATCH):
            count = min(IMPORTANCE_SAMPLES_PER_BATCH, samples - done)
            eps = self.normal(rng, (count, *mu.shape))
            z = mu + exp(logvar / 2) * eps
            # log p(z) - log q(z|x): the constants cancel, and (z - mu) / sigma is eps.
            log_ratio = 0.5 * (eps * eps + logvar - z * z).sum(axis=-1)
            log_w = log_ratio - self.reconstruction(x, z)
            log_sum = np.logaddexp(log_sum, logsumexp(log_w, axis=0).numpy())
        return log_sum - math.log(samples)

    @no_grad()
    def images(self, z: Array) -> np.ndarray:
        """The mean of p(x|z) as an image in [0, 1]: (N, latent) to (N, height, width)."""
        output = self.decode(self.array(z))
        bernoulli = self.settings.decoder == "bernoulli"
        mean = sigmoid(output) if bernoulli else self.center + self.scale * output
        return mean.numpy().clip(0, 1).reshape(-1, *self.shape)

    def sample_means(self, n: int, rng: Rng, labels: Labels = None) -> np.ndarray:
        """The means of p(x|z) for z ~ N(0, I), (n, height, width)."""
        self.classes_of(n, labels)
        return self.images(self.normal(rng, (n, self.settings.latent)))

    @no_grad()
    def sample(self, n: int, rng: Rng, labels: Labels = None) -> np.ndarray:
        """x ~ p(x|z) for z ~ N(0, I), (n, height, width), in [0, 1]."""
        means = self.sample_means(n, rng, labels)
        if self.settings.decoder == "bernoulli":
            return (rng.random(means.shape) < means).astype(np.float32)
        sigma = (self.scale * exp(self.log_sigma)).numpy().reshape(self.shape)
        return (means + sigma * rng.standard_normal(means.shape)).clip(0, 1).astype(np.float32)
