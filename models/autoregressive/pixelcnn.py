"""The PixelCNN: the chain rule of probability, over the pixels of an image in raster order.

    log p(x) = sum_i log p(x_i | x_1, ..., x_{i-1})                                       (eq. 1)

One network gives all the conditionals of an image at once, because its convolutions are masked
(`models.autoregressive.networks`): its logits for a pixel depend on the pixels before that one
and on no other. So log p(x) is exact and costs one pass. Sampling an image takes as many steps as
it has pixels, each of which needs the last (`models.autoregressive.raster` makes them short).

In colour a pixel is R, G and B, each predicted from those before it too: three of the steps, or one
if the levels are a mixture of logistics (`models.autoregressive.distributions`).

van den Oord, Kalchbrenner & Kavukcuoglu 2016, "Pixel Recurrent Neural Networks"; for the gated
networks, van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders".
"""

import math
import warnings
from typing import Any

import numpy as np

from autograd import Array, Rng, Tensor, grad, no_grad, to_device
from models.autoregressive import raster
from models.autoregressive.distributions import DISTRIBUTIONS
from models.autoregressive.networks import NETWORKS, Masked
from models.autoregressive.pixelcnn_settings import DEFAULTS, Settings
from models.data import Labels, Shape, batches, flat, planes
from models.errors import Caution, UsageError
from models.model import Loss, Model, Numbers

IMAGES_PER_BATCH = 50  # whose log p is computed at a time
SAMPLES_PER_BATCH = 250


class PixelCNN(Model):
    """p(x), or p(x | class), for images of `shape`, grey or in colour, in nats and exactly.

    The distribution is that of `levels` values; binarised images have two, whatever their data set
    has.
    """

    settings_type, defaults = Settings, DEFAULTS
    likelihood = "exact"

    def __init__(self, settings: Settings, shape: Shape, levels: int, rng: Rng, classes: int = 0):
        levels = levels if settings.pixels == "levels" else 2
        super().__init__(settings, shape, levels, rng, classes)
        d = DISTRIBUTIONS[settings.output](levels, self.channels, settings.components)
        if settings.channels // 2 % d.groups:
            raise UsageError(
                f"channels={settings.channels}: for a softmax of R, G and B half of the features "
                "are in three groups, so there must be a multiple of 6"
            )
        network = NETWORKS[settings.kind]
        self.distribution = d
        self.network = network(settings, self.channels, d.size, d.groups, rng, classes)

    def logits(self, images: Any, labels: Labels = None) -> Tensor:
        """What the network says of each pixel: from its images to the logits of `distribution`."""

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
        told = self.classes_of(len(x), labels)
        if told is not None:
            told = self.sent(lambda: self.classes_of(len(x), labels), int)
        self.check_levels(x)
        images = planes(x, self.shape)
        log_p = self.distribution.log_prob(self.logits(images, told), images)
        return log_p.reshape(len(x), -1).sum(axis=1)  # eq. 1

    def check_levels(self, x: Array) -> None:
        """Raises ValueError for images (N, pixels) that are not of the model's levels.

        On a GPU they are not looked at (`check_pixels`).
        """
        self.check_pixels(x)
        if self.xp is not np:
            return
        steps = x * (self.levels - 1)
        if (abs(steps - steps.round()) > 1e-3).any():
            raise ValueError(
                f"pixels between levels: this {self.name} is for images of {self.levels} levels, "
                f"i / {self.levels - 1}"
            )

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

    def sample(self, n: int, rng: Rng, labels: Labels = None) -> np.ndarray:
        images = np.zeros((n, *self.shape), np.float32)
        return self.complete(images, np.zeros(self.shape[:2], bool), rng, labels)

    def complete(
        self, images: np.ndarray, known: np.ndarray, rng: Rng, labels: Labels = None
    ) -> np.ndarray:
        """Images (n, *shape) in [0, 1], with each pixel that is not known sampled in raster order.

        `known` (height, width) or (n, height, width) is True where a pixel is given. A pixel is
        sampled given those before it, so known pixels that come later stay, but have no influence
        on it; where there are such, a Caution says so. Raises ValueError for shapes that do not
        fit, and for known pixels that are not among the levels.
        """
        n, size, known = len(images), self.shape[:2], np.asarray(known, bool)
        if images.shape[1:] != self.shape or known.shape not in (size, (n, *size)):
            raise ValueError(
                f"images {images.shape} with known {known.shape}: this pixelcnn is for "
                f"({n}, {', '.join(map(str, self.shape))}), with {size} or {(n, *size)} known"
            )
        labels = self.classes_of(n, labels)
        known = np.broadcast_to(known, (n, *size))
        in_order = known.reshape(n, -1)
        if (in_order[:, 1:] & ~in_order[:, :-1]).any():
            warnings.warn(
                "a pixelcnn samples from left to right and from top to bottom: known pixels that "
                "come after a missing one have no influence on it",
                Caution,
                stacklevel=2,
            )
        canvas = self.array(images).copy()
        canvas[~self.xp.asarray(known)] = 0
        self.check_levels(canvas.reshape(n, -1))
        u = self.array(rng.random(canvas.shape, np.float32))  # those of an image together
        for part in batches(n, SAMPLES_PER_BATCH):
            own = labels if labels is None else labels[part]
            x, noise = (planes(a[part], self.shape) for a in (canvas, u))
            raster.sample(self, x, self.xp.asarray(known[part]), noise, own)
        return to_device(canvas, "cpu")

    def dependence(self, images: np.ndarray, row: int, column: int, channel: int = 0) -> np.ndarray:
        """|d logits at (row, column) of a channel / d pixel|, mean over images (n, *shape).

        It is the gradient of the sum of what the distribution is made of: what matters is only
        which pixels it depends on. In the shape of an image.
        """
        x = Tensor(planes(self.array(images), self.shape), requires_grad=True)
        labels = self.classes_of(len(images), None)
        parts = self.distribution.conditional(self.logits(x, labels), x, channel)
        gradient = grad(sum(part[:, :, row, column].sum() for part in parts), x)
        return flat(abs(gradient.numpy())).mean(axis=0).reshape(self.shape)
