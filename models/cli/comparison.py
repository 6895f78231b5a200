"""Trained models side by side: a page with their samples, curves and numbers, and a picture of it.

What of the table may be compared: nats only where the pixels were shown alike, and FID, inception
score, precision and recall only with the same classifier, of which the page says which.
"""

import base64
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Template
from matplotlib.figure import Figure

from models import metrics, pictures
from models.data import load
from models.errors import UsageError
from models.files import replacing
from models.model import Model
from models.progress import bar
from models.training.log import read_metrics
from models.training.run import Run

ACROSS = 6  # samples in a row and in a column
NEIGHBOURS = 6  # samples shown beside their nearest training images


@dataclass
class Entry:
    """A trained model, its numbers, and some of its samples (n, height, width)."""

    run: Run
    numbers: dict[str, Any]
    samples: np.ndarray
    sample_seconds: float  # for 1,000

    @property
    def model(self) -> Model:
        return self.run.model

    @property
    def name(self) -> str:
        return self.run.directory.name


def write(runs: Sequence[Run], n: int, seed: int, page: Path, picture: Path) -> list[Path]:
    """Compare by `n` samples of each, on a page and in a picture; returns their paths.

    Raises UsageError for points instead of images, and for images of unequal size.
    """
    shapes = {run.config.data: run.data.image_shape for run in runs}
    if flat := [name for name, shape in shapes.items() if len(shape) == 1]:
        raise UsageError(f"{', '.join(flat)}: compare is for images, not for points of the plane")
    if len(set(shapes.values())) > 1:
        sizes = ", ".join(f"{name} {h} x {w}" for name, (h, w) in shapes.items())
        raise UsageError(f"images of unequal size cannot be compared: {sizes}")
    entries = [_examine(run, n, seed) for run in runs]
    pictures.save(_overview(entries), picture)
    content = _PAGE.render(
        title=_title(entries),
        header=_HEADER,
        table=[_cells(entry) for entry in entries],
        notes=_notes(entries),
        pictures=[
            (title, [(name, _embedded(figure)) for name, figure in drawn])
            for title, drawn in _pictures(entries)
        ],
    )
    with replacing(page) as unfinished:
        unfinished.write_text(content, encoding="utf-8")
    return [page, picture]


def _examine(run: Run, n: int, seed: int) -> Entry:
    rng = np.random.default_rng(seed)
    name, config = run.directory.name, run.config
    with bar(f"{name}: drawing {n:,} samples"):
        run.model.sample(2, rng)  # compiles what is not compiled yet
        started = time.perf_counter()
        samples = run.model.sample(n, rng)
        seconds = (time.perf_counter() - started) * 1000 / n
    everything = load(config.data, config.data_dir) if config.limit else run.data
    classifier = metrics.classifier_for(everything, data_dir=config.data_dir)
    with bar(f"{name}: measuring {n:,} samples"):
        quality = metrics.quality(samples, run.data, run.model.pixels, classifier, rng)
    return Entry(run, run.evaluate() | quality, samples, seconds)


_HEADER = (
    "model",
    "family",
    "parameters",
    "pixels shown as",
    "nats / image",
    "bits / dim",
    "FID",
    "inception score",
    "precision",
    "recall",
    "training, s",
    "1,000 samples, s",
)


def _cells(entry: Entry) -> list[str]:
    numbers = entry.numbers
    nats = bits = "none"
    if "nll" in numbers:
        sign = "" if entry.model.likelihood == "exact" else "≤\N{NO-BREAK SPACE}"
        nats = f"{sign}{numbers['nll']:.2f} ±\N{NO-BREAK SPACE}{numbers['intervals']['nll']:.2f}"
        bits = f"{sign}{metrics.bits_per_dim(numbers['nll'], numbers['pixels']):.3f}"
    return [
        entry.name,
        entry.run.config.model,
        f"{numbers['parameters']:,}",
        numbers["pixel_form"],
        nats,
        bits,
        _with_interval(numbers, "fid"),
        _with_interval(numbers, "is"),
        f"{numbers['precision']:.2f}",
        f"{numbers['recall']:.2f}",
        _seconds(numbers["train_seconds"]),
        _seconds(entry.sample_seconds),
    ]


def _seconds(seconds: float) -> str:
    """Two digits or more, and never a power of ten."""
    if seconds >= 9.95:
        return f"{seconds:,.0f}"
    return np.format_float_positional(seconds, 2, fractional=False, trim="0")


def _with_interval(numbers: dict[str, Any], key: str) -> str:
    low, high = numbers[f"{key}_interval"]
    return f"{numbers[key]:.2f} ({low:.2f}\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}{high:.2f})"


def _title(entries: Sequence[Entry]) -> str:
    return f"Generative models of {' and '.join(dict.fromkeys(e.run.config.data for e in entries))}"


