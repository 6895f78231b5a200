"""Pictures to look at instead of numbers to read, saved as PNG."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    draw_rows(figure.subplots(), images, title, labels)
    save(figure, path)


def draw_rows(
    axes: Axes, images: Sequence[np.ndarray], title: str, labels: Sequence[str] = ()
) -> None:
    height = images[0].shape[1]
    axes.imshow(mosaic(images), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    middles = [(height + GAP) * i + height / 2 for i in range(len(labels))]
    axes.set_yticks(middles, labels, fontsize=10)
    axes.tick_params(length=0)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=11, loc="left")


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
    save(figure, path)


@dataclass(frozen=True)
class Panel:
    """Curves over the epochs in one frame: each key of metrics.jsonl to its label."""

    title: str
    unit: str
    train: Mapping[str, str] = field(default_factory=dict)  # smoothed; a number a step
    test: Mapping[str, str] = field(default_factory=dict)  # a number an epoch
    lines: Mapping[str, float] = field(default_factory=dict)  # level lines, by their label


def curves(
    metrics: Sequence[Mapping[str, Any]],
    steps_per_epoch: int,
    panels: Sequence[Panel],
    subtitle: str,
    path: Path,
) -> None:
    """Draw panels side by side of the lines of a metrics.jsonl."""
    figure = Figure(figsize=(5.25 * len(panels), 4))
    for panel, axes in zip(panels, figure.subplots(1, len(panels), squeeze=False)[0]):
        draw_panel(axes, metrics, steps_per_epoch, panel)
    figure.suptitle(subtitle, fontsize=11)
    figure.tight_layout()
    save(figure, path)


def draw_panel(
    axes: Axes, metrics: Sequence[Mapping[str, Any]], steps_per_epoch: int, panel: Panel
) -> None:
    color = (f"C{i}" for i in itertools.count())
    shown: list[np.ndarray] = [np.zeros(0)]  # what must be inside the frame
    for key, label in panel.train.items():
        epochs, values = _series(metrics, key, steps_per_epoch, test=False)
        if len(values) == 0:
            continue
        window = max(1, min(steps_per_epoch, len(values) // 10))
        smooth = np.convolve(values, np.ones(window) / window, "valid")
        this = next(color)
        axes.plot(epochs, values, color=this, alpha=0.2, linewidth=0.7)
        label = f"{label}, mean of {window} steps" if window > 1 else label
        axes.plot(epochs[window - 1 :], smooth, color=this, label=label)
        shown.append(smooth[len(smooth) // 20 :])  # the first steps may be far away
    for key, label in panel.test.items():
        epochs, values = _series(metrics, key, steps_per_epoch, test=True)
        axes.plot(epochs, values, color=next(color), label=label)
        shown.append(values)
    inside = np.concatenate(shown)
    low, high = (inside.min(), inside.max()) if inside.size else (0.0, 1.0)
    for label, level in panel.lines.items():
        if level > 2 * high - low:  # in the frame it would squeeze the curves into half of it
            label += ", above"
        else:
            low, high = min(low, level), max(high, level)
        axes.axhline(level, color=GREY, linestyle="--", linewidth=1, label=label)
    margin = (high - low) or 1.0
    legend = 0.13 * (len(panel.train) + len(panel.test) + len(panel.lines))
    axes.set_ylim(low - 0.08 * margin, high + (0.05 + legend) * margin)
    axes.set_title(panel.title, fontsize=11, loc="left")
    _plain(axes, "epoch", panel.unit)


def _series(
    metrics: Sequence[Mapping[str, Any]], key: str, steps_per_epoch: int, test: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Epochs, and the numbers of that key, of the tests or of the training steps."""
    found = [
        (m["step"] / steps_per_epoch, m[key])
        for m in metrics
        if key in m and bool(m.get("test")) == test
    ]
    epochs, values = np.array(found).reshape(-1, 2).T
    return epochs, values


def _plain(axes: Axes, xlabel: str, ylabel: str) -> None:
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper right", framealpha=0.8, edgecolor="none")


def save(figure: Figure, path: Path) -> None:
    """As PNG, whole or not at all."""
    with replacing(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=PIXELS_PER_INCH, bbox_inches="tight")
