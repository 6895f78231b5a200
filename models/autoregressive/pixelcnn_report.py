"""The report of a PixelCNN: samples, completions, and the pixels that one pixel depends on."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from autograd import Array, Rng, to_device
from models import pictures
from models.autoregressive.networks import NETWORKS
from models.autoregressive.pixelcnn import PixelCNN
from models.pictures import Panel
from models.report import IMAGES_PER_ROW, Report, Row

CHANNELS = "RGB"
COMPLETIONS = 4  # of each image
LEAST_DEPENDENCE = 1e-4  # of the strongest one, that still has a colour


class PixelCNNReport(Report):
    model: PixelCNN

    @property
    def model_name(self) -> str:
        return f"{super().model_name} ({self.model.settings.kind})"

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        nll = numbers["nll"]
        return [Row(self.names["nll"], nll, f"({self.bits_per_dim(nll)}, exact)")]

    def panels(self) -> list[Panel]:
        nats, train, test = "nats per image", {"loss": "train"}, {"nll": "test"}
        return [Panel(pictures.typeset(self.names["nll"]), nats, train, test, self.baseline_line)]

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
                ink=data.ink,
            ),
            "receptive_field": receptive_field(model, some, self.title),
            **({"channels": channels(model, some, self.title)} if model.channels > 1 else {}),
        }


def receptive_field(model: PixelCNN, images: np.ndarray, title: str) -> Figure:
    """What the pixel in the middle depends on; and what it could, in a network of each kind."""
    row, column = middle = model.shape[0] // 2, model.shape[1] // 2
    figure = pictures.Picture(figsize=(pictures.WIDTH, 3.4), layout="constrained")
    learnt, *possible = figure.subplots(1, 1 + len(NETWORKS))
    trained = _of_pixels(model.dependence(images, *middle))
    learnt.set_title("trained: |d logit / d pixel|", fontsize=11)
    if trained.max() > 0:
        shades = _plot_shades(learnt, trained, trained)
        figure.colorbar(shades, ax=learnt, location="bottom", shrink=0.9)
    else:
        learnt.imshow(np.zeros(trained.shape), cmap="gray_r", vmin=0, vmax=1)
        learnt.set_xlabel("no gradient flows to any pixel")
    rng = np.random.default_rng(0)
    for kind, axes in zip(NETWORKS, possible):
        settings = replace(model.settings, kind=kind, channels=18, conditional=False)
        untrained = type(model)(settings, model.shape, model.levels, rng)
        reached = _of_pixels(untrained.dependence(rng.random((8, *model.shape)), *middle)) > 0
        axes.imshow(reached, cmap="Blues", vmin=0, vmax=1.6, interpolation="nearest")
        axes.set_title(f"{kind}: what it can see", fontsize=11)
    for axes in (learnt, *possible):
        _mark(axes, row, column)
    figure.suptitle(f"{title}\nwhat the pixel marked red depends on", fontsize=11)
    return figure


def channels(model: PixelCNN, images: np.ndarray, title: str) -> Figure:
    """Which of R, G and B the pixel in the middle depends on: a row for each of its own three."""
    row, column = middle = model.shape[0] // 2, model.shape[1] // 2
    dependence = [model.dependence(images, *middle, channel) for channel in range(model.channels)]
    figure = pictures.Picture(figsize=(0.8 * pictures.WIDTH, 7), layout="constrained")
    grid = figure.subplots(model.channels, model.channels)
    for name, of_channel, row_axes in zip(CHANNELS, dependence, grid):
        for other, plane, axes in zip(CHANNELS, np.moveaxis(of_channel, 2, 0), row_axes):
            shades = _plot_shades(axes, plane, np.stack(dependence))
            axes.set_title(f"{name} on {other}", fontsize=11)
            _mark(axes, row, column, fillstyle="none")
    figure.colorbar(shades, ax=grid, location="bottom", shrink=0.6)
    figure.suptitle(
        f"{title}\n|d logit / d pixel|: what R, G and B of the pixel marked red depend on",
        fontsize=11,
    )
    return figure


def _of_pixels(dependence: np.ndarray) -> np.ndarray:
    """(height, width): on any of R, G and B, in colour."""
    return dependence.sum(axis=2) if dependence.ndim == 3 else dependence


def _plot_shades(axes: Axes, values: np.ndarray, all_values: np.ndarray) -> AxesImage:
    """Positive values, on a logarithmic scale that fits all of them; 0 stays white."""
    most = max(all_values.max(), np.finfo(np.float32).tiny)
    least = max(all_values[all_values > 0].min(initial=most), LEAST_DEPENDENCE * most)
    norm = LogNorm(min(least, 0.999 * most), most)
    return axes.imshow(np.ma.masked_equal(values, 0), norm=norm, interpolation="nearest")


def _mark(axes: Axes, row: int, column: int, fillstyle: str = "full") -> None:
    red = pictures.COLORS[3]
    axes.plot(column, row, "s", color=red, markersize=5, fillstyle=fillstyle)
    axes.set(xticks=[], yticks=[])
