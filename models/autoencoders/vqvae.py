"""The VQ-VAE: an image as a grid of whole numbers, and a PixelCNN as their prior.

van den Oord, Vinyals & Kavukcuoglu 2017, "Neural Discrete Representation Learning". The encoder
gives a vector z_e at each place of a small grid, and the nearest vector of a codebook e_1 ... e_K
takes its place:

    q(z = k|x) = 1 for k = argmin_j |z_e(x) - e_j|, and 0 for the others                   (eq. 1)
    z_q(x) = e_k                                                                           (eq. 2)

    L = -log p(x|z_q(x)) + |sg[z_e(x)] - e|^2 + beta |z_e(x) - sg[e]|^2                    (eq. 3)

sg stops the gradient. argmin has none, so the decoder's gradient of z_q is taken for that of z_e
(straight-through). Then the second term moves the codebook to the encoder's outputs, and the third,
the commitment, keeps these near it. Instead of the second term each e_k may be the moving average
of the outputs that chose it (appendix A.1):

    N_k <- decay N_k + (1 - decay) n_k,  m_k <- decay m_k + (1 - decay) sum z_e,  e_k = m_k / N_k

A vector that nothing chooses gets no gradient and stays: it is dead. With `revive` it is put at an
output of the batch, drawn at random (Dhariwal et al. 2020, "Jukebox": random restarts).

In a second stage, after `autoencoder_epochs`, the codes stay what they are, and a PixelCNN learns
p(z), with the numbers of the codes as its levels. An image may have come from any codes, and of the
sum over them the encoder's are one term. So the two stages together are a bound, in nats:

    -log p(x) <= -log p(z(x)) - log p(x|z_q(x))
"""

import math
from typing import Any

import numpy as np

from autograd import Array, Rng, Tensor, matmul, nn, no_grad, optim, to_device
from autograd.ops import argmin, embedding, one_hot, squared_distances
from models.autoencoders.networks import doubling, halving, sizes
from models.autoencoders.vae import VAE
from models.autoencoders.vqvae_settings import DEFAULTS, Settings
from models.autoregressive import pixelcnn_settings
from models.autoregressive.pixelcnn import PixelCNN
from models.data import Labels
from models.model import Loss, Model, Numbers, Optimizers, random_seed

LEAST_USES = 1e-6  # a batch, of a vector that still moves


