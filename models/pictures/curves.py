"""Training curves, from the lines of a metrics.jsonl."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.pictures.figure import COLORS, GREY, Picture, legend_below

MAX_MARKED = 12  # a curve of so many points or fewer has a mark at each
MAX_NOISE = 0.7  # of the frame's height: single steps that scatter more are left out


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
        plot_panel(axes, metrics, steps_per_epoch, panel)
    figure.suptitle(title, fontsize=11)
    return figure


def plot_panel(
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
        few = "o" if len(values) <= MAX_MARKED else ""
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
        if deviation < MAX_NOISE * (high - low):  # more would only fill the frame
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