def _notes(entries: Sequence[Entry]) -> list[str]:
    """What the numbers rest on; each way of showing the pixels has its own floor and ceiling."""
    first = entries[0].numbers
    references = {e.numbers["pixel_form"]: e.numbers for e in entries}
    return [
        "Nats: mean over the test images, with the 95% interval of that mean; ≤ marks a bound. "
        "Comparable only where the pixels are shown alike.",
        *(
            f"{numbers['data']}, {pixel_form}: FID of training against test images (the floor) "
            f"{numbers['floor']:.2f}, of pixels drawn independently (the ceiling) "
            f"{numbers['ceiling']:.2f}"
            + (
                f"; factorised model {numbers['factorised_nll']:.2f} nats"
                if any("nll" in e.numbers for e in entries if e.numbers["pixel_form"] == pixel_form)
                else ""
            )
            + "."
            for pixel_form, numbers in references.items()
        ),
        f"FID, inception score (at most the number of classes), precision and recall: "
        f"{first['images']:,} images each, features of our classifier "
        f"({first['fingerprint']}), 95% bootstrap intervals.",
    ]


def _overview(entries: Sequence[Entry]) -> Figure:
    """A column for each model: its samples, its curve and its numbers."""
    count = len(entries)
    notes = "\n".join(textwrap.fill(note, 20 + 40 * count) for note in _notes(entries))
    height = 4.8 + 0.3 * len(_HEADER) + 0.18 * (notes.count("\n") + 1)
    figure = pictures.Picture(figsize=(1.4 + 2.8 * count, height), layout="constrained")
    grid = figure.add_gridspec(
        4, 1 + count, width_ratios=[1.2, *[2.8] * count],
        height_ratios=[2.3, 2.3, 0.3 * len(_HEADER), 0.18 * (notes.count("\n") + 1)],
    )  # fmt: skip
    for i, entry in enumerate(entries):
        pictures.plot_rows(figure.add_subplot(grid[0, i + 1]), _grid(entry), _called(entry))
        _draw_curve(figure.add_subplot(grid[1, i + 1]), entry)
    table = figure.add_subplot(grid[2, :])
    columns = [_HEADER, *(_cells(entry) for entry in entries)]
    centres = [0, *((1.2 + 2.8 * (i + 0.5)) / (1.2 + 2.8 * count) for i in range(count))]
    for column, x in zip(columns, centres):
        for line, cell in enumerate(column[1:]):
            table.text(x, -line, cell, ha="center" if x else "left", va="center", parse_math=False)
    for line in range(len(_HEADER)):
        table.axhline(0.5 - line, color="0.8", linewidth=0.6)
    table.set(xlim=(0, 1), ylim=(1.5 - len(_HEADER), 0.5))
    below = figure.add_subplot(grid[3, :])
    below.text(0, 1, notes, fontsize=8, va="top", transform=below.transAxes, parse_math=False)
    for axes in (table, below):
        axes.axis("off")
    figure.suptitle(_title(entries), fontsize=13)
    return figure


def _pictures(entries: Sequence[Entry]) -> list[tuple[str, list[tuple[str, Figure]]]]:
    """Those of the page: under each title one for each model, beside its name."""
    samples: list[tuple[str, Figure]] = []
    curves: list[tuple[str, Figure]] = []
    nearest: list[tuple[str, Figure]] = []
    for entry in entries:
        samples.append((entry.name, pictures.rows(_grid(entry), "")))
        curve = pictures.Picture(figsize=(3.6, 3.4), layout="constrained")
        _draw_curve(curve.subplots(), entry)
        curves.append((entry.name, curve))
        data = entry.run.data
        train = data.observe(data.train, entry.model.pixels, np.random.default_rng(0))
        train = train.reshape(data.train.shape)
        chosen = entry.samples[:NEIGHBOURS]
        closest = train[metrics.nearest(train, chosen, 1)[0][:, 0]]
        nearest.append((entry.name, pictures.rows([chosen, closest], "", ["sample", "nearest"])))
    return [
        ("Samples", samples),
        ("Training", curves),
        ("Samples and the training images nearest to them: copies would be memorised", nearest),
    ]


def _called(entry: Entry) -> str:
    """The folder, and the family if that says something else."""
    family = entry.run.config.model
    return pictures.escape(entry.name if entry.name == family else f"{entry.name} ({family})")


def _grid(entry: Entry) -> list[np.ndarray]:
    return np.split(entry.samples[: ACROSS * ACROSS], ACROSS)


def _draw_curve(axes: Any, entry: Entry) -> None:
    panel = entry.run.report.panels()[0]
    pictures.plot_panel(axes, read_metrics(entry.run.directory), entry.run.steps_per_epoch, panel)


def _embedded(figure: Figure) -> str:
    """A picture as a data URL, so that the page is one file."""
    return "data:image/png;base64," + base64.b64encode(pictures.to_bytes(figure, ".png")).decode()


_PAGE = Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"), autoescape=True)
