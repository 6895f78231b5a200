"""What a PixelCNN looks like: samples, completions, and the pixels that one pixel depends on."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from autograd import Array, to_device
from models import pictures
from models.autoregressive.networks import NETWORKS
from models.data import Dataset
from models.model import ACROSS

if TYPE_CHECKING:
    from models.autoregressive.pixelcnn import PixelCNN

COMPLETIONS = 4  # of each image
FAINTEST = 1e-4  # of the strongest dependence, that still has a colour


def draw(
    model: "PixelCNN", data: Dataset, test: Array, rng: np.random.Generator
) -> dict[str, Figure]:
    """Samples, completions of test images, and the pixels that one pixel depends on."""
    title = model.title(data)
    chosen = rng.permutation(len(test))[:ACROSS]  # the images of a data set may be sorted by class
    images = to_device(test[chosen], "cpu").reshape(-1, *model.shape)
    known = np.asarray(data.test_labels)[chosen] if model.classes else None
    half = model.shape[0] // 2
    given = np.where(np.arange(model.shape[0])[:, None] < half, images, 0)
    completions = [model.complete(given, half, rng, known) for _ in range(COMPLETIONS)]
    return {
        "samples": model.draw_samples(data, test, rng, f"{title}\nsamples"),
        "completions": pictures.rows(
            [images, given, *completions],
            f"{title}\nthe lower half drawn, given the upper",
            ["test image", "given", *["drawn"] * COMPLETIONS],
        ),
        "receptive_field": receptive_field(model, images, title),
    }


def receptive_field(model: "PixelCNN", images: np.ndarray, title: str) -> Figure:
    """What the pixel in the middle depends on; and what it could, in a network of each kind."""
    row, column = (size // 2 for size in model.shape)
    figure = pictures.Picture(figsize=(pictures.WIDTH, 3.4), layout="constrained")
    learnt, *reached = figure.subplots(1, 1 + len(NETWORKS))
    trained = model.dependence(images, row, column)
    learnt.set_title("trained: |d logit / d pixel|", fontsize=11)
    if trained.max() > 0:
        least = max(trained[trained > 0].min(), FAINTEST * trained.max())
        shades = learnt.imshow(
            np.ma.masked_equal(trained, 0),
            norm=LogNorm(min(least, 0.999 * trained.max()), trained.max()),
            interpolation="nearest",
        )
        figure.colorbar(shades, ax=learnt, location="bottom", shrink=0.9)
    else:
        learnt.imshow(np.zeros(model.shape), cmap="gray_r", vmin=0, vmax=1)
        learnt.set_xlabel("no gradient flows to any pixel")
    rng = np.random.default_rng(0)
    for kind, axes in zip(NETWORKS, reached):
        settings = replace(model.settings, kind=kind, channels=16, conditional=False)
        untrained = type(model)(settings, model.shape, model.levels, rng)
        seen = untrained.dependence(rng.random((8, *model.shape)), row, column) > 0
        axes.imshow(seen, cmap="Blues", vmin=0, vmax=1.6, interpolation="nearest")
        axes.set_title(f"{kind}: what it can see", fontsize=11)
    for axes in (learnt, *reached):
        axes.plot(column, row, "s", color=pictures.COLORS[3], markersize=5)
        axes.set(xticks=[], yticks=[])
    figure.suptitle(f"{title}\nwhat the pixel marked red depends on", fontsize=11)
    return figure
