"""The report of a PixelCNN: samples, completions, and the pixels that one pixel depends on."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from autograd import Array, Rng, to_device
from models import pictures
from models.autoregressive.networks import NETWORKS
from models.autoregressive.pixelcnn import PixelCNN
from models.pictures import Panel
from models.report import IMAGES_PER_ROW, Report, Row

COMPLETIONS = 4  # of each image
LEAST_DEPENDENCE = 1e-4  # of the strongest one, that still has a colour


class PixelCNNReport(Report):
    model: PixelCNN

    @property
    def model_name(self) -> str:
        return f"{super().model_name} ({self.model.settings.kind})"

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        nll = numbers["nll"]
        return [Row("-log p(x)", nll, f"({self.bits_per_dim(nll)}, exact)")]

    def panels(self) -> list[Panel]:
        nats, train, test = "nats per image", {"loss": "train"}, {"nll": "test"}
        return [Panel("$-\\log p(x)$", nats, train, test, self.baseline_line)]

    def pictures(self, images: Array, rng: Rng) -> dict[str, Figure]:
        """Samples, completions of test images, and the pixels that one pixel depends on."""
        model, data = self.model, self.data
        chosen = rng.permutation(len(images))[:IMAGES_PER_ROW]  # the set may be sorted by class
        some = to_device(images[chosen], "cpu").reshape(-1, *model.shape)
        labels = np.asarray(data.test_labels)[chosen] if model.classes else None
        height, width = model.shape[:2]
        known = np.arange(height)[:, None].repeat(width, axis=1) < height // 2
        given = some.copy()
        given[:, ~known] = 0
        completions = [model.complete(given, known, rng, labels) for _ in range(COMPLETIONS)]
        return {
            "samples": self.samples(images, rng),
            "completions": pictures.rows(
                [some, given, *completions],
                f"{self.title}\nthe lower half sampled, given the upper",
                ["test image", "given", *["sampled"] * COMPLETIONS],
            ),
            "receptive_field": receptive_field(model, some, self.title),
        }


def receptive_field(model: PixelCNN, images: np.ndarray, title: str) -> Figure:
    """What the pixel in the middle depends on; and what it could, in a network of each kind."""
    row, column = (size // 2 for size in model.shape)
    figure = pictures.Picture(figsize=(pictures.WIDTH, 3.4), layout="constrained")
    learnt, *possible = figure.subplots(1, 1 + len(NETWORKS))
    trained = model.dependence(images, row, column)
    learnt.set_title("trained: |d logit / d pixel|", fontsize=11)
    if trained.max() > 0:
        least = max(trained[trained > 0].min(), LEAST_DEPENDENCE * trained.max())
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
    for kind, axes in zip(NETWORKS, possible):
        settings = replace(model.settings, kind=kind, channels=16, conditional=False)
        untrained = type(model)(settings, model.shape, model.levels, rng)
        reached = untrained.dependence(rng.random((8, *model.shape)), row, column) > 0
        axes.imshow(reached, cmap="Blues", vmin=0, vmax=1.6, interpolation="nearest")
        axes.set_title(f"{kind}: what it can see", fontsize=11)
    for axes in (learnt, *possible):
        axes.plot(column, row, "s", color=pictures.COLORS[3], markersize=5)
        axes.set(xticks=[], yticks=[])
    figure.suptitle(f"{title}\nwhat the pixel marked red depends on", fontsize=11)
    return figure
