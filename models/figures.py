"""Pictures to look at instead of numbers to read, saved as PNG."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.files import replacing

PIXELS_PER_INCH = 150
GREY = "0.45"


def rows(images: Sequence[np.ndarray], title: str, path: Path, labels: Sequence[str] = ()) -> None:
    """Rows of images, each (n, height, width) in [0, 1], dark on white, labelled to the left."""
    across = max(len(row) for row in images)
    figure = Figure(figsize=(0.62 * across + 1.3 * bool(labels) + 0.2, 0.62 * len(images) + 0.45))
    axes = figure.subplots()
    height = images[0].shape[1]
    axes.imshow(mosaic(images), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    middles = [(height + GAP) * i + height / 2 for i in range(len(labels))]
    axes.set_yticks(middles, labels, fontsize=10)
    axes.tick_params(length=0)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=11, loc="left")
    _save(figure, path)


GAP = 1  # pixels between images


def mosaic(images: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of images as one array with a gap between them; a shorter row ends in white."""
    height, width = images[0].shape[1:]
    across = max(len(row) for row in images)
    canvas = np.zeros((len(images) * (height + GAP) - GAP, across * (width + GAP) - GAP))
    for i, row in enumerate(images):
        for j, image in enumerate(row):
            top, left = i * (height + GAP), j * (width + GAP)
            canvas[top : top + height, left : left + width] = image
    return canvas


def latent_plane(
    points: np.ndarray,
    labels: np.ndarray | None,
    plane: np.ndarray,
    extent: tuple[float, float, float, float],
    axis_names: tuple[str, str],
    path: Path,
) -> None:
    """Left, points (N, 2) of the plane, each drawn as its label; right, what is decoded from it.

    `plane` (rows, columns, height, width) has images in [0, 1] from the top left of `extent`
    (left, right, bottom, top).
    """
    figure = Figure(figsize=(10.5, 5.2))
    scatter, images = figure.subplots(1, 2)
    shown = slice(None, None, max(1, len(points) // 1500))  # more would hide each other
    points = points[shown]
    if labels is None:
        scatter.scatter(*points.T, s=9, color=GREY, linewidths=0)
    else:
        for label in np.unique(labels):
            of_label = points[labels[shown] == label]
            scatter.scatter(*of_label.T, s=32, color=f"C{label}", marker=f"${label}$", linewidths=0)
    scatter.set_title("posterior means of test images", fontsize=11, loc="left")
    images.imshow(mosaic(list(plane)), cmap="gray_r", vmin=0, vmax=1, extent=extent, aspect="equal")
    images.set_title("decoded from the same plane", fontsize=11, loc="left")
    for axes in (scatter, images):
        axes.set(xlim=extent[:2], ylim=extent[2:], xlabel=axis_names[0], ylabel=axis_names[1])
        axes.set_aspect("equal")
    figure.tight_layout()
    _save(figure, path)


def curves(
    metrics: Sequence[dict[str, Any]],
    steps_per_epoch: int,
    baseline: float,
    subtitle: str,
    path: Path,
) -> None:
    """The bound in training and test beside the baseline; and the test bound's two parts."""
    train = [m for m in metrics if not m.get("test")]
    test = [m for m in metrics if m.get("test")]
    figure = Figure(figsize=(10.5, 4))
    bound, parts = figure.subplots(1, 2)

    epochs = np.array([m["step"] for m in train]) / steps_per_epoch
    values = np.array([m["reconstruction"] + m["kl"] for m in train])
    window = max(1, min(steps_per_epoch, len(values) // 10))
    smooth = np.convolve(values, np.ones(window) / window, "valid")
    test_epochs = np.array([m["step"] for m in test]) / steps_per_epoch
    test_values = np.array([m["negative_elbo"] for m in test])
    bound.plot(epochs, values, color="C0", alpha=0.2, linewidth=0.7)
    bound.plot(epochs[window - 1 :], smooth, color="C0", label=f"train, mean of {window} steps")
    bound.plot(test_epochs, test_values, color="C3", label="test")
    bound.axhline(baseline, color=GREY, linestyle="--", linewidth=1)
    bound.annotate(
        f"factorised model {baseline:.2f}",
        (1, baseline),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 4),
        textcoords="offset points",
        ha="right",
        color=GREY,
    )
    bound.set_title("$-$ELBO", fontsize=11, loc="left")
    low = min(smooth.min(), test_values.min(), baseline)
    high = max(test_values[0], baseline)  # the first steps may be far above
    bound.set_ylim(low - 0.08 * (high - low), high + 0.12 * (high - low))

    parts.plot(test_epochs, [m["reconstruction"] for m in test], color="C1", label="reconstruction")
    parts.plot(test_epochs, [m["kl"] for m in test], color="C2", label="KL")
    parts.set_title("its two parts, test", fontsize=11, loc="left")
    parts.set_ylim(bottom=0)
    for axes in (bound, parts):
        _plain(axes, "epoch", "nats per image")
    figure.suptitle(subtitle, fontsize=11)
    figure.tight_layout()
    _save(figure, path)


def _plain(axes: Axes, xlabel: str, ylabel: str) -> None:
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=PIXELS_PER_INCH, bbox_inches="tight")
