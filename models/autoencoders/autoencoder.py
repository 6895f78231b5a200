"""Autoencoders: a code narrower, noisier or flatter than the image, from which it is restored.

    z = encode(x),  minimise |decode(z) - x|^2 + weight * penalty, by kind:

- plain: nothing else. If all is linear, the best code is the subspace of PCA (Baldi & Hornik 1989);
- denoising: x is restored from x + noise (Vincent et al. 2010, section 3);
- sparse: the penalty is the code's L1 norm;
- contractive: it is |dz/dx|_F^2, so its gradient is of second order (Rifai et al. 2011, eq. 3);
- masked: patches of x are hidden and restored from the others (He et al. 2022).

None of them is a generative model: z is a function of x, and no distribution of z is learnt. A
Gaussian fitted to the training codes stands in for that in `sample`, and its pictures show what a
VAE is for. The decoder's weights are the encoder's transposed, as in Vincent and Rifai. Otherwise z
could shrink and the decoder grow, which lowers either penalty and changes nothing.
"""

import itertools
import math
from typing import Any, Self

import numpy as np

from autograd import Array, Rng, Tensor, abs, grad, nn, no_grad, to_device
from models.autoencoders.autoencoder_settings import DEFAULTS, KINDS, Settings
from models.autoencoders.networks import ACTIVATIONS
from models.data import Dataset, Labels, Shape
from models.errors import UsageError
from models.model import Loss, Model, Numbers

HIDDEN_PIXEL = 0.5  # the value of a hidden pixel: neither ink nor paper
MAX_EXAMPLES = 10_000  # training images, for the codes' Gaussian and for PCA
MAX_PIXELS = MAX_EXAMPLES * 28 * 28  # of all of them


