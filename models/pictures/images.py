"""Pictures to look at instead of numbers to read.

Each function returns its figure, which a notebook shows and `save` writes: as PNG, SVG or PDF. They
are about as wide as a hand-out, so that on a slide, which is half as wide again, their type of
9 to 11 points can be read from the last row.
"""

import io
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from models.errors import UsageError
from models.files import replacing

FORMATS = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""The suffixes of pictures, and what keeps the day out of the file: it would be another one."""

PIXELS_PER_INCH = 200
WIDTH, CELL = 8.0, 0.62  # inches: of a picture, and of an image in it at most
GREY = "0.45"
COLORS = (  # dark enough on white for a projector: a contrast of 4.5 and more
    "#1f5fa8", "#c04a00", "#1a7a2e", "#c11f26", "#6a3fa0",
    "#7a4a35", "#b5318a", "#555555", "#756a00", "#00707c",
)  # fmt: skip


class Picture(Figure):
    """A figure that a notebook shows, whether or not pyplot is there."""

    def _repr_png_(self) -> bytes:
        return rendered(self, ".png")


def suffix_of(path: Path) -> str:
    """Raises UsageError if it is none of a picture."""
    if (suffix := path.suffix.lower()) not in FORMATS:
        raise UsageError(f"{path}: name a picture something.png, .svg or .pdf")
    return suffix


def save(figure: Figure, path: Path) -> Path:
    """In the format of the path's suffix, whole or not at all; returns the path."""
    content = rendered(figure, suffix_of(path))
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)
    return path


def rendered(figure: Figure, suffix: str) -> bytes:
    """The content of a file of that suffix: the same figure gives the same bytes."""
    content = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "chainrule"}):
        figure.savefig(
            content,
            format=suffix[1:],
            dpi=PIXELS_PER_INCH,
            bbox_inches="tight",
            metadata=FORMATS[suffix],
        )
    return content.getvalue()


def as_text(text: str) -> str:
    """A person's own text, in which matplotlib is to find no formula."""
    return text.replace("$", r"\$")


def rows(
    images: Sequence[np.ndarray],
    title: str,
    labels: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> Figure:
    """Rows of images, each (n, height, width) in [0, 1], dark on white.

    `labels` stand to the left of the rows, `columns` below the columns.
    """
    across = max(len(row) for row in images)
    cell = min(CELL, WIDTH / across)
    lines = title.count("\n") + 1
    size = cell * across + 1.3 * bool(labels), cell * len(images) + 0.25 * lines
    figure = Picture(figsize=size)
    draw_rows(figure.subplots(), images, title, labels, columns)
    return figure


def across(n: int) -> int:
    """How many of n images to put in a row: about twice as many as rows, and all rows full."""
    wish = math.sqrt(2 * n)
    full = [k for k in range(math.isqrt(n), 2 * math.isqrt(n) + 1) if k and n % k == 0]
    return min(full, key=lambda k: abs(k - wish), default=math.ceil(wish))


def draw_rows(
    axes: Axes,
    images: Sequence[np.ndarray],
    title: str,
    labels: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> None:
    axes.imshow(mosaic(images), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    height, width = images[0].shape[1:]
    axes.set_yticks([(height + GAP) * i + (height - 1) / 2 for i in range(len(labels))], labels)
    axes.set_xticks([(width + GAP) * i + (width - 1) / 2 for i in range(len(columns))], columns)
    axes.tick_params(length=0)
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
    title: str,
) -> Figure:
    """Panels side by side of the lines of a metrics.jsonl, but for those of which it has none."""
    known = {key for line in metrics for key in line}
    panels = [p for p in panels if known & {*p.train, *p.test}] or panels[:1]
    figure = Picture(figsize=(3.3 * max(len(panels), 1.5), 3.5), layout="constrained")
    for panel, axes in zip(panels, figure.subplots(1, len(panels), squeeze=False)[0]):
        draw_panel(axes, metrics, steps_per_epoch, panel)
    figure.suptitle(title, fontsize=11)
    return figure


def draw_panel(
    axes: Axes, metrics: Sequence[Mapping[str, Any]], steps_per_epoch: int, panel: Panel
) -> None:
    """The mean of some steps is drawn in their middle, so that it does not lag behind them."""
    color = itertools.cycle(COLORS)
    shown: list[np.ndarray] = [np.zeros(0)]  # what must be inside the frame
    noise: list[tuple[np.ndarray, np.ndarray, str]] = []
    window = 1
    for key, label in panel.train.items():
        epochs, values = _series(metrics, key, steps_per_epoch, test=False)
        if len(values) == 0:
            continue
        window = max(1, min(steps_per_epoch, len(values) // 10))
        weights = np.ones(window) / window
        middles, means = (np.convolve(a, weights, "valid") for a in (epochs, values))
        this = next(color)
        axes.plot(middles, means, color=this, label=label, marker="o" if len(means) == 1 else "")
        noise.append((epochs, values, this))
        shown.append(means[len(means) // 20 :])  # the first steps may be far away
    for key, label in panel.test.items():
        epochs, values = _series(metrics, key, steps_per_epoch, test=True)
        if len(values) == 0:
            continue
        few = "o" if len(values) <= FEW else ""
        axes.plot(epochs, values, color=next(color), label=label, marker=few, markersize=4)
        shown.append(values)
    inside = np.concatenate(shown)
    low, high = (inside.min(), inside.max()) if inside.size else (0.0, 1.0)
    for label, level in panel.lines.items():
        if level > 2 * high - low:  # in the frame it would squeeze the curves into half of it
            label += ", above"
        else:
            low, high = min(low, level), max(high, level)
        axes.axhline(level, color=GREY, linestyle="--", linewidth=1, label=label)
    margin = 0.08 * ((high - low) or 1.0)
    for epochs, values, this in noise:
        deviation = np.diff(values).std() if len(values) > 1 else 0.0
        if deviation < NOISY * (high - low):  # more would only fill the frame
            axes.plot(epochs, values, color=this, alpha=0.25, linewidth=0.7, zorder=1)
    steps = max((m["step"] for m in metrics), default=1)
    axes.set(xlim=(0, 1.02 * steps / steps_per_epoch), ylim=(low - margin, high + margin))
    axes.set_title(panel.title, fontsize=11, loc="left")
    means_of = f" (means of {window} steps)" if window > 1 else ""
    axes.set(xlabel=f"epoch{means_of}", ylabel=panel.unit)
    axes.spines[["top", "right"]].set_visible(False)
    if inside.size:
        legend_below(axes)
    else:
        axes.text(0.5, 0.5, "no step yet", ha="center", transform=axes.transAxes)


FEW = 12  # points of a curve that are marked
NOISY = 0.7  # of the frame's height: a deviation from step to step that is not drawn


def legend_below(axes: Axes, columns: int = 1) -> None:
    """Under the label of the x axis, where it hides no curve."""
    figure: Any = axes.figure
    below = offset_copy(axes.transAxes, fig=figure, y=-40, units="points")
    axes.legend(
        loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below, borderaxespad=0,
        frameon=False, ncols=columns, handlelength=1.4,
    )  # fmt: skip


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