class VQVAE(VAE):
    """A VAE whose z is a grid of vectors of a codebook: (N, latent) holds them one by one."""

    settings_type = Settings
    defaults = DEFAULTS
    complete = Model.complete  # there is no noise in q(z|x) to iterate with

    def build_networks(self, rng: Rng) -> None:
        s = self.settings
        self.grid = height, width = sizes(self.shape, s.hidden)[-1]
        to_codes = nn.Conv2d(s.hidden[-1], s.latent, 1, rng)
        self.encoder = nn.Sequential(*halving(self.shape, s.hidden, s.activation, rng), to_codes)
        from_codes = nn.Conv2d(s.latent, s.hidden[-1], 1, rng)
        steps, self.output = doubling(s.hidden, self.shape, s.activation, rng)

        def as_planes(z: Any) -> Any:
            return z.reshape((-1, height, width, s.latent)).transpose((0, 3, 1, 2))

        self.decoder = nn.Sequential(as_planes, from_codes, *steps)
        start = rng.uniform(-1 / s.codes, 1 / s.codes, (s.codes, s.latent)).astype(np.float32)
        self.codebook = Tensor(start, requires_grad=s.codebook == "loss")
        self.uses = Tensor(np.ones(s.codes, np.float32))  # N_k, a batch
        self.sums = Tensor(start.copy())  # m_k
        prior = pixelcnn_settings.Settings(
            pixels="levels", kernel_size=5, channels=s.prior_channels, blocks=s.prior_blocks
        )
        self.prior = PixelCNN(prior, self.grid, s.codes, rng)

    @property
    def latent(self) -> int:
        """The numbers in z_q of an image."""
        return math.prod(self.grid) * self.settings.latent

    def quantise(self, x: Any) -> tuple[Tensor, Array]:
        """z_e of images (N, pixels), (N, places, dimensions), and the codes k, (N, places)."""
        self.check_pixels(x)
        z_e = self.encoder(x).transpose((0, 2, 3, 1)).reshape((len(x), -1, self.settings.latent))
        return z_e, self.nearest(z_e.data)

    def encode(self, *_: Any) -> Any:
        """Refused, as is all that a VAE computes of its mu and sigma: raises TypeError."""
        raise TypeError("q(z|x) of a VQ-VAE has no mu and no sigma: see `quantise`")

    def log_weight(self, *_: Any) -> Any:
        """Refused too."""
        self.encode()

    def nearest(self, z: Array) -> Array:
        """The code whose vector is nearest to z (..., places, dimensions): (..., places)."""
        return argmin(squared_distances(z, self.codebook.data), axis=-1)  # eq. 1

    def vectors(self, k: Array) -> Any:
        """z_q of codes (N, places): (N, latent)."""
        return embedding(self.codebook, k).reshape((len(k), -1))  # eq. 2

    def as_image(self, k: Array) -> Array:
        """Codes (N, places) as the prior has them: grey levels in [0, 1]."""
        return (k / (self.settings.codes - 1)).astype(np.float32)

    def stage(self, epoch: float) -> int:
        """0 for the autoencoder; 1 for what learns its codes."""
        return int(epoch >= self.settings.autoencoder_epochs)

    def loss(self, x: Any, rng: Rng, epoch: float = math.inf, labels: Labels = None) -> Loss:
        """Eq. 3 in the first stage, -log p of the codes in the second, in nats; and the parts."""
        if self.stage(epoch) == 0:
            return self.autoencoder_loss(x, *self.quantise(x))
        with no_grad():
            _, k = self.quantise(x)
        loss, _ = self.prior.loss(self.as_image(k), rng)
        return loss, {"prior": loss.data}

    def autoencoder_loss(self, x: Any, z_e: Tensor, k: Array) -> Loss:
        """Eq. 3 of images (N, pixels), of which `quantise` found z_e and k."""
        s, n = self.settings, len(x)
        e = embedding(self.codebook, k)
        straight_through = z_e + (e.data - z_e.data)  # z_q, with the gradient of z_e
        reconstruction = self.reconstruction(x, straight_through.reshape((n, -1))).mean()
        commitment = ((z_e - e.data) ** 2).sum() / n
        loss = reconstruction + s.beta * commitment
        if s.codebook == "loss":
            loss = loss + ((z_e.data - e) ** 2).sum() / n
        parts = {"reconstruction": reconstruction.data, "quantisation": commitment.data}
        return loss, {**parts, "perplexity": perplexity(self.shares(k).mean(0))}

    def optimizers(self, steps: int) -> dict[str, optim.Optimizer]:
        """One for each stage, each with its own half of a cosine."""
        s, prior = self.settings, self.prior.parameters()
        others = {k: p for k, p in self.parameters().items() if not k.startswith("prior.")}
        first = max(1, round(steps * s.autoencoder_epochs / s.epochs))
        stages = {"autoencoder": (others, first), "prior": (prior, max(1, steps - first))}
        return {
            name: optim.Adam(p, optim.cosine_schedule(s.learning_rate, s.final_learning_rate, n))
            for name, (p, n) in stages.items()
        }

    def update(
        self, x: Any, rng: Rng, epoch: float, labels: Labels, optimizers: Optimizers
    ) -> dict[str, Any]:
        """A step of the stage that `epoch` is in: of the autoencoder, or of the codes' prior."""
        first = self.stage(epoch) == 0
        self.zero_grad()
        if first:
            z_e, k = self.quantise(x)
            loss, parts = self.autoencoder_loss(x, z_e, k)
        else:
            loss, parts = self.loss(x, rng, epoch)
        loss.backward()
        optimizers["autoencoder" if first else "prior"].step()
        if first:
            self.move_codebook(z_e.data, k, rng)
        return {"loss": loss.data, **parts}

    def move_codebook(self, z_e: Array, k: Array, rng: Rng) -> None:
        """The moving averages after a batch (appendix A.1), and dead vectors revived."""
        s = self.settings
        outputs, chosen = z_e.reshape(-1, s.latent), one_hot(k.reshape(-1), s.codes)
        uses = s.decay * self.uses.data + (1 - s.decay) * chosen.sum(0)
        sums = s.decay * self.sums.data + (1 - s.decay) * matmul(chosen.T, outputs)
        vectors = self.codebook.data
        if s.codebook == "ema":  # what has not been chosen for very long stays
            used = (uses > LEAST_USES)[:, None]
            vectors = self.xp.where(
                used, sums / self.xp.maximum(uses, LEAST_USES)[:, None], vectors
            )
        if (dead := uses < s.revive).any():
            at = rng.integers(len(outputs), size=int(dead.sum()))
            vectors, uses[dead] = vectors.copy(), 1 + s.revive
            vectors[dead] = outputs[at]
            sums[dead] = vectors[dead] * uses[dead][:, None]
        self.codebook.data, self.uses.data, self.sums.data = vectors, uses, sums

    def shares(self, k: Array) -> np.ndarray:
        """The share of each code among those of an image: (N, places) to (N, codes)."""
        return to_device(one_hot(k, self.settings.codes), "cpu").mean(1)

    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """Both stages in nats, (N,), and "nll", their sum; if `thorough`, shares of the codes."""
        with no_grad():
            _, k = self.quantise(x)
            reconstruction = self.reconstruction(x, self.vectors(k)).numpy()
        prior = -self.prior.log_prob(self.as_image(k))
        numbers = {"nll": reconstruction + prior, "reconstruction": reconstruction, "prior": prior}
        return numbers | ({"shares": self.shares(k)} if thorough else {})

    def log_prob(self, x: Array, rng: Rng, samples: int = 1) -> np.ndarray:
        """A lower bound of log p(x) in nats, (N,): q has one value, so more samples say no more."""
        return -self.evaluate(x, rng)["nll"]

    @no_grad()
    def sample_prior(self, n: int, rng: Rng) -> Array:
        """z_q of codes from the PixelCNN: (n, latent)."""
        own = np.random.default_rng(random_seed(rng))  # so that n changes nothing that comes later
        k = np.rint(self.prior.sample(n, own) * (self.settings.codes - 1)).astype(int)
        return self.vectors(self.xp.asarray(k.reshape(n, -1))).data

    def sample_codes(self, n: int, rng: Rng) -> np.ndarray:
        return to_device(self.sample_prior(n, rng), "cpu")

    @no_grad()
    def codes(self, x: Any, labels: Labels = None) -> np.ndarray:
        """z_q of images (N, pixels): (N, latent)."""
        self.classes_of(len(x), labels)
        return self.vectors(self.quantise(x)[1]).numpy()

    @no_grad()
    def decode_codes(self, z: np.ndarray, rng: Rng, labels: Labels = None) -> np.ndarray:
        """The means of p(x|z_q), with z_q nearest to z: (n, latent) to (n, *shape)."""
        self.classes_of(len(z), labels)
        places = self.array(z).reshape(len(z), -1, self.settings.latent)
        return self.images(self.vectors(self.nearest(places)).data)


def perplexity(shares: np.ndarray) -> float:
    """exp of the entropy of these shares (codes,): K if all are used alike, 1 if only one is."""
    used = shares[shares > 0]
    return float(np.exp(-(used * np.log(used)).sum()))
