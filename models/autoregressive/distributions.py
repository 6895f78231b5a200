"""The distribution of a pixel's levels, by what the network of a PixelCNN says of it.

In colour a pixel is R, G and B, and each is predicted from those before it:

    log p(pixel) = log p(R) + log p(G | R) + log p(B | R, G)

Logits are (N, size, height, width), those of each pixel given the pixels before it; images are
(N, channels, height, width) in [0, 1].

(a) van den Oord, Kalchbrenner & Kavukcuoglu 2016, "Pixel Recurrent Neural Networks".
(c) Salimans, Karpathy, Chen & Kingma 2017, "PixelCNN++".
"""

import math
from typing import Any

import numpy as np

from autograd import Array, Tensor, cross_entropy, namespace
from autograd.ops import bce_with_logits, exp, log_softmax, logsumexp, maximum, sigmoid, softmax
from autograd.tensor import array_of
from models.logistic import MIN_LOG_S, log_mass


class Softmax:
    """A logit for each level (a, section 3.4), or for two levels one logit, of a Bernoulli.

    Each channel has a group of the network's features, which see the channels before it.
    """

    def __init__(self, levels: int, channels: int, components: int):
        self.levels, self.groups = levels, channels
        self.size = channels * (1 if levels == 2 else levels)

    def log_prob(self, logits: Tensor, images: Any) -> Tensor:
        """log p of each number of the images in nats: (N, channels, height, width)."""
        if self.levels == 2:
            return -bce_with_logits(logits, images)
        n, channels, *size = images.shape
        of_level = logits.reshape(n, self.levels, channels, *size)
        rows = of_level.transpose((0, 3, 4, 2, 1)).reshape(-1, self.levels)  # fastest in this order
        level = _level(images, self.levels).astype(int).transpose(0, 2, 3, 1).reshape(-1)
        log_p = -cross_entropy(rows, level)
        return log_p.reshape(n, *size, channels).transpose((0, 3, 1, 2))

    def conditional(self, logits: Any, images: Any, channel: int) -> list[Any]:
        """What the distribution of a channel given those before it is made of: its logits."""
        return [logits[:, channel :: self.groups]]

    def choose(self, logits: Array, pixel: Array, channel: int, u: Array) -> Array:
        """Samples of a channel in [0, 1], (n,), by inversion of u (n,), a sample of U[0, 1).

        From logits (n, size), and `pixel` (n, channels), of which the earlier ones are known.
        """
        (own,) = self.conditional(logits, pixel, channel)
        if self.levels == 2:
            return (u < sigmoid(own[:, 0])).astype(np.float32)
        return _inverse(softmax(own).cumsum(axis=1)[:, :-1], u)  # the last, 1, might round to < u


class Logistic:
    """A mixture of discretised logistics (c, eq. 2), whose components are of whole pixels.

    In component k the mean of G is mu_k + alpha_k R, and that of B is mu_k + beta_k R + gamma_k G
    (c, eq. 3). So no feature of the network needs to see a part of its own pixel.
    """

    groups = 1

    def __init__(self, levels: int, channels: int, components: int):
        self.levels, self.channels, self.components = levels, channels, components
        couplings = channels * (channels - 1) // 2
        self.size = components * (1 + 2 * channels + couplings)

    def log_prob(self, logits: Tensor, images: Any) -> Tensor:
        """log p of each pixel in nats: (N, height, width)."""
        return logsumexp(self._log_joint(logits, images, self.channels), axis=1)

    def conditional(self, logits: Any, images: Any, channel: int) -> list[Any]:
        """Its logits of the components, means and log scales: (N, components, height, width)."""
        return [self._log_joint(logits, images, channel), *self._of(channel, logits, images)]

    def choose(self, logits: Array, pixel: Array, channel: int, u: Array) -> Array:
        """As a Softmax's."""
        log_p, mean, log_scale = self.conditional(logits, pixel, channel)
        edges = namespace(logits).arange(self.levels - 1, dtype=np.float32)[:, None] + 0.5
        below = sigmoid((edges - mean[:, None]) * exp(-log_scale)[:, None])  # (n, levels - 1, k)
        return _inverse((softmax(log_p)[:, None] * below).sum(axis=2), u)

    def _log_joint(self, logits: Any, images: Any, channels: int) -> Any:
        """log p(k, the first `channels` of a pixel): (N, components, height, width)."""
        log_p = log_softmax(self._parts(logits)[:, 0], axis=1)
        for channel in range(channels):
            level = _level(images[:, channel, None], self.levels)
            log_p = log_p + log_mass(level, *self._of(channel, logits, images), self.levels)
        return log_p

    def _of(self, channel: int, logits: Any, images: Any) -> tuple[Any, Any]:
        """The means and log scales of a channel's components, in levels, given those before it."""
        parts = self._parts(logits)
        mean, log_scale = parts[:, 1 + channel], parts[:, 1 + self.channels + channel]
        first = 1 + 2 * self.channels + channel * (channel - 1) // 2
        for earlier in range(channel):
            mean = mean + parts[:, first + earlier] * (2 * images[:, earlier, None] - 1)
        half = (self.levels - 1) / 2  # images are -1 to 1 to the network, and logits of 0 are wide
        return half * (mean + 1), maximum(log_scale + math.log(half), MIN_LOG_S)

    def _parts(self, logits: Any) -> Any:
        return logits.reshape((len(logits), -1, self.components, *logits.shape[2:]))


def _level(x: Any, levels: int) -> Array:
    """Pixels in [0, 1] as whole numbers."""
    return (array_of(x) * (levels - 1)).round()


def _inverse(cumulative: Array, u: Array) -> Array:
    """The levels in [0, 1], (n,), of which u (n,) is below P(x <= level), (n, levels - 1)."""
    levels = cumulative.shape[1] + 1
    return (u[:, None] >= cumulative).sum(axis=1).astype(np.float32) / (levels - 1)


DISTRIBUTIONS: dict[str, type[Softmax] | type[Logistic]] = {
    "softmax": Softmax,
    "logistic": Logistic,
}
