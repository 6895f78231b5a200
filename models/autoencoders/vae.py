"""The variational autoencoder (Kingma & Welling 2014, "Auto-Encoding Variational Bayes").

A latent z ~ N(0, I) and a decoder p(x|z) define p(x) = integral of p(x|z) p(z) dz. An encoder
q(z|x) = N(mu(x), diag(sigma(x)^2)) makes the integral tractable from below:

    log p(x) >= E_q[log p(x|z)] - KL(q(z|x) || p(z)) = ELBO(x)                             (eq. 3)

Everything here is in nats per image, and what is minimised is -ELBO = reconstruction + KL, with
reconstruction = -E_q[log p(x|z)] >= 0 for discrete x. Mind the sign: a common mistake,
`-(reconstruction + KL)`, is the ELBO, and minimising it makes the model worse.

p(x|z) is a Bernoulli of binary pixels, a Gaussian density of dequantised levels, or a discretised
logistic, which is a probability of each level. In colour each of R, G and B has one of its own.
"""

import math
from typing import Any, ClassVar, Self

import numpy as np

from autograd import Array, Rng, Tensor, nn, no_grad
from autograd.ops import bce_with_logits, exp, log, logsumexp, reparameterize, sigmoid
from models import logistic
from models.autoencoders.completion import complete
from models.autoencoders.networks import encoder, perceptron, upwards
from models.autoencoders.vae_settings import DEFAULTS, Settings
from models.data import Dataset, Labels, Shape, flat, planes
from models.model import Loss, Model, Numbers, random_seed

IMPORTANCE_SAMPLES_PER_BATCH = 16
MAX_BATCH = 2**23  # pixels of all the samples in a batch


