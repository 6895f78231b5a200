"""Images in rows, grey or in colour."""

import math
from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.pictures.figure import WIDTH, Picture

CELL = 0.62  # inches: the largest width of an image
GAP = 1  # pixels between images
LETTERS = 12  # of a title, to an inch
LEAST_TITLE = 40  # letters in a line, however few the images are

Images = Sequence[np.ndarray]
"""Rows of images, each (n, height, width), or (n, height, width, 3) in colour."""
Names = Sequence[str]


def rows(
    images: Images, title: str, labels: Names = (), columns: Names = (), ink: bool = True
) -> Figure:
    """Rows of images in [0, 1]; grey ones dark on white if they are `ink`, for which 0 is paper.

    `labels` stand to the left of the rows, `columns` below the columns.
    """
    longest = max(len(row) for row in images)
    cell = min(CELL, WIDTH / longest)
    inches = cell * longest + 1.3 * bool(labels)
    letters = max(LEAST_TITLE, int(LETTERS * inches))
    title = "\n".join(fill(line, letters) for line in title.split("\n"))
    height, width = images[0].shape[1:3]
    size = inches, cell * height / width * len(images) + 0.25 * (title.count("\n") + 1)
    figure = Picture(figsize=size)
    plot_rows(figure.subplots(), images, title, labels, columns, ink)
    return figure


def across(n: int) -> int:
    """How many of n images to put in a row: about twice the number of rows, all rows full."""
    best = math.sqrt(2 * n)
    full = [k for k in range(math.isqrt(n), 2 * math.isqrt(n) + 1) if k and n % k == 0]
    return min(full, key=lambda k: abs(k - best), default=math.ceil(best))


def plot_rows(
    axes: Axes,
    images: Images,
    title: str,
    labels: Names = (),
    columns: Names = (),
    ink: bool = True,
) -> None:
    """As `rows`, in axes that are given."""
    axes.imshow(mosaic(images, ink), cmap=gray(ink), vmin=0, vmax=1, interpolation="nearest")
    height, width = images[0].shape[1:3]
    axes.set_yticks([(height + GAP) * i + (height - 1) / 2 for i in range(len(labels))], labels)
    axes.set_xticks([(width + GAP) * i + (width - 1) / 2 for i in range(len(columns))], columns)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=11, loc="left")


def gray(ink: bool) -> str:
    """The colours of grey images, for `imshow`: 0 is white if it is paper, or else black."""
    return "gray_r" if ink else "gray"


def mosaic(images: Images, ink: bool = True) -> np.ndarray:
    """Rows of images as one array with a gap between them; a shorter row ends in white."""
    height, width, *channels = images[0].shape[1:]
    longest = max(len(row) for row in images)
    white = 0.0 if ink and not channels else 1.0
    canvas = np.full((len(images), height + GAP, longest, width + GAP, *channels), white)
    for strip, row in zip(canvas, images):
        strip[:height, : len(row), :width] = np.moveaxis(row, 0, 1)
    whole = canvas.reshape(len(images) * (height + GAP), longest * (width + GAP), *channels)
    return whole[:-GAP, :-GAP]
