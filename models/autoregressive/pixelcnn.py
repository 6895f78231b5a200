"""The PixelCNN: the chain rule of probability, over the pixels of an image in raster order.

    log p(x) = sum_i log p(x_i | x_1, ..., x_{i-1})                                       (eq. 1)

One network gives all the conditionals of an image at once, because its convolutions are masked
(`models.autoregressive.networks`): what it says at a pixel depends on the pixels before that one
and on no other. So log p(x) is exact and costs one pass. Sampling an image takes as many steps as
it has pixels, each of which needs the last (`models.autoregressive.raster` makes them short).

van den Oord, Kalchbrenner & Kavukcuoglu 2016, "Pixel Recurrent Neural Networks"; for the gated
networks, van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.figure import Figure

from autograd import (
    Array,
    Tensor,
    bce_with_logits,
    grad,
    log_softmax,
    no_grad,
    sigmoid,
    softmax,
    to_device,
)
from models.autoregressive import pixelcnn_report as pixelcnn_figures
from models.autoregressive import raster
from models.autoregressive.networks import NETWORKS, Masked
from models.data import Dataset
from models.errors import UsageError
from models.model import Model, Row, check_settings, setting
from models.pictures import Panel

CHUNK, DRAWN = 50, 250  # images whose log p is computed, or that are drawn, at a time


@dataclass(frozen=True)
class Settings:
    """What a PixelCNN is and how it learns; the defaults are those for MNIST."""

    kind: str = setting("plain", "plain, or gated: two stacks and no blind spot")
    first: int = setting(15, "size of the first kernel, odd")
    channels: int = setting(64, "features of a pixel between the blocks, even; within, half of it")
    blocks: int = setting(8, "residual blocks")
    conditional: bool = setting(False, "learn p(x | class), by a bias for each class")
    binarisation: str = setting("dynamic", "fixed, dynamic, or none (a softmax over grey levels)")
    batch: int = setting(16, "images a step")
    learning_rate: float = setting(2e-3, "of Adam, at the start")
    final_learning_rate: float = setting(1e-5, "where half a cosine takes it")
    epochs: int = setting(8, "passes over the training images")

    def __post_init__(self) -> None:
        bounds = {"first": (3, 99), "channels": (2, 4096), "blocks": (1, 1000)}
        check_settings(self, {"kind": tuple(NETWORKS)}, bounds)
        if self.first % 2 == 0 or self.channels % 2 == 1:
            raise UsageError(
                f"first={self.first}, channels={self.channels}: a kernel with a centre is odd, "
                "and channels that are halved are even"
            )


DEFAULTS = {
    "digits": Settings(first=5, blocks=4, binarisation="fixed", epochs=15),
    "binarized-mnist": Settings(binarisation="fixed"),
}
"""What is known to work on a data set; the class has the rest."""


def reproduce() -> dict[str, Any]:
    """Our setting, `chainrule train pixelcnn --data binarized-mnist`, beside the published number.

    van den Oord et al. 2016, "Pixel Recurrent Neural Networks", table 4: a PixelCNN has a test NLL
    of 81.30 nats on MNIST, fixed binarisation.
    """
    return {"settings": DEFAULTS["binarized-mnist"], "data": "binarized-mnist", "nll": 81.30}


class PixelCNN(Model):
    """p(x), or p(x | class), for images of `shape`, in nats and exactly.

    A pixel is one of `levels` values: a Bernoulli of one logit for two of them, else a softmax.
    Binarised images have two, whatever their data set has.
    """

    name = "pixelcnn"
    settings_type = Settings
    defaults = DEFAULTS
    headline = ("nll", "-log p(x), nats per image,")
    exact = True

    def __init__(
        self,
        settings: Settings,
        shape: tuple[int, ...],
        levels: int,
        rng: np.random.Generator,
        classes: int = 0,
    ):
        self.settings, self.shape, self.classes = settings, shape, classes
        self.levels = levels if settings.binarisation == "none" else 2
        outputs = 1 if self.levels == 2 else self.levels
        s, network = settings, NETWORKS[settings.kind]
        self.network = network(s.first, s.channels, s.blocks, outputs, rng, classes)

    @classmethod
    def for_data(cls, settings: Settings, data: Dataset, rng: np.random.Generator) -> Self:
        classes = data.classes if settings.conditional else 0
        return cls(settings, data.image_shape, data.levels, rng, classes)

    def logits(self, images: Any, labels: np.ndarray | None = None) -> Tensor:
        """(N, 1, height, width) in [0, 1] to (N, outputs, height, width)."""

        def convolve(layer: Masked, h: Any) -> Tensor:
            return layer(h, labels)

        return self.network.across(images, self.network.above(images, convolve), convolve)

    def log_likelihood(self, x: Any, labels: np.ndarray | None = None) -> Tensor:
        """log p(x) in nats for images (N, pixels), or log p(x | class): (N,).

        Raises ValueError for pixels that are not among the levels, and UsageError for labels that
        are missing, unwanted or out of range.
        """
        if self.classes and labels is None:
            raise UsageError("log p(x | class) needs the classes: this pixelcnn is conditional")
        labels = self.classes_of(len(x), labels)
        level = self.level_of(x)
        images = x.reshape(-1, 1, *self.shape)
        logits = self.logits(images, labels)
        if self.levels == 2:
            log_p = -bce_with_logits(logits, images)
        else:
            n, i, j = self.xp.indices((len(x), *self.shape))
            log_p = log_softmax(logits, axis=1)[n, level.reshape(n.shape), i, j]
        return log_p.reshape(len(x), -1).sum(axis=1)  # eq. 1

    def level_of(self, x: Array) -> Array:
        """Images (N, pixels) in [0, 1] as integers. Raises ValueError for what is no level."""
        self.check_pixels(x)
        level = (x * (self.levels - 1)).round().astype(int)
        if (abs(x * (self.levels - 1) - level) > 1e-3).any():
            raise ValueError(
                f"pixels between levels: this {self.name} is for images of {self.levels} levels, "
                f"i / {self.levels - 1}"
            )
        return level

    @no_grad()
    def log_prob(self, x: Array, labels: np.ndarray | None = None) -> np.ndarray:
        """`log_likelihood` as numbers, in chunks: (N,)."""
        chunks = [slice(start, start + CHUNK) for start in range(0, len(x), CHUNK)]
        log_p = [self.log_likelihood(x[c], labels if labels is None else labels[c]) for c in chunks]
        return np.concatenate([np.zeros(0, np.float32), *(chunk.numpy() for chunk in log_p)])

    def loss(
        self,
        x: Any,
        rng: np.random.Generator,
        epoch: float = math.inf,
        labels: np.ndarray | None = None,
    ) -> tuple[Tensor, dict[str, float]]:
        """-log p(x) in nats per image, mean over the batch; it has no parts."""
        return -self.log_likelihood(x, labels).mean(), {}

    def test(
        self, x: Array, rng: np.random.Generator, labels: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        return {"nll": -self.log_prob(x, labels)}

    def report(self, numbers: Mapping[str, float]) -> list[Row]:
        nll = numbers["nll"]
        bits = nll / math.log(2) / math.prod(self.shape)
        return [Row("-log p(x)", nll, f"({bits:.3f} bits/dim, exact)")]

    @property
    def called(self) -> str:
        return f"{'conditional ' * bool(self.classes)}PixelCNN ({self.settings.kind})"

    def panels(self, baseline: float | None) -> list[Panel]:
        lines = {} if baseline is None else {f"factorised model {baseline:.2f}": baseline}
        return [Panel("$-\\log p(x)$", "nats per image", {"loss": "train"}, {"nll": "test"}, lines)]

    def choose(self, logits: Array, u: Array) -> Array:
        """Draws of a pixel in [0, 1], (n,), by inversion of u (n,), from logits (n, outputs)."""
        if self.levels == 2:
            return (u < sigmoid(logits[:, 0])).astype(np.float32)
        cumulative = softmax(logits).cumsum(axis=1)[:, :-1]  # the last, 1, might round to below u
        return (u[:, None] >= cumulative).sum(axis=1).astype(np.float32) / (self.levels - 1)

    def sample(
        self, n: int, rng: np.random.Generator, labels: np.ndarray | None = None
    ) -> np.ndarray:
        return self.complete(np.zeros((n, *self.shape)), 0, rng, labels)

    def complete(
        self,
        images: np.ndarray,
        known: int,
        rng: np.random.Generator,
        labels: np.ndarray | None = None,
    ) -> np.ndarray:
        """Images (n, height, width) in [0, 1]: the first `known` rows as given, the others drawn.

        Raises ValueError for images of another size, more rows than an image has, and known pixels
        that are not among the levels.
        """
        n, height = len(images), self.shape[0]
        if images.shape[1:] != self.shape or not 0 <= known <= height:
            raise ValueError(
                f"images of {images.shape[1:]} with {known} rows known: this pixelcnn is for "
                f"{self.shape}, so 0 to {height} rows"
            )
        labels = self.classes_of(n, labels)
        canvas = self.array(images).copy()
        canvas[:, known:] = 0
        self.level_of(canvas.reshape(n, -1))
        u = self.array(rng.random(canvas.shape, np.float32))  # those of an image together
        for start in range(0, n, DRAWN):
            part = slice(start, start + DRAWN)
            own = labels if labels is None else labels[part]
            raster.draw(self, canvas[part], known, u[part], own)
        return to_device(canvas, "cpu")

    def draw(self, data: Dataset, test: Array, rng: np.random.Generator) -> dict[str, Figure]:
        return pixelcnn_figures.draw(self, data, test, rng)

    def dependence(self, images: np.ndarray, row: int, column: int) -> np.ndarray:
        """|d logits at (row, column) / d pixel|, mean over images (n, height, width).

        Of a softmax it is the sum of the logits: all that matters here is which pixels are seen.
        """
        x = Tensor(self.array(images)[:, None], requires_grad=True)
        labels = self.classes_of(len(images), None)
        gradient = grad(self.logits(x, labels)[:, :, row, column].sum(), x)
        return abs(gradient.numpy()).mean(axis=(0, 1))
