"""The baseline to beat: a factorised model, in which every pixel is independent.

log p(x) = sum_i log p_i(x_i), each p_i a histogram of its own: a Bernoulli for binary pixels.
"""

from collections.abc import Iterator

import numpy as np

from autograd import Rng
from models.data.dataset import Dataset


def test_nll(data: Dataset, pixels: str) -> float:
    """Mean negative log-likelihood, nats per test image, of histograms with add-one counts.

    For dynamic pixels this is the exact expectation over their binarisations, since log p is
    linear in the indicators of a pixel's values.
    """
    values = data.levels if pixels in ("levels", "dequantised") else 2
    log_p = [
        np.log((share.sum(0, np.float64) + 1.0) / (len(data.train) + values))
        for share in _shares(data, data.train, pixels)
    ]
    test = _shares(data, data.test, pixels)
    return -sum(float((share.mean(0, np.float64) * log).sum()) for share, log in zip(test, log_p))


def sample(data: Dataset, pixels: str, n: int, rng: Rng) -> np.ndarray:
    """Images (n, height, width[, 3]) in [0, 1] of independent pixels, in the form `pixels`.

    Each pixel is copied from a random training image, so its distribution is exactly the histogram.
    """
    flat = data.train.reshape(len(data.train), -1)
    donors = rng.integers(len(flat), size=(n, flat.shape[1]))
    copied = flat[donors, np.arange(flat.shape[1])]
    return data.observe(copied, pixels, rng).reshape(n, *data.image_shape)


def _shares(data: Dataset, images: np.ndarray, pixels: str) -> Iterator[np.ndarray]:
    """For each value that a pixel can have, the probability of that value: (N, pixels)."""
    flat = images.reshape(len(images), -1)
    if pixels in ("levels", "dequantised"):
        yield from (flat == level for level in range(data.levels))
    elif pixels == "dynamic":
        yield from (1 - flat / (data.levels - 1), flat / (data.levels - 1))
    else:
        ones = data.observe(images, pixels, np.random.default_rng()) == 1  # uses no random numbers
        yield from (~ones, ones)
