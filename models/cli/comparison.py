"""Trained models side by side: a page with their samples, curves and numbers, and a picture of it.

Nats can be compared only where the pixels have the same form. FID, inception score, precision and
recall can be compared only with the same classifier, which the page names.
"""

import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Template
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models import metrics, pictures
from models.data import in_form, load
from models.errors import UsageError
from models.files import replacing
from models.progress import bar
from models.training.log import read_metrics
from models.training.run import Run

COLUMNS = 6  # of samples, and as many rows
TEST_IMAGES = 200  # for the mean distance to the nearest training image
SPACE = "\N{NO-BREAK SPACE}"

Given = Callable[[np.ndarray], np.ndarray] | str | None
"""Features that a person brings: a function, or "module:function"."""


@dataclass
class Entry:
    """A trained model, its numbers, and some of its samples (n, *shape)."""

    run: Run
    numbers: dict[str, Any]
    samples: np.ndarray
    sample_seconds: float  # for 1,000

    @property
    def name(self) -> str:
        return self.run.directory.name


def write(
    runs: Sequence[Run], n: int, seed: int, page: Path, picture: Path, given: Given = None
) -> list[Path]:
    """Compare by `n` samples of each, on a page and in a picture; returns their paths.

    `given` are features that a person brings, for `metrics.features_for`.
    """
    entries = _examine_all(runs, n, seed, given)
    pictures.save(_overview(entries), picture)
    content = _PAGE.render(
        title=_title(entries),
        table=[_row(entry) for entry in entries],
        notes=_notes(entries),
        pictures={
            title: {entry.name: pictures.data_url(plot(entry)) for entry in entries}
            for title, plot in PICTURES.items()
        },
    )
    with replacing(page) as unfinished:
        unfinished.write_text(content, encoding="utf-8")
    return [page, picture]


def figure(runs: Sequence[Run], n: int = 1000, seed: int = 0, features: Given = None) -> Figure:
    """The picture that `write` makes: a column for each run."""
    return _overview(_examine_all(runs, n, seed, features))


def _examine_all(runs: Sequence[Run], n: int, seed: int, given: Given) -> list[Entry]:
    """Raises UsageError for points instead of images, and for images of unequal size."""
    shapes = {run.data.name: run.data.image_shape for run in runs}
    if points := [name for name, shape in shapes.items() if len(shape) == 1]:
        raise UsageError(f"{', '.join(points)}: compare is for images, not for points of the plane")
    if len(set(shapes.values())) > 1:
        sizes = ", ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in shapes.items())
        raise UsageError(f"images of unequal size cannot be compared: {sizes}")
    return [examine(run, n, seed, given) for run in runs]


def examine(run: Run, n: int, seed: int, given: Given = None) -> Entry:
    rng = np.random.default_rng(seed)
    name, config = run.directory.name, run.config
    with bar(f"{name}: making {n:,} samples"):
        run.model.sample(2, rng)  # compiles the kernels
        started = time.perf_counter()
        samples = in_form(run.model.sample(n, rng), run.model.pixels)
        seconds = (time.perf_counter() - started) * 1000 / n
    all_data = load(config.data, config.data_dir, config.reading) if config.limit else run.data
    features = metrics.features_for(all_data, given, data_dir=config.data_dir)
    with bar(f"{name}: measuring {n:,} samples"):
        quality = metrics.quality(samples, run.data, run.model.pixels, features, rng)
    return Entry(run, run.evaluate() | quality, samples, seconds)


def _row(entry: Entry) -> dict[str, str]:
    """The row of the table, by the names of its columns."""
    numbers = entry.numbers
    nats = bits = "none"
    if "nll" in numbers:
        sign = "" if entry.run.model.nll_is_exact else f"≤{SPACE}"
        nats = f"{sign}{numbers['nll']:.2f} ±{SPACE}{numbers['intervals']['nll']:.2f}"
        bits = f"{sign}{metrics.bits_per_dim(numbers['nll'], numbers['pixels']):.3f}"
    return {
        "model": entry.name,
        "family": entry.run.config.model,
        "parameters": f"{numbers['parameters']:,}",
        "pixels": numbers["pixel_form"],
        "nats / image": nats,
        "bits / dim": bits,
        "FID": _with_interval(numbers, "fid"),
        "inception score": _with_interval(numbers, "is"),
        "precision": f"{numbers['precision']:.2f}",
        "recall": f"{numbers['recall']:.2f}",
        "training, s": _seconds(numbers["train_seconds"]),
        "1,000 samples, s": _seconds(entry.sample_seconds),
    }


def _seconds(seconds: float) -> str:
    """Two digits or more, and never a power of ten."""
    if seconds >= 9.95:
        return f"{seconds:,.0f}"
    return np.format_float_positional(seconds, 2, fractional=False, trim="0")


def _with_interval(numbers: dict[str, Any], key: str) -> str:
    if key not in numbers:
        return "none"
    low, high = numbers[f"{key}_interval"]
    return f"{numbers[key]:.2f} ({low:.2f}{SPACE}to{SPACE}{high:.2f})"


def _title(entries: Sequence[Entry]) -> str:
    return f"Generative models of {' and '.join(dict.fromkeys(e.run.data.name for e in entries))}"


