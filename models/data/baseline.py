"""The model that knows nothing of how pixels hang together: the baseline to beat.

log p(x) = sum_i log p_i(x_i), each pixel its own histogram: a Bernoulli for binary images.
"""

from collections.abc import Iterator

import numpy as np

from models.data.dataset import Dataset


def test_nll(data: Dataset, how: str) -> float:
    """Mean negative log-likelihood, nats per test image, of histograms with add-one counts.

    Under dynamic binarisation the expectation over the draws is exact, since log p is linear in
    the indicators of a pixel's values.
    """
    values = data.levels if how in ("grey", "dequantised") else 2
    log_p = [
        np.log((share.sum(0, np.float64) + 1.0) / (len(data.train) + values))
        for share in _shares(data, data.train, how)
    ]
    test = _shares(data, data.test, how)
    return -sum(float((share.mean(0, np.float64) * log).sum()) for share, log in zip(test, log_p))


def sample(data: Dataset, how: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Images (n, height, width) in [0, 1] of independent pixels, of the kind that `how` shows.

    Each pixel is that of a training image of its own, so each has exactly its histogram there.
    """
    flat = data.train.reshape(len(data.train), -1)
    donors = rng.integers(len(flat), size=(n, flat.shape[1]))
    pixels = flat[donors, np.arange(flat.shape[1])]
    return data.observe(pixels, how, rng).reshape(n, *data.image_shape)


def _shares(data: Dataset, images: np.ndarray, how: str) -> Iterator[np.ndarray]:
    """For each value that a pixel can be shown as, the probability that it is: (N, pixels)."""
    flat = images.reshape(len(images), -1)
    if how in ("grey", "dequantised"):
        yield from (flat == level for level in range(data.levels))
    elif how == "dynamic":
        yield from (1 - flat / (data.levels - 1), flat / (data.levels - 1))
    else:
        ones = data.observe(images, how, np.random.default_rng()) == 1  # needs no chance
        yield from (~ones, ones)
