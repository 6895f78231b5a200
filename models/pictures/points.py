"""Points of the plane, around the modes of their data set."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from models.data.ring import GOOD_RADIUS, Points
from models.pictures.figure import COLORS, Picture

REACH = 1.6


def scatter(data: Points, sets: Mapping[str, np.ndarray], title: str) -> Figure:
    """Sets of points (N, 2) side by side, each under its name unless there is only one.

    Below the title stands what the circles and the colours are.
    """
    title += f"\nblue: good, within {GOOD_RADIUS:g} sigma of a mode (the circles)"
    columns = min(len(sets), 3)
    rows = -(-len(sets) // columns)
    height = 3.1 * rows + 0.25 * (title.count("\n") + 1)
    figure = Picture(figsize=(2.65 * columns, height))
    figure.set_layout_engine("compressed", h_pad=0.1)
    for i, (name, points) in enumerate(sets.items()):
        axes = figure.add_subplot(rows, columns, i + 1)
        plot_points(axes, data, points, name if len(sets) > 1 else "")
    figure.suptitle(title, fontsize=11)
    return figure


def plot_points(axes: Axes, data: Points, points: np.ndarray, title: str) -> None:
    """Points (N, 2), with the good ones in blue, and circles around the true modes.

    The frame reaches REACH times as far as the modes; points outside are counted below it.
    """
    limit = REACH * float(np.abs(data.modes).max())
    good = data.nearest(points)[1]
    for which, color in ((~good, "0.55"), (good, COLORS[0])):
        axes.scatter(points[which, 0], points[which, 1], s=5, color=color, alpha=0.5, linewidths=0)
    for center in data.modes:
        circle = Circle(center, GOOD_RADIUS * data.sigma, fill=False, color=COLORS[3])
        axes.add_patch(circle)
    outside = int((np.abs(points) > limit).any(axis=1).sum())
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), xticks=[], yticks=[])
    axes.set_aspect("equal")
    axes.spines[:].set_color("0.8")
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(
        f"modes {data.modes_covered(points)} of {len(data.modes)}, "
        f"{data.share_of_good(points):.0%} good" + (f"\n{outside} outside" if outside else "")
    )
