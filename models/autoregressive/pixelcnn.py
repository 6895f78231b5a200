"""The PixelCNN: the chain rule of probability, over the pixels of an image in raster order.

    log p(x) = sum_i log p(x_i | x_1, ..., x_{i-1})                                       (eq. 1)

One network gives all the conditionals of an image at once, because its convolutions are masked
(`models.autoregressive.networks`): its logits for a pixel depend on the pixels before that one
and on no other. So log p(x) is exact and costs one pass. Sampling an image takes as many steps as
it has pixels, each of which needs the last (`models.autoregressive.raster` makes them short).

van den Oord, Kalchbrenner & Kavukcuoglu 2016, "Pixel Recurrent Neural Networks"; for the gated
networks, van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders".
"""

import math
from typing import Any

import numpy as np

from autograd import Array, Rng, Tensor, grad, no_grad, to_device
from autograd.ops import bce_with_logits, log_softmax, sigmoid, softmax
from models.autoregressive import raster
from models.autoregressive.networks import NETWORKS, Masked
from models.autoregressive.pixelcnn_settings import DEFAULTS, Settings
from models.data import Labels, Shape, batches
from models.errors import UsageError
from models.model import Loss, Model, Numbers

IMAGES_PER_BATCH = 50  # whose log p is computed at a time
SAMPLES_PER_BATCH = 250


class PixelCNN(Model):
    """p(x), or p(x | class), for images of `shape`, in nats and exactly.

    A pixel is one of `levels` values: a Bernoulli of one logit for two of them, else a softmax.
    Binarised images have two, whatever their data set has.
    """

    settings_type, defaults = Settings, DEFAULTS
    likelihood = "exact"

    def __init__(self, settings: Settings, shape: Shape, levels: int, rng: Rng, classes: int = 0):
        levels = levels if settings.pixels == "levels" else 2
        super().__init__(settings, shape, levels, rng, classes)
        outputs = 1 if levels == 2 else levels
        self.network = NETWORKS[settings.kind](settings, outputs, rng, classes)

    def logits(self, images: Any, labels: Labels = None) -> Tensor:
        """(N, 1, height, width) in [0, 1] to (N, outputs, height, width)."""

        def convolve(layer: Masked, h: Any) -> Tensor:
            return layer(h, labels)

        return self.network.across(images, self.network.above(images, convolve), convolve)

    def log_likelihood(self, x: Any, labels: Labels = None) -> Tensor:
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
    def log_prob(self, x: Array, labels: Labels = None) -> np.ndarray:
        """`log_likelihood` as numbers, in batches: (N,)."""
        log_p = [
            self.log_likelihood(x[part], labels if labels is None else labels[part])
            for part in batches(len(x), IMAGES_PER_BATCH)
        ]
        return np.concatenate([np.zeros(0, np.float32), *(values.numpy() for values in log_p)])

    def loss(self, x: Any, rng: Rng, epoch: float = math.inf, labels: Labels = None) -> Loss:
        """-log p(x) in nats per image, mean over the batch; it has no parts."""
        return -self.log_likelihood(x, labels).mean(), {}

    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        return {"nll": -self.log_prob(x, labels)}

    def choose(self, logits: Array, u: Array) -> Array:
        """Samples of a pixel in [0, 1], (n,), by inversion of u (n,), from logits (n, outputs)."""
        if self.levels == 2:
            return (u < sigmoid(logits[:, 0])).astype(np.float32)
        cumulative = softmax(logits).cumsum(axis=1)[:, :-1]  # the last, 1, might round to below u
        return (u[:, None] >= cumulative).sum(axis=1).astype(np.float32) / (self.levels - 1)

    def sample(self, n: int, rng: Rng, labels: Labels = None) -> np.ndarray:
        return self.complete(np.zeros((n, *self.shape)), 0, rng, labels)

    def complete(
        self, images: np.ndarray, known: int, rng: Rng, labels: Labels = None
    ) -> np.ndarray:
        """Images (n, height, width) in [0, 1]: the first `known` rows as given, the others sampled.

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
        for part in batches(n, SAMPLES_PER_BATCH):
            own = labels if labels is None else labels[part]
            raster.sample(self, canvas[part], known, u[part], own)
        return to_device(canvas, "cpu")

    def dependence(self, images: np.ndarray, row: int, column: int) -> np.ndarray:
        """|d logits at (row, column) / d pixel|, mean over images (n, height, width).

        Of a softmax it is the sum of the logits: what matters is only which pixels it depends on.
        """
        x = Tensor(self.array(images)[:, None], requires_grad=True)
        labels = self.classes_of(len(images), None)
        gradient = grad(self.logits(x, labels)[:, :, row, column].sum(), x)
        return abs(gradient.numpy()).mean(axis=(0, 1))
