"""Training curves, from the lines of a metrics.jsonl."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.pictures.figure import COLORS, GREY, Picture, legend_below

Metrics = Sequence[Mapping[str, Any]]
"""The lines of a metrics.jsonl: one for each training step, and one for each test."""

MAX_MARKED = 12  # a curve of so many points or fewer has a mark at each
MAX_NOISE = 0.7  # of the frame's height: single steps that scatter more are left out


@dataclass(frozen=True)
class Panel:
    """Curves over the epochs in one frame: each key of metrics.jsonl and its label."""

    title: str
    unit: str
    train: Mapping[str, str] = field(default_factory=dict)  # a number per step, smoothed
    test: Mapping[str, str] = field(default_factory=dict)  # a number per epoch
    lines: Mapping[str, float] = field(default_factory=dict)  # horizontal lines, by their label


def curves(metrics: Metrics, steps_per_epoch: int, panels: Sequence[Panel], title: str) -> Figure:
    """Panels side by side; those without any number in `metrics` are left out."""
    known = {key for line in metrics for key in line}
    panels = [p for p in panels if known & {*p.train, *p.test}] or panels[:1]
    figure = Picture(figsize=(3.3 * max(len(panels), 1.5), 3.5), layout="constrained")
    for panel, axes in zip(panels, figure.subplots(1, len(panels), squeeze=False)[0]):
        plot_panel(axes, metrics, steps_per_epoch, panel)
    figure.suptitle(title, fontsize=11)
    return figure


def plot_panel(axes: Axes, metrics: Metrics, steps_per_epoch: int, panel: Panel) -> None:
    """Means of training steps, each in the middle of its steps so that it has no lag; tests."""
    colors = itertools.cycle(COLORS)
    in_frame: list[np.ndarray] = [np.zeros(0)]
    steps: list[tuple[np.ndarray, np.ndarray, str]] = []
    window = 1
    for key, label in panel.train.items():
        epochs, values = _series(metrics, key, steps_per_epoch, test=False)
        if len(values) == 0:
            continue
        window = max(1, min(steps_per_epoch, len(values) // 10))
        weights = np.ones(window) / window
        middles, means = (np.convolve(a, weights, "valid") for a in (epochs, values))
        color = next(colors)
        axes.plot(middles, means, color=color, label=label, marker="o" if len(means) == 1 else "")
        steps.append((epochs, values, color))
        in_frame.append(means[len(means) // 20 :])  # the first steps may be far away
    for key, label in panel.test.items():
        epochs, values = _series(metrics, key, steps_per_epoch, test=True)
        if len(values) == 0:
            continue
        marker = "o" if len(values) <= MAX_MARKED else ""
        axes.plot(epochs, values, color=next(colors), label=label, marker=marker, markersize=4)
        in_frame.append(values)
    inside = np.concatenate(in_frame)
    low, high = (inside.min(), inside.max()) if inside.size else (0.0, 1.0)
    for label, level in panel.lines.items():
        if level > 2 * high - low:  # within the frame it would squeeze the curves into half of it
            label += ", above"
        else:
            low, high = min(low, level), max(high, level)
        axes.axhline(level, color=GREY, linestyle="--", linewidth=1, label=label)
    margin = 0.08 * ((high - low) or 1.0)
    for epochs, values, color in steps:
        deviation = np.diff(values).std() if len(values) > 1 else 0.0
        if deviation < MAX_NOISE * (high - low):
            axes.plot(epochs, values, color=color, alpha=0.25, linewidth=0.7, zorder=1)
    last = max((m["step"] for m in metrics), default=1)
    axes.set(xlim=(0, 1.02 * last / steps_per_epoch), ylim=(low - margin, high + margin))
    axes.set_title(panel.title, fontsize=11, loc="left")
    means_of = f" (means of {window} steps)" if window > 1 else ""
    axes.set(xlabel=f"epoch{means_of}", ylabel=panel.unit)
    axes.spines[["top", "right"]].set_visible(False)
    if inside.size:
        legend_below(axes)
    else:
        axes.text(0.5, 0.5, "no step yet", ha="center", transform=axes.transAxes)


def _series(
    metrics: Metrics, key: str, steps_per_epoch: int, test: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Epochs, and the numbers of that key: those of tests, or those of training steps."""
    found = [
        (m["step"] / steps_per_epoch, m[key])
        for m in metrics
        if key in m and bool(m.get("test")) == test
    ]
    epochs, values = np.array(found).reshape(-1, 2).T
    return epochs, values
