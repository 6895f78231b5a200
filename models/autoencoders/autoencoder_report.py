"""What an autoencoder looks like: what it restores, what it draws, and its first layer."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, to_device
from models import pictures
from models.data import Dataset
from models.model import ACROSS

if TYPE_CHECKING:
    from models.autoencoders.autoencoder import Autoencoder

UNITS = 60  # of the first layer


def draw(
    model: "Autoencoder", data: Dataset, test: Array, rng: np.random.Generator
) -> dict[str, Figure]:
    shown = test[rng.permutation(len(test))[:ACROSS]]
    given, counts = model.corrupt(shown, rng)
    restored = shown * (1 - counts) + model.restore(given) * counts
    rows = {"image": shown, "given": given, "restored": restored}
    if given is shown:
        del rows["given"]
    images = {
        name: to_device(row, "cpu").clip(0, 1).reshape(-1, *model.shape)
        for name, row in rows.items()
    }
    weights = model.encoder[0].weight.numpy()[:UNITS]
    scale = np.abs(weights).max(axis=1, keepdims=True) + 1e-12
    title = model.title(data)
    return {
        "reconstructions": pictures.rows(
            list(images.values()), f"{title}\ntest images and what is restored", list(images)
        ),
        "samples": model.draw_samples(
            data, test, rng, f"{title}\nsamples, from a Gaussian fitted to the training codes"
        ),
        "filters": pictures.rows(
            np.array_split((0.5 + 0.5 * weights / scale).reshape(-1, *model.shape), 5),
            f"{title}\nweights of the first layer, a unit each: white $-$, grey 0, black +",
        ),
    }
