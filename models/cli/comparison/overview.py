"""The picture: a column for each model, with its samples, its curve and its numbers."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from models import pictures
from models.cli.comparison.entry import Entry
from models.cli.comparison.table import notes_of, row_of, title_of
from models.data import Points
from models.training.log import read_metrics

COLUMNS = 6  # of samples, and as many rows
ACROSS = 6  # models beside each other; more are below them


def overview(entries: Sequence[Entry]) -> Figure:
    """A column for each model, ACROSS in a block; below them what the numbers mean."""
    blocks = [entries[start : start + ACROSS] for start in range(0, len(entries), ACROSS)]
    across = len(blocks[0])
    notes = "\n".join(textwrap.fill(note, 20 + 40 * across) for note in notes_of(entries))
    heights = [_height(entries)] * len(blocks) + [0.18 * (notes.count("\n") + 1)]
    size = 1.4 + 2.8 * across, 0.2 + sum(heights)
    figure = pictures.Picture(figsize=size, layout="constrained")
    *parts, below = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, block in zip(parts, blocks):
        _plot_block(part, block, across)
    below.text(0.01, 1, notes, fontsize=8, va="top", parse_math=False)
    figure.suptitle(title_of(entries), fontsize=13)
    return figure


def _height(entries: Sequence[Entry]) -> float:
    """Of a block, in inches: samples, curve, and a line for each number."""
    return 4.6 + 0.3 * len(row_of(entries[0]))


def _plot_block(figure: SubFigure, entries: Sequence[Entry], across: int) -> None:
    """Samples, curves and numbers of models beside each other, with room for `across`."""
    rows = [row_of(entry) for entry in entries]
    header = list(rows[0])
    grid = figure.add_gridspec(
        3,
        1 + across,
        width_ratios=[1.2, *[2.8] * across],
        height_ratios=[2.3, 2.3, 0.3 * len(header)],
    )
    for i, entry in enumerate(entries):
        family = entry.run.config.model
        name = entry.name if entry.name == family else f"{entry.name} ({family})"
        _plot_samples(figure.add_subplot(grid[0, i + 1]), entry, pictures.escape(name))
        plot_curve(figure.add_subplot(grid[1, i + 1]), entry)
    table = figure.add_subplot(grid[2, :])
    columns = [header, *(list(row.values()) for row in rows)]
    centres = [0, *((1.2 + 2.8 * (i + 0.5)) / (1.2 + 2.8 * across) for i in range(across))]
    for column, x in zip(columns, centres):
        for line, cell in enumerate(column[1:]):
            table.text(x, -line, cell, ha="center" if x else "left", va="center", parse_math=False)
    for line in range(len(header)):
        table.axhline(0.5 - line, color="0.8", linewidth=0.6)
    table.set(xlim=(0, 1), ylim=(1.5 - len(header), 0.5))
    table.axis("off")


def _plot_samples(axes: Axes, entry: Entry, title: str) -> None:
    data = entry.run.data
    if isinstance(data, Points):
        pictures.plot_points(axes, data, entry.samples, title)
    else:
        pictures.plot_rows(axes, in_rows(entry), title, ink=data.ink)


def in_rows(entry: Entry) -> list[np.ndarray]:
    return np.split(entry.samples[: COLUMNS * COLUMNS], COLUMNS)


def plot_curve(axes: Axes, entry: Entry) -> None:
    run = entry.run
    panel = run.report.panels()[0]
    pictures.plot_panel(axes, read_metrics(run.directory), run.steps_per_epoch, panel)