def _notes(entries: Sequence[Entry]) -> list[str]:
    """What the numbers mean; each form of the pixels has its own floor and ceiling."""
    notes = [
        "Nats: mean over the test images, with the 95% interval of that mean; ≤ marks a bound. "
        "They can be compared only between models with the same form of pixels."
    ]
    for form, numbers in {e.numbers["pixel_form"]: e.numbers for e in entries}.items():
        note = (
            f"{numbers['data']}, {form}: FID of training against test images (the floor) "
            f"{numbers['floor']:.2f}, of independent pixels (the ceiling) {numbers['ceiling']:.2f}"
        )
        if any("nll" in e.numbers for e in entries if e.numbers["pixel_form"] == form):
            note += f"; factorised model {numbers['factorised_nll']:.2f} nats"
        notes.append(f"{note}.")
    for (source, fingerprint), numbers in {
        (e.numbers["features"], e.numbers["fingerprint"]): e.numbers for e in entries
    }.items():
        score = "inception score (at most the number of classes), " if "is" in numbers else ""
        notes.append(
            f"FID, {score}precision and recall{_of(numbers, entries)}: {numbers['images']:,} "
            f"images each, features of {source} ({fingerprint}), 95% bootstrap intervals."
        )
    return notes


def _of(numbers: dict[str, Any], entries: Sequence[Entry]) -> str:
    """Of which data, where the entries are of several."""
    several = len({entry.numbers["data"] for entry in entries}) > 1
    return f" on {numbers['data']}" if several else ""


def _overview(entries: Sequence[Entry]) -> Figure:
    """A column for each model: its samples, its curve and its numbers."""
    count = len(entries)
    rows = [_row(entry) for entry in entries]
    header = list(rows[0])
    notes = "\n".join(textwrap.fill(note, 20 + 40 * count) for note in _notes(entries))
    heights = [2.3, 2.3, 0.3 * len(header), 0.18 * (notes.count("\n") + 1)]
    size = 1.4 + 2.8 * count, 0.2 + sum(heights)
    figure = pictures.Picture(figsize=size, layout="constrained")
    grid = figure.add_gridspec(
        4, 1 + count, width_ratios=[1.2, *[2.8] * count], height_ratios=heights
    )
    for i, entry in enumerate(entries):
        family = entry.run.config.model
        name = entry.name if entry.name == family else f"{entry.name} ({family})"
        samples = figure.add_subplot(grid[0, i + 1])
        ink = entry.run.data.ink
        pictures.plot_rows(samples, _in_rows(entry), pictures.escape(name), ink=ink)
        _plot_curve(figure.add_subplot(grid[1, i + 1]), entry)
    table = figure.add_subplot(grid[2, :])
    columns = [header, *(list(row.values()) for row in rows)]
    centres = [0, *((1.2 + 2.8 * (i + 0.5)) / (1.2 + 2.8 * count) for i in range(count))]
    for column, x in zip(columns, centres):
        for line, cell in enumerate(column[1:]):
            table.text(x, -line, cell, ha="center" if x else "left", va="center", parse_math=False)
    for line in range(len(header)):
        table.axhline(0.5 - line, color="0.8", linewidth=0.6)
    table.set(xlim=(0, 1), ylim=(1.5 - len(header), 0.5))
    below = figure.add_subplot(grid[3, :])
    below.text(0, 1, notes, fontsize=8, va="top", transform=below.transAxes, parse_math=False)
    for axes in (table, below):
        axes.axis("off")
    figure.suptitle(_title(entries), fontsize=13)
    return figure


def _in_rows(entry: Entry) -> list[np.ndarray]:
    return np.split(entry.samples[: COLUMNS * COLUMNS], COLUMNS)


def _plot_curve(axes: Axes, entry: Entry) -> None:
    run = entry.run
    panel = run.report.panels()[0]
    pictures.plot_panel(axes, read_metrics(run.directory), run.steps_per_epoch, panel)


def _curve(entry: Entry) -> Figure:
    figure = pictures.Picture(figsize=(3.6, 3.4), layout="constrained")
    _plot_curve(figure.subplots(), entry)
    return figure


def _nearest(entry: Entry) -> Figure:
    """Samples above the training images nearest to them in pixels.

    The title compares their mean distance with that of test images, which no model has seen.
    """
    data, rng = entry.run.data, np.random.default_rng(0)
    chosen = rng.permutation(len(data.test))[:TEST_IMAGES]
    train, test = (
        data.observe(images, entry.run.model.pixels, rng).reshape(-1, *data.image_shape)
        for images in (data.excerpt, data.test[chosen])
    )
    samples = entry.samples[:COLUMNS]
    found, distances = metrics.nearest(train, np.concatenate([samples, test]))
    title = (
        f"mean distance {distances[:COLUMNS].mean():.2f},\n"
        f"of test images {distances[COLUMNS:].mean():.2f}"
    )
    found_images = train[found[:COLUMNS, 0]]
    return pictures.rows([samples, found_images], title, ["sample", "nearest"], ink=data.ink)


PICTURES = {
    "Samples": lambda entry: pictures.rows(_in_rows(entry), "", ink=entry.run.data.ink),
    "Training": _curve,
    "Samples and the training images nearest to them: at a distance of 0 they are copies": _nearest,
}
"""The pictures that the page has of each model, by their titles."""

_PAGE = Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"), autoescape=True)
