"""Codes of images: where they lie in the plane, and what is decoded there."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from models.data import Dataset
from models.pictures.figure import COLORS, GREY, WIDTH, Picture, escape, legend_below
from models.pictures.images import gray, mosaic

GRID = 15  # decoded images in each direction of the plane
MAX_POINTS = 1500  # of the plane: more would hide each other
PRIOR = 0.95  # of N(0, I) in the plane is within the circle
RADIUS = math.sqrt(-2 * math.log(1 - PRIOR))


def latent_plane(
    data: Dataset,
    codes: np.ndarray,
    decode: Callable[[np.ndarray], np.ndarray],
    title: str,
    name: str = "posterior means",
    symbol: str = "$\\mu$",
    prior: np.ndarray | None = None,
) -> Figure:
    """The plane of a two-dimensional z, or else that of the codes' greatest variance.

    Left the codes (N, latent) of test images, which have a name and a symbol, right what is decoded
    from the same plane: `decode` takes (n, latent) to images. The plane shows all that the prior
    makes likely, so that codes that have collapsed look it. It is N(0, I), unless samples of
    another `prior` (m, latent) are given.
    """
    origin, axes, names = _plane_of(codes, symbol)
    points = (codes - origin) @ axes.T
    below = None if prior is None else (prior - origin) @ axes.T
    likely = 1.15 * RADIUS if below is None else 1.1 * float(np.quantile(np.abs(below), 0.995))
    reach = max(1.1 * float(np.quantile(np.abs(points), 0.995)), likely)
    across = np.linspace(-reach, reach, GRID)
    grid = np.stack(np.meshgrid(across, across[::-1]), axis=-1).reshape(-1, 2)
    images = decode(origin + grid @ axes).reshape(GRID, GRID, *data.image_shape)
    edge = reach * (1 + 1 / (GRID - 1))  # half an image beyond the last one's middle
    figure = Picture(figsize=(WIDTH, 4.8))
    figure.set_layout_engine("compressed", h_pad=0.08)
    left, right = figure.subplots(1, 2)
    if below is not None:
        left.scatter(*below.T, s=7, color="0.82", linewidths=0)
    plot_codes(left, data, points)
    plane = mosaic(list(images), data.ink)
    right.imshow(plane, cmap=gray(data.ink), vmin=0, vmax=1, extent=(-edge, edge) * 2)
    left.set_title(f"{name} of test images", fontsize=11, loc="left")
    right.set_title("decoded from the same plane", fontsize=11, loc="left")
    for panel, color in ((left, GREY), (right, COLORS[1])):
        if below is None:
            where = tuple(-origin @ axes.T)
            panel.add_patch(Circle(where, RADIUS, fill=False, color=color, linestyle="--"))
        panel.set(xlim=(-edge, edge), ylim=(-edge, edge), xlabel=names[0], ylabel=names[1])
        panel.locator_params(nbins=5)
        panel.set_aspect("equal")
    shown = f"dashed: {PRIOR:.0%} of" if below is None else "grey: samples of"
    figure.suptitle(f"{title}\n{shown} the prior p(z)", fontsize=11)
    return figure


def _plane_of(codes: np.ndarray, symbol: str) -> tuple[np.ndarray, np.ndarray, tuple[str, str]]:
    """Where the plane goes through, two axes of length 1, and their names."""
    latent = codes.shape[1]
    if latent <= 2:
        second = "$z_2$" if latent == 2 else "(there is no second dimension)"
        return np.zeros(latent), np.eye(2, latent), ("$z_1$", second)
    centred = codes - codes.mean(0)
    axes = np.linalg.eigh(centred.T @ centred)[1].T[:-3:-1]  # the greatest variances, last of all
    largest = axes[np.arange(2), np.abs(axes).argmax(1)]
    names = f"first principal axis of {symbol}", f"second principal axis of {symbol}"
    return codes.mean(0), axes * np.sign(largest)[:, None], names


def plot_codes(axes: Axes, data: Dataset, points: np.ndarray) -> None:
    """Codes (N, 2) of the test images, each as its label's digit, or in the colour of its class."""
    every = slice(None, None, max(1, len(points) // MAX_POINTS))
    x, y = points[every].T
    if data.test_labels is None:
        axes.scatter(x, y, s=9, color=GREY, linewidths=0)
        return
    labels = data.test_labels[every]
    for label in np.unique(labels):
        this, color = labels == label, COLORS[label % len(COLORS)]
        digit: dict[str, Any] = {"s": 32, "marker": f"${label}$"}
        dot = {"s": 12, "label": escape(data.class_name(label))}
        style = dot if data.class_names else digit
        axes.scatter(x[this], y[this], color=color, linewidths=0, **style)
    if data.class_names:
        legend_below(axes, columns=3)
