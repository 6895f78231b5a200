"""Numbers of each layer of a network through a training: a row for each layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from models.pictures.figure import COLORS, WIDTH, Picture

COLORMAP = "viridis"  # perceptually uniform, with and without colour blindness
MAX_NAMED = 24  # rows: of more, only the first of each block has its name
SMALLEST = 1e-12  # of the largest: the colours reach so far down


@dataclass(frozen=True)
class LayersPanel:
    """A number of each layer at each time, (layers, times).

    `limits` are those of the colours, on a logarithmic scale or a linear one; without them they
    are the powers of ten around the values. What is outside has the colour of the limit.
    """

    title: str
    values: np.ndarray
    limits: tuple[float, float] | None = None
    logarithmic: bool = True
    mark: float | None = None  # on the scale of the colours
    missing: str = COLORS[3]  # the colour of NaN


def layers(
    names: Sequence[str], epochs: np.ndarray, panels: Sequence[LayersPanel], title: str
) -> Figure:
    """Panels side by side. Their rows are the layers `names`, their columns begin at `epochs`."""
    height = 1.9 + 0.3 * min(len(names), MAX_NAMED)
    figure = Picture(figsize=(1.2 * WIDTH, height), layout="constrained")
    frames = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(frames, panels):
        _plot(axes, epochs, panel)
    frames[0].set_yticks(*_named(names))
    frames[0].invert_yaxis()
    figure.suptitle(title, fontsize=11)
    return figure


def _plot(axes: Axes, epochs: np.ndarray, panel: LayersPanel) -> None:
    low, high = panel.limits or _powers_of_ten(panel.values)
    scale = LogNorm(low, high) if panel.logarithmic else Normalize(low, high)
    last = epochs[-1] - epochs[-2] if len(epochs) > 1 else 1.0
    mesh = axes.pcolormesh(
        np.append(epochs, epochs[-1] + last),
        np.arange(len(panel.values) + 1) - 0.5,
        np.ma.masked_invalid(np.clip(panel.values, low, high)),
        norm=scale,
        cmap=colormaps[COLORMAP].with_extremes(bad=panel.missing),
        rasterized=True,
    )
    for row in range(1, len(panel.values)):
        axes.axhline(row - 0.5, color="white", linewidth=0.8)
    bar = axes.figure.colorbar(mesh, ax=axes, location="bottom", aspect=12, shrink=0.9)
    if panel.logarithmic:
        bar.locator = LogLocator(numticks=4)
    if panel.mark is not None:
        bar.ax.axvline(panel.mark, color="white", linewidth=2)
    axes.set_title(panel.title, fontsize=11, loc="left")
    axes.set_xlabel("epoch")
    axes.tick_params(axis="y", length=0)
    axes.spines[:].set_visible(False)


def _powers_of_ten(values: np.ndarray) -> tuple[float, float]:
    """The nearest ones around the values."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return 0.1, 1.0
    high = 10.0 ** np.ceil(np.log10(positive.max()))
    low = 10.0 ** np.floor(np.log10(positive.min()))
    return max(min(low, high / 10), SMALLEST * high), high


def _named(names: Sequence[str]) -> tuple[list[int], list[str]]:
    """Which rows have a name, and the names: of each layer, or of each block of layers."""
    parts = [name.split(".") for name in names]
    depth = max(map(len, parts))
    blocks = list(names)
    while len(set(blocks)) > MAX_NAMED and depth > 1:
        depth -= 1
        blocks = [".".join(part[:depth]) for part in parts]
    first = {block: blocks.index(block) for block in blocks}
    return list(first.values()), list(first)
