"""A small autoencoder, whose codes measure samples of images without labels."""

import math
from pathlib import Path

import numpy as np

from autograd import Tensor, bce_with_logits, nn
from models.data import Dataset, Labels, Shape
from models.metrics.encoder import FEATURES, Encoder, default_cache, train_or_read


class Autoencoder(Encoder):
    """The encoder, and a layer from its features back to the image."""

    source = "an autoencoder trained on these images"

    def __init__(self, shape: Shape, seed: int):
        rng = np.random.default_rng(seed)
        super().__init__(shape, seed, rng)
        self.decoder = nn.Linear(FEATURES, math.prod(shape), rng)

    def loss(self, x: np.ndarray, labels: Labels = None) -> Tensor:
        """The cross-entropy of the pixels, in nats, a mean over them."""
        return bce_with_logits(self.decoder(self.encode(x)), x.reshape(len(x), -1)).mean()


def autoencoder_for(data: Dataset, seed: int = 0, cache: str | Path | None = None) -> Autoencoder:
    """The autoencoder of a data set, read from `cache` (by default the user's), else trained."""
    autoencoder = Autoencoder(data.image_shape, seed)
    train_or_read(autoencoder, data, "autoencoder-", "autoencoder ", default_cache(cache))
    return autoencoder
