"""The baseline to beat: a factorised model, in which every pixel is independent.

log p(x) = sum_i log p_i(x_i), each p_i a histogram of its own: a Bernoulli for binary pixels.
"""

import numpy as np

from autograd import Rng
from models.data.dataset import MANY, Dataset, batches

BATCH = 1000  # images that are counted together


def test_nll(data: Dataset, pixels: str) -> float:
    """Mean negative log-likelihood, nats per test image, of histograms with add-one counts.

    For dynamic pixels this is the exact expectation over their binarisations, since log p is
    linear in the indicators of a pixel's values. Of a large set the first MANY images are used.
    """
    values = _values(data.levels, pixels)
    train, test = data.train[:MANY], data.test[:MANY]
    log_p = np.log((_counts(train, data.levels) @ values + 1) / (len(train) + values.shape[1]))
    return -float((_counts(test, data.levels) @ values * log_p).sum()) / len(test)


def sample(data: Dataset, pixels: str, n: int, rng: Rng) -> np.ndarray:
    """Images (n, height, width[, 3]) in [0, 1] of independent pixels, in the form `pixels`.

    Each pixel is copied from a random training image, so its distribution is exactly the histogram.
    """
    flat = data.train.reshape(len(data.train), -1)
    donors = rng.integers(len(flat), size=(n, flat.shape[1]))
    copied = flat[donors, np.arange(flat.shape[1])]
    return data.observe(copied, pixels, rng).reshape(n, *data.image_shape)


def _values(levels: int, pixels: str) -> np.ndarray:
    """The probability of each value that a pixel can have, given its level: (levels, values)."""
    if pixels in ("levels", "dequantised"):
        return np.eye(levels)
    share = np.arange(levels) / (levels - 1)
    one = share if pixels == "dynamic" else (share > 0.5).astype(float)
    return np.stack([1 - one, one], axis=1)


def _counts(images: np.ndarray, levels: int) -> np.ndarray:
    """How many of the images have each level at each pixel: (pixels, levels)."""
    flat = images.reshape(len(images), -1)
    first = levels * np.arange(flat.shape[1])  # of a pixel's own counts
    counts = np.zeros(levels * flat.shape[1])
    for batch in batches(len(flat), BATCH):
        counts += np.bincount((flat[batch] + first).ravel(), minlength=len(counts))
    return counts.reshape(-1, levels)
