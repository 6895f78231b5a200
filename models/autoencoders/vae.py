"""The variational autoencoder (Kingma & Welling 2014, "Auto-Encoding Variational Bayes").

A latent z ~ N(0, I) and a decoder p(x|z) define p(x) = integral of p(x|z) p(z) dz. An encoder
q(z|x) = N(mu(x), diag(sigma(x)^2)) makes the integral tractable from below:

    log p(x) >= E_q[log p(x|z)] - KL(q(z|x) || p(z)) = ELBO(x)                             (eq. 3)

Everything here is in nats per image, and what is minimised is -ELBO = reconstruction + KL, with
reconstruction = -E_q[log p(x|z)] >= 0 for discrete x. Mind the sign: the often printed
`-(reconstruction + KL)` is the ELBO, and minimising it makes the model worse.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.figure import Figure

from autograd import (
    Array,
    Tensor,
    bce_with_logits,
    exp,
    log,
    logsumexp,
    nn,
    no_grad,
    relu,
    reparameterize,
    sigmoid,
    tanh,
)
from kernels import normal
from models.autoencoders import vae_report as vae_figures
from models.data import Dataset
from models.errors import UsageError
from models.model import MOST, Model, Row, check_settings, setting
from models.pictures import Panel

ACTIVATIONS = {"relu": relu, "tanh": tanh}
DECODERS = ("bernoulli", "gaussian")
IMPORTANCE_SAMPLES = 128
ACTIVE = 0.01  # nats of KL by which a dimension of z is one that says something
SHOWN = 8  # of the dimensions' KL in a report


@dataclass(frozen=True)
class Settings:
    """What a VAE is and how it learns; the defaults are those for MNIST (PyTorch's example)."""

    hidden: tuple[int, ...] = setting((400,), "widths of the encoder; the decoder mirrors them")
    latent: int = setting(20, "dimensions of z")
    activation: str = setting("relu", "relu or tanh")
    decoder: str = setting("bernoulli", "p(x|z): bernoulli, or gaussian for grey levels")
    binarisation: str = setting("dynamic", "fixed, dynamic, or none (grey levels)")
    beta: float = setting(1.0, "weight of the KL term (Higgins et al. 2017, eq. 4)")
    anneal_epochs: float = setting(0.0, "epochs over which beta grows from 0 to its value")
    batch: int = setting(128, "images a step")
    learning_rate: float = setting(1e-3, "of Adam, at the start")
    final_learning_rate: float = setting(1e-3, "where half a cosine takes it")
    epochs: int = setting(10, "passes over the training images")

    def __post_init__(self) -> None:
        check_settings(
            self,
            choices={"activation": tuple(ACTIVATIONS), "decoder": DECODERS},
            bounds={
                "hidden": (1, MOST),
                "latent": (1, MOST),
                "beta": (0, MOST),
                "anneal_epochs": (0, MOST),
            },
        )
        if (self.decoder == "gaussian") != (self.binarisation == "none"):
            raise UsageError(
                f"decoder={self.decoder} with binarisation={self.binarisation}: a Bernoulli "
                "describes binarised pixels (fixed or dynamic), a Gaussian grey ones (none)"
            )


DEFAULTS = {
    "digits": Settings(
        hidden=(64, 128),
        latent=8,
        binarisation="fixed",
        batch=100,
        final_learning_rate=1e-5,
        epochs=300,
    ),
    "binarized-mnist": Settings(
        hidden=(200, 200),
        latent=50,
        activation="tanh",
        binarisation="fixed",
        batch=100,
        learning_rate=2e-3,
        final_learning_rate=1e-5,
        epochs=60,
    ),
}
"""What is known to work on a data set; the class has the rest."""


def reproduce() -> dict[str, Any]:
    """Our setting, `chainrule train vae --data binarized-mnist`, beside the published number.

    Burda, Grosse & Salakhutdinov 2016, "Importance Weighted Autoencoders", fixed binarisation,
    one stochastic layer: a VAE with k = 1 has a test NLL of 88.71 nats, estimated with 5,000
    importance samples. They train the same networks for 3,280 epochs in batches of 20.
    """
    return {"settings": DEFAULTS["binarized-mnist"], "data": "binarized-mnist", "nll": 88.71}


class VAE(Model):
    """Encoder and decoder for images of `shape` whose pixels have `levels` values.

    `train` (N, pixels), what is shown of the training images, gives the output its mean (and a
    Gaussian its deviations) to start from: the decoder begins as the factorised model and learns
    what differs (Burda et al. 2016).
    """

    name = "vae"
    settings_type = Settings
    defaults = DEFAULTS
    headline = ("negative_elbo", "-ELBO, nats per image,")

    def __init__(
        self,
        settings: Settings,
        shape: tuple[int, ...],
        levels: int,
        rng: np.random.Generator,
        train: np.ndarray | None = None,
    ):
        self.settings, self.shape, self.levels, self.classes = settings, shape, levels, 0
        pixels = math.prod(shape)
        self.encoder = _perceptron((pixels, *settings.hidden), settings.activation, rng)
        self.mu = nn.Linear(settings.hidden[-1], settings.latent, rng)
        self.logvar = nn.Linear(settings.hidden[-1], settings.latent, rng)
        backwards = (settings.latent, *reversed(settings.hidden))
        self.decoder = _perceptron(backwards, settings.activation, rng)
        self.output = nn.Linear(settings.hidden[0], pixels, rng)
        if settings.decoder == "gaussian":
            # The network describes each pixel in units of its own deviation; without that, pixels
            # that hardly vary drown the others, and the decoder learns to ignore z.
            self.center = Tensor(np.zeros(pixels, dtype=np.float32))
            self.scale = Tensor(np.ones(pixels, dtype=np.float32))
            self.log_sigma = nn.parameter(np.zeros(pixels))
            if train is not None:
                self.center.data[...] = train.mean(0, np.float64)
                self.scale.data[...] = train.std(
                    0, np.float64
                )  # not 0: every grey level has its noise
        elif train is not None:
            p = np.clip(train.mean(0, np.float64), 0.01, 0.99)
            self.output.bias.data[...] = np.log(p / (1 - p))

    @classmethod
    def for_data(cls, settings: Settings, data: Dataset, rng: np.random.Generator) -> Self:
        how = "dequantised" if settings.binarisation == "none" else settings.binarisation
        return cls(settings, data.image_shape, data.levels, rng, data.observe(data.train, how, rng))

    @property
    def shown(self) -> str:
        """A Gaussian is a density, so it is shown dequantised grey levels."""
        return "dequantised" if self.settings.binarisation == "none" else super().shown

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

    def terms(self, x: Any, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """The reconstruction, with one sample of z, and the KL: (N,) each, in nats."""
        mu, logvar = self.encode(x)
        z, kl = reparameterize(mu, logvar, seed=_seed(rng))
        return self.reconstruction(x, z), kl

    def beta_at(self, epoch: float) -> float:
        s = self.settings
        return s.beta * (min(epoch / s.anneal_epochs, 1.0) if s.anneal_epochs else 1.0)

    def loss(
        self,
        x: Any,
        rng: np.random.Generator,
        epoch: float = math.inf,
        labels: np.ndarray | None = None,
    ) -> tuple[Tensor, dict[str, float]]:
        """reconstruction + beta KL, nats per image, mean over the batch; and its parts.

        With beta = 1 this is -ELBO. `epoch`, which may be fractional, is where annealing stands.
        """
        reconstruction, kl = (term.mean() for term in self.terms(x, rng))
        beta = self.beta_at(epoch)
        parts = {"reconstruction": reconstruction.item(), "kl": kl.item(), "beta": beta}
        parts["negative_elbo"] = parts["reconstruction"] + parts["kl"]
        return reconstruction + beta * kl, parts

    @no_grad()
    def bound(self, x: Array, rng: np.random.Generator, samples: int = 1) -> dict[str, np.ndarray]:
        """-ELBO with its parts, nats for each image (N, pixels), mean over samples of z."""
        repeated = [self.terms(x, rng) for _ in range(samples)]
        reconstruction, kl = (np.mean([t.numpy() for t in terms], 0) for terms in zip(*repeated))
        return {"negative_elbo": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    def test(
        self, x: Array, rng: np.random.Generator, labels: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        return self.bound(x, rng)

    def evaluate(
        self, x: Array, rng: np.random.Generator, labels: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """The bound over 10 samples of z an image, a closer one on -log p(x), `nll`, and the KL of
        each dimension of z, (N, latent).
        """
        bound = self.bound(x, rng, samples=10)
        nll = -self.log_prob(x, rng, IMPORTANCE_SAMPLES)
        return bound | {"nll": nll, "kl_of_dimension": self.kl_of_dimension(x)}

    @no_grad()
    def kl_of_dimension(self, x: Array) -> np.ndarray:
        """KL(q(z_i|x) || p(z_i)) in nats for images (N, pixels), (N, latent): the KL's summands."""
        mu, logvar = (t.numpy().astype(np.float64) for t in self.encode(x))
        return 0.5 * (mu * mu + np.expm1(logvar) - logvar)

    def report(self, numbers: Mapping[str, Any]) -> list[Row]:
        elbo = numbers["negative_elbo"]
        kl = sorted(numbers["kl_of_dimension"], reverse=True)
        active = sum(one > ACTIVE for one in kl)
        largest = f"of {len(kl)}, with more than {ACTIVE} nats: " + ", ".join(
            f"{one:.2f}" for one in kl[:SHOWN]
        )
        largest += ", ..." * (len(kl) > SHOWN)
        if not active:
            largest = "the posterior has collapsed: z says nothing of x"
        return [
            Row("-ELBO", elbo, f"{elbo / math.log(2) / math.prod(self.shape):.3f} bits/dim"),
            Row("  reconstruction", numbers["reconstruction"]),
            Row("  KL(q(z|x)||p(z))", numbers["kl"]),
            Row("  active dimensions of z", active, largest),
            Row("-log p(x), at most", numbers["nll"], f"{IMPORTANCE_SAMPLES} importance samples"),
        ]

    @property
    def called(self) -> str:
        return f"VAE ($\\beta$ = {self.settings.beta:g})"

    def panels(self, baseline: float | None) -> list[Panel]:
        lines = {} if baseline is None else {f"factorised model {baseline:.2f}": baseline}
        titles = {"negative_elbo": "$-$ELBO", "reconstruction": "reconstruction", "kl": "KL"}
        return [
            Panel(title, NATS, {key: "train"}, {key: "test"}, lines if title == "$-$ELBO" else {})
            for key, title in titles.items()
        ]

    @no_grad()
    def log_prob(self, x: Array, rng: np.random.Generator, samples: int) -> np.ndarray:
        """A lower bound of log p(x) in nats, (N,), that rises to it with `samples`.

            log 1/k sum_i p(x|z_i) p(z_i) / q(z_i|x),  z_i ~ q(z|x)        (Burda et al., eq. 8)

        Samples are summed in chunks, so memory does not grow with them.
        """
        mu, logvar = self.encode(x)
        log_sum = np.full(len(x), -np.inf)
        for done in range(0, samples, CHUNK):
            eps = self._normal(rng, (min(CHUNK, samples - done), *mu.shape))
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

    def sample(
        self, n: int, rng: np.random.Generator, labels: np.ndarray | None = None
    ) -> np.ndarray:
        """The means of p(x|z) for z ~ N(0, I), (n, height, width)."""
        self.classes_of(n, labels)
        return self.images(self._normal(rng, (n, self.settings.latent)))

    @no_grad()
    def draws(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """x ~ p(x|z) for z ~ N(0, I), (n, height, width), in [0, 1]."""
        means = self.sample(n, rng)
        if self.settings.decoder == "bernoulli":
            return (rng.random(means.shape) < means).astype(np.float32)
        sigma = (self.scale * exp(self.log_sigma)).numpy().reshape(self.shape)
        return (means + sigma * rng.standard_normal(means.shape)).clip(0, 1).astype(np.float32)

    def _normal(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """Draws of N(0, 1), made where the model is."""
        return normal(shape, _seed(rng), like=self.output.bias.data)

    def draw(self, data: Dataset, test: Array, rng: np.random.Generator) -> dict[str, Figure]:
        return vae_figures.draw(self, data, test, rng)


NATS = "nats per image"
CHUNK = 16  # importance samples at a time


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**64, dtype=np.uint64))


def lerp(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """The straight line from a to b: (latent,) twice to (steps, latent)."""
    t = np.linspace(0, 1, steps)[:, None]
    return (1 - t) * a + t * b


def slerp(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """The great arc from a to b (Shoemake 1985; White 2016), its length going from |a| to |b|.

    Draws of N(0, I) lie near a sphere of radius sqrt(latent); a straight line cuts through its
    inside, where the decoder has seen little. Where there is no single arc (equal or opposite
    directions, or a point at the origin) it is the line.
    """
    norm_a, norm_b = np.linalg.norm(a), np.linalg.norm(b)
    if min(norm_a, norm_b) == 0:
        return lerp(a, b, steps)
    unit_a, unit_b = a / norm_a, b / norm_b
    omega = np.arccos(np.clip(unit_a @ unit_b, -1, 1))
    if np.sin(omega) < 1e-6:
        return lerp(a, b, steps)
    t = np.linspace(0, 1, steps)[:, None]
    direction = (np.sin((1 - t) * omega) * unit_a + np.sin(t * omega) * unit_b) / np.sin(omega)
    return direction * ((1 - t) * norm_a + t * norm_b)


def _perceptron(
    widths: tuple[int, ...], activation: str, rng: np.random.Generator
) -> nn.Sequential:
    """Linear layers between these widths, each followed by the activation."""
    steps: list[Callable] = []
    for inputs, outputs in itertools.pairwise(widths):
        steps += [nn.Linear(inputs, outputs, rng), ACTIVATIONS[activation]]
    return nn.Sequential(*steps)