class VAE(Model):
    """Encoder and decoder for images of `shape` whose pixels have `levels` values."""

    settings_type: ClassVar[type] = Settings
    defaults: ClassVar[Any] = DEFAULTS
    likelihood = "bound"
    importance_samples = 128  # of "nll"

    def __init__(self, settings: Any, shape: Shape, levels: int, rng: Rng, classes: int = 0):
        super().__init__(settings, shape, levels, rng, classes)
        self.build_networks(rng)
        if settings.decoder != "bernoulli":
            # The network describes each pixel in units of its own deviation. Without that, pixels
            # that hardly vary outweigh the others, and the decoder learns to ignore z.
            pixels = math.prod(shape)
            self.center = Tensor(np.zeros(pixels, dtype=np.float32))
            self.scale = Tensor(np.ones(pixels, dtype=np.float32))
            self.log_sigma = nn.parameter(np.zeros(pixels))

    def build_networks(self, rng: Rng) -> None:
        """Make the encoder and the decoder."""
        s, shape, pixels = self.settings, self.shape, math.prod(self.shape)
        self.encoder: nn.Module
        self.decoder: nn.Module
        self.output: nn.Linear | nn.ConvTranspose2d
        self.encoder, features = encoder(s, shape, rng)
        features, inputs = features + self.classes, s.latent + self.classes  # with a label (CVAE)
        self.mu = nn.Linear(features, s.latent, rng)
        self.logvar = nn.Linear(features, s.latent, rng)
        if s.network == "conv":
            self.decoder, self.output = upwards(inputs, s.hidden, shape, s.activation, rng)
        else:
            self.decoder = perceptron((inputs, *reversed(s.hidden)), s.activation, rng)
            self.output = nn.Linear(s.hidden[0], pixels, rng)

    @classmethod
    def for_data(cls, settings: Any, data: Dataset, rng: Rng) -> Self:
        train = data.observe(data.excerpt, settings.pixels, rng)
        model = super().for_data(settings, data, rng)
        model.start_as_factorised(train)
        return model

    def start_as_factorised(self, train: np.ndarray) -> None:
        """Give the output the mean of training images (N, pixels), and their deviations.

        The decoder then begins as the factorised model and learns what differs (Burda et al. 2016).
        """
        mean = train.mean(0, np.float64)
        if self.settings.decoder == "bernoulli":
            p = np.clip(mean, 0.01, 0.99)
            logits = np.log(p / (1 - p))
            if self.settings.network == "conv":  # has a bias for each channel
                logits = planes(logits[None], self.shape).mean(axis=(0, 2, 3))
            self.output.bias.data[...] = logits
            return
        deviation = train.std(0, np.float64)  # of a dequantised pixel never 0: it has its noise
        if self.settings.decoder == "logistic":
            deviation = np.hypot(deviation, 1 / math.sqrt(12) / (self.levels - 1))  # as if it had
        self.center.data[...], self.scale.data[...] = mean, deviation

    def encode(self, x: Any) -> tuple[Tensor, Tensor]:
        """(N, pixels) in [0, 1] to mu and logvar of q(z|x), each (N, latent)."""
        self.check_pixels(x)
        h = self.encoder(x)
        return self.mu(h), self.logvar(h)

    def decode(self, z: Any) -> Tensor:
        """(..., latent) to (..., pixels): a Bernoulli's logits, or a standardised mean."""
        if self.settings.network == "mlp":
            return self.output(self.decoder(z))
        h = self.output(self.decoder(z.reshape((-1, z.shape[-1]))))
        return flat(h).reshape((*z.shape[:-1], -1))

    def reconstruction(self, x: Any, z: Any) -> Tensor:
        """-log p(x|z) in nats per image: z is (..., N, latent), the result (..., N)."""
        if self.settings.decoder == "bernoulli":
            return bce_with_logits(self.decode(z), x).sum(axis=-1)
        if self.settings.decoder == "logistic":
            level = self.xp.rint(x * (self.levels - 1))
            return -logistic.log_mass(level, *self.logistic(z), self.levels).sum(axis=-1)
        # -log N(x; mean, sigma^2) for each pixel, with x = center + scale * standardised. A level
        # is 1/levels wide, and the uniform noise on x makes density times width a bound on its
        # probability (Theis et al. 2016, section 3.1). With sigma^2 = 1/2 throughout, the first
        # term is the squared error: MSE hides a choice of sigma.
        error = (x - self.center) / self.scale - self.decode(z)
        constant = log(self.scale) + 0.5 * math.log(2 * math.pi) + math.log(self.levels)
        squares = error * error * (0.5 * exp(-2 * self.log_sigma))
        return (squares + self.log_sigma + constant).sum(axis=-1)

    def logistic(self, z: Any) -> tuple[Tensor, Tensor]:
        """mu and log s of the logistic p(x|z), in levels: (..., pixels) and (pixels,)."""
        mean = self.center + self.scale * self.decode(z)
        log_deviation = log(self.scale) + self.log_sigma + math.log(self.levels - 1)
        return mean * (self.levels - 1), log_deviation + logistic.LOG_S

    def terms(self, x: Any, rng: Rng) -> tuple[Tensor, ...]:
        """The reconstruction, with one sample of z, and the KL: (N,) each, in nats."""
        mu, logvar = self.encode(x)
        z, kl = reparameterize(mu, logvar, seed=random_seed(rng, mu))
        return self.reconstruction(x, z), kl

    def beta_at(self, epoch: float) -> Any:
        s = self.settings
        if not s.anneal_epochs:
            return s.beta
        return self.number(lambda: s.beta * float(min(epoch / s.anneal_epochs, 1.0)))

    def loss(self, x: Any, rng: Rng, epoch: float = math.inf, labels: Labels = None) -> Loss:
        """reconstruction + beta KL, nats per image, mean over the batch; and its parts.

        With beta = 1 this is -ELBO. Annealing lets beta grow with the epoch.
        """
        reconstruction, kl = (term.mean() for term in self.terms(x, rng))
        beta = self.beta_at(epoch)
        parts = {"reconstruction": reconstruction.data, "kl": kl.data, "beta": beta}
        parts["negative_elbo"] = np.add(parts["reconstruction"], parts["kl"], dtype=np.float64)
        return reconstruction + beta * kl, parts

    @no_grad()
    def bound(self, x: Array, rng: Rng, samples: int = 1) -> Numbers:
        """-ELBO with its parts, nats for each image (N, pixels), mean over samples of z."""
        repeated = [self.terms(x, rng) for _ in range(samples)]
        reconstruction, kl = (np.mean([t.numpy() for t in terms], 0) for terms in zip(*repeated))
        return {"negative_elbo": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """The bound; if `thorough` of 10 samples, with a closer one, "nll", and KLs (N, latent)."""
        if not thorough:
            return self.bound(x, rng)
        bound = self.bound(x, rng, samples=10)
        nll = -self.log_prob(x, rng, self.importance_samples)
        return bound | {"nll": nll, "kl_of_dimension": self.kl_of_dimension(x)}

    @no_grad()
    def kl_of_dimension(self, x: Array) -> np.ndarray:
        """KL(q(z_i|x) || p(z_i)) in nats for images (N, pixels), (N, latent): the KL's summands."""
        mu, logvar = (t.numpy().astype(np.float64) for t in self.encode(x))
        return 0.5 * (mu * mu + np.expm1(logvar) - logvar)

    @no_grad()
    def log_prob(self, x: Array, rng: Rng, samples: int) -> np.ndarray:
        """A lower bound of log p(x) in nats, (N,), that rises to it with `samples`, in batches.

        log 1/k sum_i p(x|z_i) p(z_i) / q(z_i|x),  z_i ~ q(z|x)        (Burda et al., eq. 8)
        """
        posterior = self.encode(x)
        log_sum = np.full(len(x), -np.inf)
        batch = min(IMPORTANCE_SAMPLES_PER_BATCH, max(1, MAX_BATCH // x.size))
        for done in range(0, samples, batch):
            log_w = self.sampled_weights(x, posterior, min(batch, samples - done), rng)
            log_sum = np.logaddexp(log_sum, logsumexp(log_w, axis=0).numpy())
        return log_sum - math.log(samples)

    def sampled_weights(self, x: Any, posterior: Any, count: int, rng: Rng) -> Tensor:
        """log p(x|z) p(z) / q(z|x) of so many samples of z, (count, N), given `encode(x)`."""
        mu, logvar = posterior
        eps = self.normal(rng, (count, *mu.shape))
        return self.log_weight(x, mu + exp(logvar / 2) * eps, eps, logvar)

    def log_weight(self, x: Any, z: Any, eps: Any, logvar: Any) -> Tensor:
        """log p(x|z) p(z) / q(z|x), (..., N), of z = mu + sigma eps; the constants cancel."""
        return 0.5 * (eps * eps + logvar - z * z).sum(axis=-1) - self.reconstruction(x, z)

    @no_grad()
    def images(self, z: Array) -> np.ndarray:
        """The mean of p(x|z) as an image in [0, 1]: (N, latent) to (N, *shape)."""
        output = self.decode(self.array(z))
        bernoulli = self.settings.decoder == "bernoulli"
        mean = sigmoid(output) if bernoulli else self.center + self.scale * output
        return mean.numpy().clip(0, 1).reshape(-1, *self.shape)

    @no_grad()
    def noisy_images(self, z: Array, rng: Rng) -> np.ndarray:
        """x ~ p(x|z) as an image in [0, 1]: (N, latent) to (N, *shape)."""
        if self.settings.decoder == "logistic":
            mu, log_s = (t.numpy() for t in self.logistic(self.array(z)))
            levels = logistic.sample(mu, log_s, self.levels, rng).reshape(-1, *self.shape)
            return (levels / (self.levels - 1)).astype(np.float32)
        means = self.images(z)
        if self.settings.decoder == "bernoulli":
            return (rng.random(means.shape) < means).astype(np.float32)
        sigma = (self.scale * exp(self.log_sigma)).numpy().reshape(self.shape)
        return (means + sigma * rng.standard_normal(means.shape)).clip(0, 1).astype(np.float32)

    def sample_prior(self, n: int, rng: Rng) -> Array:
        """z ~ p(z), (n, latent), on the model's device."""
        return self.normal(rng, (n, self.settings.latent))

    def sample_means(self, n: int, rng: Rng, labels: Labels = None) -> np.ndarray:
        """The means of p(x|z) for z ~ N(0, I), (n, *shape)."""
        self.classes_of(n, labels)
        return self.images(self.sample_prior(n, rng))

    def sample(self, n: int, rng: Rng, labels: Labels = None) -> np.ndarray:
        """x ~ p(x|z) for z ~ N(0, I), (n, *shape), in [0, 1]."""
        self.classes_of(n, labels)
        return self.noisy_images(self.sample_prior(n, rng), rng)

    @no_grad()
    def codes(self, x: Any, labels: Labels = None) -> np.ndarray:
        """The means of q(z|x) for images (N, pixels): (N, latent)."""
        self.classes_of(len(x), labels)
        return self.encode(x)[0].numpy()

    def decode_codes(self, z: np.ndarray, rng: Rng, labels: Labels = None) -> np.ndarray:
        """The means of p(x|z): (n, latent) to (n, *shape)."""
        self.classes_of(len(z), labels)
        return self.images(z)

    def complete(
        self, images: np.ndarray, known: np.ndarray, rng: Rng, labels: Labels = None
    ) -> np.ndarray:
        """As `Model.complete`; see `completion`."""
        self.classes_of(len(images), labels)
        return complete(self, images, known, rng)
