"""Autoencoders: a code narrower, noisier or flatter than the image, from which it is restored.

    z = encode(x),  minimise |decode(z) - x|^2 + weight * penalty, by kind:

- plain: nothing else. If all is linear, the best code is the subspace of PCA (Baldi & Hornik 1989);
- denoising: x is restored from x + noise (Vincent et al. 2010, section 3);
- sparse: the penalty is the code's L1 norm;
- contractive: it is |dz/dx|_F^2, so its gradient is of second order (Rifai et al. 2011, eq. 3);
- masked: patches of x are hidden and restored from the others (He et al. 2022).

None of them is a generative model: z is a function of x, and nothing says which z are likely. A
Gaussian fitted to the training codes stands in for that in `sample`, and its pictures show what a
VAE is for. The decoder's weights are the encoder's transposed, as in Vincent and Rifai. Otherwise z
could shrink and the decoder grow, which lowers either penalty and changes nothing.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, Tensor, abs, grad, nn, no_grad, relu, sigmoid, tanh, to_device
from models.autoencoders import autoencoder_report as autoencoder_figures
from models.data import Dataset
from models.errors import UsageError
from models.model import MOST, Model, Row, check_settings, setting
from models.pictures import Panel

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": relu,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "linear": lambda x: x,
}
KINDS = {  # and what the last layer of the encoder ends in
    "plain": "linear",
    "denoising": "linear",
    "sparse": "relu",  # so that a code can be exactly 0
    "contractive": "sigmoid",  # as Rifai's
    "masked": "linear",
}
PENALTIES = {"sparse": "$|z|_1$", "contractive": r"$|\partial z/\partial x|_F^2$"}
HIDDEN = 0.5  # what a hidden pixel looks like: neither ink nor paper
EXAMPLES = 10_000  # training images at most, for the codes' Gaussian and for PCA


@dataclass(frozen=True)
class Settings:
    """What an autoencoder is and how it learns; the defaults are those for 28 x 28."""

    kind: str = setting("plain", f"one of {', '.join(KINDS)}")
    hidden: tuple[int, ...] = setting((256,), "widths between pixels and code; may be none")
    latent: int = setting(32, "dimensions of the code")
    activation: str = setting("relu", f"of the hidden layers: {', '.join(ACTIVATIONS)}")
    noise: float = setting(0.3, "denoising: standard deviation of the noise on a pixel")
    weight: float = setting(0.1, "sparse, contractive: of the penalty")
    patch: int = setting(4, "masked: pixels along a side of a patch")
    masked: float = setting(0.5, "masked: share of the patches that is hidden")
    binarisation: str = setting("none", "fixed, dynamic, or none (grey levels)")
    batch: int = setting(128, "images a step")
    learning_rate: float = setting(1e-3, "of Adam, at the start")
    final_learning_rate: float = setting(1e-5, "where half a cosine takes it")
    epochs: int = setting(20, "passes over the training images")

    def __post_init__(self) -> None:
        check_settings(
            self,
            choices={"kind": tuple(KINDS), "activation": tuple(ACTIVATIONS)},
            bounds={
                **({"hidden": (1, MOST)} if self.hidden else {}),
                "latent": (1, MOST),
                "noise": (0, MOST),
                "weight": (0, MOST),
                "patch": (1, MOST),
                "masked": (0, 1),
            },
        )


DEFAULTS = {
    "digits": Settings(hidden=(128,), latent=8, patch=2, batch=50, learning_rate=2e-3, epochs=150),
    "binarized-mnist": Settings(binarisation="fixed"),
}
"""What is known to work on a data set; the class has the rest."""


def reproduce() -> dict[str, Any]:
    """The setting of Hinton & Salakhutdinov 2006, "Reducing the Dimensionality of Data with Neural
    Networks", figure 2, and its mean squared error, summed over the 784 pixels of a test image.

    784-1000-500-250-30 with a linear code: 3.00; PCA with 30 dimensions: 13.87. (They train it with
    RBMs first and conjugate gradients afterwards, and the decoder's weights go their own way.)
    """
    settings = Settings(hidden=(1000, 500, 250), latent=30, activation="sigmoid", epochs=200)
    return {"settings": settings, "data": "mnist", "squared_error": 3.00, "pca": 13.87}


class Autoencoder(Model):
    """Encoder and decoder for images of `shape`.

    `train` (N, pixels), what is shown of training images, gives the output its mean to start from,
    and is what the codes' Gaussian and PCA are fitted to.
    """

    name = "autoencoder"
    settings_type = Settings
    defaults = DEFAULTS
    headline = ("squared_error", "squared error per image,")

    def __init__(
        self,
        settings: Settings,
        shape: tuple[int, ...],
        levels: int,
        rng: np.random.Generator,
        train: np.ndarray | None = None,
    ):
        self.settings, self.shape, self.levels, self.classes = settings, shape, levels, 0
        widths = (math.prod(shape), *settings.hidden, settings.latent)
        self.encoder = [nn.Linear(*pair, rng) for pair in itertools.pairwise(widths)]
        self.biases = [nn.parameter(np.zeros(width)) for width in widths[:-1]]  # the decoder's
        self.train_images = None if train is None else train[:EXAMPLES]
        if train is not None:
            self.biases[0].data[...] = train.mean(0, np.float64)
        if settings.kind == "masked":
            self._patches()

    @classmethod
    def for_data(cls, settings: Settings, data: Dataset, rng: np.random.Generator) -> Self:
        chosen = data.train[rng.permutation(len(data.train))[:EXAMPLES]]
        how = "grey" if settings.binarisation == "none" else settings.binarisation
        return cls(settings, data.image_shape, data.levels, rng, data.observe(chosen, how, rng))

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

    def corrupt(self, x: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """What the encoder is given for images (N, pixels), and which pixels count in the loss."""
        self.check_pixels(x)
        s, everything = self.settings, self.array(np.ones(x.shape[1]))
        if s.kind == "denoising":
            return x + self.array(s.noise * rng.standard_normal(x.shape)), everything
        if s.kind == "masked":
            hidden = self.array(self.hide(len(x), rng))
            return x * (1 - hidden) + HIDDEN * hidden, hidden
        return x, everything

    def hide(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """1 for the hidden pixels of n images and 0 for the others, (n, pixels).

        Of each image as many patches, chosen evenly (He et al. 2022, section 3).
        """
        rows, columns, hidden = self._patches()
        order = rng.random((n, rows * columns)).argsort(1)  # a permutation of an image's patches
        patches = (order < hidden).reshape(n, rows, columns)
        size, (height, width) = self.settings.patch, self.shape
        pixels = patches.repeat(size, 1).repeat(size, 2)[:, :height, :width]
        return pixels.reshape(n, -1).astype(np.float32)

    def _patches(self) -> tuple[int, int, int]:
        """Rows and columns of patches, the last ones cut off by the edge, and how many to hide."""
        rows, columns = (-(-side // self.settings.patch) for side in self.shape)
        hidden = round(self.settings.masked * rows * columns)
        if not 0 < hidden < rows * columns:
            raise UsageError(
                f"patch={self.settings.patch}, masked={self.settings.masked:g}: hides {hidden} of "
                f"{rows * columns} patches; some must be hidden and some be seen"
            )
        return rows, columns, hidden

    def loss(
        self,
        x: Any,
        rng: np.random.Generator,
        epoch: float = math.inf,
        labels: np.ndarray | None = None,
    ) -> tuple[Tensor, dict[str, float]]:
        """Squared error, summed over pixels, + weight * penalty: mean over the batch; its parts.

        `masked` sums over the hidden pixels only: what is seen could just be copied.
        """
        given, counts = self.corrupt(x, rng)
        z = self.encode(given)
        error = self.decode(z) - x
        squared = (error * error * counts).sum(axis=-1).mean()
        parts = {"squared_error": squared.item()}
        if self.settings.kind not in PENALTIES:
            return squared, parts
        penalty = (abs(z).sum(axis=-1) if self.settings.kind == "sparse" else self.slope(x)).mean()
        return squared + self.settings.weight * penalty, {**parts, "penalty": penalty.item()}

    def slope(self, x: Array) -> Tensor:
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

    def test(
        self, x: Array, rng: np.random.Generator, labels: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Squared errors, summed over the pixels of each image, (N,).

        `squared_error` is of whole images, so that kinds compare; of a masked one, which answers
        for hidden pixels only, it is theirs. Denoising has another, after noise: `denoised`.
        """
        given, counts = self.corrupt(x, rng)
        restored = _squared((self.restore(given) - x) * counts)
        if self.settings.kind != "denoising":
            return {"squared_error": restored}
        whole = _squared(self.restore(x) - x)
        return {"squared_error": whole, "denoised": restored, "noise": _squared(given - x)}

    def evaluate(
        self, x: Array, rng: np.random.Generator, labels: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """As `test`, beside what PCA and the mean training image make of whole images."""
        flat = to_device(x, "cpu").astype(np.float64)
        return self.test(x, rng) | {
            "pca": self._by_pca(flat, self.settings.latent),
            "mean_image": self._by_pca(flat, 0),
        }

    def _by_pca(self, x: np.ndarray, dimensions: int) -> np.ndarray:
        """Squared error of each image from its projection onto the training images' main axes."""
        if self.train_images is None:
            raise ValueError("an Autoencoder without training images has no PCA to compare with")
        train = self.train_images.astype(np.float64)
        centred = x - train.mean(0)
        _, axes = np.linalg.eigh(np.cov(train.T))  # the greatest variance last
        main = axes[:, max(0, axes.shape[1] - dimensions) :]
        return _squared(centred - centred @ main @ main.T)

    def report(self, numbers: Mapping[str, float]) -> list[Row]:
        pixels, masked = math.prod(self.shape), self.settings.kind == "masked"
        if masked:
            pixels = int(self.hide(1, np.random.default_rng()).sum())
        names = {
            "squared_error": f"squared error{' of hidden pixels' * masked}",
            "denoised": f"  after noise, which has {numbers.get('noise', 0):.2f}",
            "pca": f"PCA, {self.settings.latent} dimensions",
            "mean_image": "the mean image",
        }
        if masked:
            del names["pca"], names["mean_image"]  # those are errors of whole images
        return [
            Row(name, numbers[key], f"{numbers[key] / pixels:.4f} a pixel")
            for key, name in names.items()
            if key in numbers
        ]

    @property
    def called(self) -> str:
        return f"autoencoder ({self.settings.kind})"

    def panels(self, baseline: float | None) -> list[Panel]:
        """Squared errors, of which the factorised model's nats are no measure."""
        kind, unit = self.settings.kind, "summed over pixels"
        error, train, lines = {"squared_error": "test"}, {"squared_error": "train"}, {}
        if kind != "masked" and self.train_images is not None:
            pca = self._by_pca(self.train_images.astype(np.float64), self.settings.latent).mean()
            lines = {f"PCA, {self.settings.latent} dimensions, train: {pca:.2f}": float(pca)}
        if kind == "denoising":
            return [
                Panel("squared error of whole images", unit, test=error, lines=lines),
                Panel("after noise", unit, train, {"denoised": "test"}),
            ]
        of = "hidden pixels" if kind == "masked" else "images"
        panels = [Panel(f"squared error of {of}", unit, train, error, lines)]
        if kind in PENALTIES:
            panels.append(Panel("penalty", PENALTIES[kind], {"penalty": "train"}))
        return panels

    def sample(
        self, n: int, rng: np.random.Generator, labels: np.ndarray | None = None
    ) -> np.ndarray:
        """What is decoded from a Gaussian with the mean and covariance of the training codes."""
        self.classes_of(n, labels)
        if self.train_images is None:
            raise ValueError("an Autoencoder without training images has no codes to draw like")
        with no_grad():
            codes = self.encode(self.array(self.train_images)).numpy().astype(np.float64)
            z = codes.mean(0) + rng.standard_normal((n, codes.shape[1])) @ _root(codes).T
            return self._images(self.decode(self.array(z)).data)

    def draw(self, data: Dataset, test: Array, rng: np.random.Generator) -> dict[str, Figure]:
        return autoencoder_figures.draw(self, data, test, rng)

    def _images(self, x: Array) -> np.ndarray:
        return to_device(x, "cpu").clip(0, 1).reshape(-1, *self.shape)


def _squared(error: Array) -> np.ndarray:
    """Summed over pixels: (N, pixels) to (N,)."""
    return to_device((error * error).sum(axis=-1), "cpu")


def _root(codes: np.ndarray) -> np.ndarray:
    """R with R R' their covariance, (latent, latent), which may be singular."""
    variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(codes.T)))
    return axes * np.sqrt(np.maximum(variances, 0))
