"""The conditional VAE (Sohn, Lee & Yan 2015, "Learning Structured Output Representation using
Deep Conditional Generative Models"), of an image x given its class y.

Encoder and decoder are told the class, and everything else is the VAE's:

    log p(x|y) >= E_q(z|x,y) [log p(x|z, y)] - KL(q(z|x, y) || p(z))                  (section 4)

In the paper the prior may depend on the condition, p(z|y). Here it is p(z) = N(0, I) for every
class, as in Kingma et al. 2014: then z is what the class does not say, the style, and one z makes
the same style of every class. (The paper's letters are others: its x is our y, its y our x.)

With p(y), the share of each class, Bayes' rule makes p(x|y) a classifier (`chainrule classify`).
"""

import copy
import math
from typing import Any, ClassVar

import numpy as np

from autograd import Array, Rng, Tensor, to_device
from autograd.ops import broadcast_to, concatenate, one_hot
from models.autoencoders.cvae_settings import DEFAULTS, Settings
from models.autoencoders.vae import VAE
from models.data import Labels
from models.model import Loss, Numbers


class CVAE(VAE):
    """A VAE for each of `classes` classes, with the same networks."""

    settings_type: ClassVar[type] = Settings
    defaults: ClassVar[Any] = DEFAULTS
    y: Array | None = None  # (N, classes), 1 in the place of each image's class: see `given`

    def given(self, n: int, labels: Labels) -> "CVAE":
        """This model, told the classes (n,) of the n images it is given next: that is a VAE.

        It has the same parameters. Without labels the classes are each in turn.
        """
        told = copy.copy(self)
        told.y = self.sent(lambda: one_hot(self.classes_of(n, labels), self.classes))
        return told

    def encode(self, x: Any) -> tuple[Tensor, Tensor]:
        """(N, pixels) in [0, 1] to mu and logvar of q(z|x, y), each (N, latent)."""
        self.check_pixels(x)
        h = beside(self.encoder(x), self.y)
        return self.mu(h), self.logvar(h)

    def decode(self, z: Any) -> Tensor:
        """(..., N, latent) to the (..., N, pixels) of p(x|z, y), as `VAE.decode`."""
        return super().decode(beside(z, self.y))

    # What a VAE does, told the classes.

    def loss(self, x: Any, rng: Rng, epoch: float = math.inf, labels: Labels = None) -> Loss:
        return VAE.loss(self.given(len(x), labels), x, rng, epoch)

    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """As a VAE's, of p(x|y); if `thorough` also 1 where the class can be read from z, else 0.

        That is done by a linear classifier of the other images' codes: if z is only the style, it
        is right by chance.
        """
        told = self.given(len(x), labels)
        numbers = VAE.evaluate(told, x, rng, thorough=thorough)
        if thorough:
            numbers["class_read_from_z"] = read_linearly(VAE.codes(told, x), told.y)
        return numbers

    def sample(self, n: int, rng: Rng, labels: Labels = None) -> np.ndarray:
        return VAE.sample(self.given(n, labels), n, rng)

    def sample_means(self, n: int, rng: Rng, labels: Labels = None) -> np.ndarray:
        return VAE.sample_means(self.given(n, labels), n, rng)

    def codes(self, x: Any, labels: Labels = None) -> np.ndarray:
        return VAE.codes(self.given(len(x), labels), x)

    def decode_codes(self, z: np.ndarray, rng: Rng, labels: Labels = None) -> np.ndarray:
        return VAE.decode_codes(self.given(len(z), labels), z, rng)

    def complete(
        self, images: np.ndarray, known: np.ndarray, rng: Rng, labels: Labels = None
    ) -> np.ndarray:
        return VAE.complete(self.given(len(images), labels), images, known, rng)


def beside(h: Any, y: Any) -> Tensor:
    """h (..., F) and y (..., classes), one beside the other: (..., F + classes).

    Where one has an axis of 1, or none, and the other has one, it is repeated.
    """
    shape = np.broadcast_shapes(h.shape[:-1], y.shape[:-1])
    return concatenate([broadcast_to(a, (*shape, a.shape[-1])) for a in (h, y)], axis=-1)


def read_linearly(z: np.ndarray, y: Array) -> np.ndarray:
    """1 where least squares finds the class y (N, classes) of codes (N, latent), else 0: (N,).

    Each is found from the other N - 1. With the hat matrix H = A (A'A)^-1 A', what they predict is
    (H y - h_ii y_i) / (1 - h_ii)   (Hastie, Tibshirani & Friedman 2009, section 7.10).
    Where h_ii = 1, as of N = latent + 1 codes or fewer, the others say nothing: that is 0.
    """
    y = to_device(y, "cpu").astype(float)
    a = np.column_stack([z, np.ones(len(z))])
    hat = a @ np.linalg.pinv(a)
    own = hat.diagonal()[:, None]
    told = own < 1 - 1e-9
    others = (hat @ y - own * y) / np.where(told, 1 - own, 1)
    return (told[:, 0] & (others.argmax(1) == y.argmax(1))).astype(float)