class Autoencoder(Model):
    """Encoder and decoder for images of `shape`."""

    settings_type, defaults = Settings, DEFAULTS
    train_images: np.ndarray | None = None  # (N, pixels), for the codes' Gaussian and for PCA

    def __init__(self, settings: Settings, shape: Shape, levels: int, rng: Rng, classes: int = 0):
        super().__init__(settings, shape, levels, rng, classes)
        widths = (math.prod(shape), *settings.hidden, settings.latent)
        self.encoder = [nn.Linear(*pair, rng) for pair in itertools.pairwise(widths)]
        self.biases = [nn.parameter(np.zeros(width)) for width in widths[:-1]]  # the decoder's
        if settings.kind == "masked":
            self._patches()

    @classmethod
    def for_data(cls, settings: Settings, data: Dataset, rng: Rng) -> Self:
        most = min(MAX_EXAMPLES, MAX_PIXELS // math.prod(data.image_shape))
        chosen = data.train[rng.permutation(len(data.train))[:most]]
        train = data.observe(chosen, settings.pixels, rng)
        model = super().for_data(settings, data, rng)
        model.use_training_images(train)
        return model

    def use_training_images(self, train: np.ndarray) -> None:
        """The output starts at their mean; the codes' Gaussian and PCA are fitted to them."""
        self.biases[0].data[...] = train.mean(0, np.float64)
        self.train_images = train

    def encode(self, x: Any) -> Tensor:
        """(N, pixels) in [0, 1] to codes (N, latent)."""
        *hidden, last = self.encoder
        for layer in hidden:
            x = ACTIVATIONS[self.settings.activation](layer(x))
        return ACTIVATIONS[KINDS[self.settings.kind]](last(x))

    def decode(self, z: Any) -> Tensor:
        """(N, latent) to pixels (N, pixels), which may lie a little beyond [0, 1]."""
        for i in reversed(range(len(self.encoder))):
            z = z @ self.encoder[i].weight + self.biases[i]
            z = ACTIVATIONS[self.settings.activation](z) if i else z
        return z

    def corrupt(self, x: Array, rng: Rng) -> tuple[Array, Array]:
        """What the encoder is given for images (N, pixels), and which pixels count in the loss."""
        self.check_pixels(x)
        s, everything = self.settings, self.sent(lambda: np.ones(x.shape[1]))
        if s.kind == "denoising":
            return x + self.sent(lambda: s.noise * rng.standard_normal(x.shape)), everything
        if s.kind == "masked":
            hidden = self.sent(lambda: self.hide(len(x), rng))
            return x * (1 - hidden) + HIDDEN_PIXEL * hidden, hidden
        return x, everything

    def hide(self, n: int, rng: Rng) -> np.ndarray:
        """1 for the hidden pixels of n images and 0 for the others, (n, pixels).

        Of each image as many patches, chosen evenly (He et al. 2022, section 3).
        """
        rows, columns, hidden = self._patches()
        order = rng.random((n, rows * columns)).argsort(1)  # a permutation of an image's patches
        patches = (order < hidden).reshape(n, rows, columns)
        size, (height, width) = self.settings.patch, self.shape[:2]
        pixels = patches.repeat(size, 1).repeat(size, 2)[:, :height, :width]
        return pixels.repeat(self.channels, 2).reshape(n, -1).astype(np.float32)

    def _patches(self) -> tuple[int, int, int]:
        """Rows and columns of patches, the last ones cut off by the edge, and how many to hide."""
        rows, columns = (-(-side // self.settings.patch) for side in self.shape[:2])
        hidden = round(self.settings.mask_ratio * rows * columns)
        if not 0 < hidden < rows * columns:
            raise UsageError(
                f"patch={self.settings.patch}, mask_ratio={self.settings.mask_ratio:g}: hides "
                f"{hidden} of {rows * columns} patches; some must be hidden and some must not"
            )
        return rows, columns, hidden

    def loss(self, x: Any, rng: Rng, epoch: float = math.inf, labels: Labels = None) -> Loss:
        """Squared error, summed over pixels, + weight * penalty: mean over the batch; its parts.

        `masked` sums over the hidden pixels only: the others could just be copied.
        """
        given, counts = self.corrupt(x, rng)
        z = self.encode(given)
        error = self.decode(z) - x
        squared = (error * error * counts).sum(axis=-1).mean()
        parts = {"squared_error": squared.data}
        if self.settings.kind not in ("sparse", "contractive"):
            return squared, parts
        penalty = (
            abs(z).sum(axis=-1) if self.settings.kind == "sparse" else self.jacobian_penalty(x)
        ).mean()
        return squared + self.settings.weight * penalty, {**parts, "penalty": penalty.data}

    def jacobian_penalty(self, x: Array) -> Tensor:
        """|dz/dx|_F^2 of each image (N, pixels), recorded to be differentiated in turn: (N,).

        For one layer z = s(W x + b) it is sum_j s'_j^2 |W_j|^2 (Rifai et al. 2011, eq. 4); this is
        right for any. Every image is repeated, once for each unit of the code, so that one sweep
        back from all of them gives all rows of the Jacobian.
        """
        n, latent = len(x), self.settings.latent
        copies = Tensor(self.xp.tile(x, (latent, 1)), requires_grad=True)
        z = self.encode(copies).reshape(latent, n, latent)
        own = self.xp.eye(latent, dtype=x.dtype)[:, None]  # copy j answers for unit j
        jacobian = grad((z * own).sum(), copies, create_graph=True)
        return (jacobian * jacobian).reshape(latent, n, -1).sum(axis=(0, 2))

    @no_grad()
    def restore(self, given: Array) -> Array:
        """What the decoder makes of images (N, pixels), whole or corrupted."""
        return self.decode(self.encode(given)).data

    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """Squared errors, summed over the pixels of each image, (N,).

        `squared_error` is of whole images, so that kinds compare; of a masked one, whose loss has
        the hidden pixels only, it is theirs. Denoising has another, after noise: `denoised`. If
        `thorough`, the errors of PCA and of the mean training image stand beside them.
        """
        given, counts = self.corrupt(x, rng)
        numbers = {"squared_error": _squared((self.restore(given) - x) * counts)}
        if self.settings.kind == "denoising":
            numbers = {
                "squared_error": _squared(self.restore(x) - x),
                "denoised": numbers["squared_error"],
                "noise": _squared(given - x),
            }
        if not thorough:
            return numbers
        flat = to_device(x, "cpu").astype(np.float64)
        pca, mean_image = (self.pca_error(flat, k) for k in (self.settings.latent, 0))
        return numbers | {"pca": pca, "mean_image": mean_image}

    def pca_error(self, x: np.ndarray, dimensions: int) -> np.ndarray:
        """Squared error of each image from its projection onto the training images' main axes."""
        if self.train_images is None:
            raise ValueError("an Autoencoder without training images has no PCA to compare with")
        train = self.train_images.astype(np.float64)
        centred = x - train.mean(0)
        axes = _principal_axes(train)
        main = axes[:, max(0, axes.shape[1] - dimensions) :]
        return _squared(centred - centred @ main @ main.T)

    def sample(self, n: int, rng: Rng, labels: Labels = None) -> np.ndarray:
        """Images decoded from `sample_codes`."""
        self.classes_of(n, labels)
        return self.decode_codes(self.sample_codes(n, rng), rng)

    @no_grad()
    def sample_codes(self, n: int, rng: Rng) -> np.ndarray:
        """Codes (n, latent) of a Gaussian with the mean and covariance of the training codes."""
        if self.train_images is None:
            raise ValueError("an Autoencoder without training images has no codes to imitate")
        codes = self.encode(self.array(self.train_images)).numpy().astype(np.float64)
        return codes.mean(0) + rng.standard_normal((n, codes.shape[1])) @ _root(codes).T

    @no_grad()
    def codes(self, x: Any, labels: Labels = None) -> np.ndarray:
        """(N, pixels) to (N, latent): what is given is whole, whatever the kind."""
        self.classes_of(len(x), labels)
        self.check_pixels(x)
        return self.encode(x).numpy()

    @no_grad()
    def decode_codes(self, z: np.ndarray, rng: Rng, labels: Labels = None) -> np.ndarray:
        """(n, latent) to images (n, *shape) in [0, 1]."""
        self.classes_of(len(z), labels)
        return self.decode(self.array(z)).numpy().clip(0, 1).reshape(-1, *self.shape)


def _squared(error: Array) -> np.ndarray:
    """Summed over pixels: (N, pixels) to (N,)."""
    return to_device((error * error).sum(axis=-1), "cpu")


def _principal_axes(x: np.ndarray) -> np.ndarray:
    """Of images (N, pixels), as columns, the one of the greatest variance last."""
    if len(x) < x.shape[1]:  # as many axes as images: the others have no variance
        return np.linalg.svd(x - x.mean(0), full_matrices=False)[2][::-1].T
    return np.linalg.eigh(np.atleast_2d(np.cov(x.T)))[1]


def _root(codes: np.ndarray) -> np.ndarray:
    """R with R R' their covariance, (latent, latent), which may be singular."""
    variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(codes.T)))
    return axes * np.sqrt(np.maximum(variances, 0))
