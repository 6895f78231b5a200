"""Trained models side by side: a page with their samples, curves and numbers, and a picture of it.

What of the table may be compared: nats only where the pixels were shown alike, and FID, inception
score, precision and recall only with the same classifier, of which the page says which.
"""

import base64
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Template
from matplotlib.figure import Figure

from models import figures, metrics
from models.errors import UsageError
from models.files import replacing
from models.model import Model
from models.training import Run, read_metrics

ACROSS = 6  # samples in a row and in a column
NEIGHBOURS = 10  # samples shown beside their nearest training images


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


def write(runs: Sequence[Run], n: int, seed: int, page: Path) -> list[Path]:
    """Compare by `n` samples of each; returns the paths of the page and its picture.

    Raises UsageError for points instead of images, and for images of unequal size.
    """
    shapes = {run.config.data: run.data.image_shape for run in runs}
    if flat := [name for name, shape in shapes.items() if len(shape) == 1]:
        raise UsageError(f"{', '.join(flat)}: compare is for images, not for points of the plane")
    if len(set(shapes.values())) > 1:
        sizes = ", ".join(f"{name} {h} x {w}" for name, (h, w) in shapes.items())
        raise UsageError(f"images of unequal size cannot be compared: {sizes}")
    entries = [_examine(run, n, seed) for run in runs]
    picture = page.with_suffix(".png")
    figures.save(_overview(entries), picture)
    content = _PAGE.render(
        title=_title(entries),
        header=_HEADER,
        table=[_cells(entry) for entry in entries],
        notes=_notes(entries),
        pictures=[(title, _embedded(figure)) for title, figure in _pictures(entries)],
    )
    with replacing(page) as unfinished:
        unfinished.write_text(content, encoding="utf-8")
    return [page, picture]


def _examine(run: Run, n: int, seed: int) -> Entry:
    rng = np.random.default_rng(seed)
    run.model.draws(2, rng)  # compiles what is not compiled yet
    started = time.perf_counter()
    samples = run.model.draws(n, rng)
    seconds = (time.perf_counter() - started) * 1000 / n
    classifier = metrics.classifier_for(run.data, data_dir=run.config.data_dir)
    quality = metrics.quality(samples, run.data, run.model.shown, classifier, rng)
    return Entry(run, run.evaluate() | quality, samples, seconds)


_HEADER = (
    "model",
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
        sign = "" if entry.model.exact else "≤ "
        nats = f"{sign}{numbers['nll']:.2f} ± {numbers['intervals']['nll']:.2f}"
        bits = f"{sign}{metrics.bits_per_dim(numbers['nll'], numbers['pixels']):.3f}"
    return [
        entry.name,
        f"{numbers['parameters']:,}",
        numbers["shown"],
        nats,
        bits,
        _with_interval(numbers, "fid"),
        _with_interval(numbers, "is"),
        f"{numbers['precision']:.2f}",
        f"{numbers['recall']:.2f}",
        f"{numbers['train_seconds']:.0f}",
        f"{entry.sample_seconds:.2g}",
    ]


def _with_interval(numbers: dict[str, Any], key: str) -> str:
    low, high = numbers[f"{key}_interval"]
    return f"{numbers[key]:.2f} ({low:.2f} to {high:.2f})"


def _title(entries: Sequence[Entry]) -> str:
    return f"Generative models of {' and '.join(dict.fromkeys(e.run.config.data for e in entries))}"


def _notes(entries: Sequence[Entry]) -> list[str]:
    """What the numbers rest on; each way of showing the pixels has its own floor and ceiling."""
    first = entries[0].numbers
    references = {e.numbers["shown"]: e.numbers for e in entries}
    return [
        "Nats: mean over the test images, with the 95% interval of that mean; ≤ marks a bound. "
        "Comparable only where the pixels are shown alike.",
        *(
            f"{numbers['data']}, {shown}: FID of training against test images (the floor) "
            f"{numbers['floor']:.2f}, of pixels drawn independently (the ceiling) "
            f"{numbers['ceiling']:.2f}"
            + (
                f"; factorised model {numbers['factorised_nll']:.2f} nats"
                if any("nll" in e.numbers for e in entries if e.numbers["shown"] == shown)
                else ""
            )
            + "."
            for shown, numbers in references.items()
        ),
        f"FID, inception score (at most the number of classes), precision and recall: "
        f"{first['images']:,} images each, features of our classifier "
        f"({first['fingerprint']}), 95% bootstrap intervals.",
    ]


def _overview(entries: Sequence[Entry]) -> Figure:
    """Samples, curves and the table in one picture."""
    count = len(entries)
    figure = Figure(figsize=(max(3.6 * count, 13), 8.6 + 0.34 * count))
    heights = [3.2, 2.6, 0.42 * (count + 1) + 0.25 * len(_notes(entries))]
    parts: Any = figure.subfigures(3, 1, height_ratios=heights, hspace=0.02)
    top, middle, bottom = parts
    figure.suptitle(_title(entries), fontsize=14, y=1.02)
    for axes, entry in zip(top.subplots(1, count, squeeze=False)[0], entries):
        figures.draw_rows(axes, _grid(entry), f"{entry.name}: samples")
    for axes, entry in zip(middle.subplots(1, count, squeeze=False)[0], entries):
        _draw_curve(axes, entry)
    middle.subplots_adjust(wspace=0.3, bottom=0.18)
    axes = bottom.subplots()
    axes.axis("off")
    table = axes.table(
        [_cells(entry) for entry in entries], colLabels=_HEADER, loc="upper center", edges="B"
    )
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    table.auto_set_column_width(range(len(_HEADER)))
    table.scale(1, 1.5)
    axes.text(0, 0, "\n".join(_notes(entries)), fontsize=8.5, va="bottom", transform=axes.transAxes)
    return figure


def _pictures(entries: Sequence[Entry]) -> list[tuple[str, Figure]]:
    """Those of the page, with their titles."""
    count = len(entries)
    samples = Figure(figsize=(3.6 * count, 3.9))
    for axes, entry in zip(samples.subplots(1, count, squeeze=False)[0], entries):
        figures.draw_rows(axes, _grid(entry), entry.name)
    curves = Figure(figsize=(4.4 * count, 3.6))
    for axes, entry in zip(curves.subplots(1, count, squeeze=False)[0], entries):
        _draw_curve(axes, entry)
    nearest = Figure(figsize=(7, 1.9 * count))
    for axes, entry in zip(nearest.subplots(count, 1, squeeze=False)[:, 0], entries):
        data, shown = entry.run.data, entry.numbers["shown"]
        train = data.observe(data.train, entry.model.shown, np.random.default_rng(0))
        train = train.reshape(data.train.shape)
        chosen = entry.samples[:NEIGHBOURS]
        closest = train[metrics.nearest(train, chosen, 1)[0][:, 0]]
        figures.draw_rows(axes, [chosen, closest], f"{entry.name} ({shown})", ["sample", "nearest"])
    for figure in (curves, nearest):
        figure.tight_layout()
    return [
        ("Samples", samples),
        ("Training", curves),
        ("Samples and the training images nearest to them: copies would be memorised", nearest),
    ]


def _grid(entry: Entry) -> list[np.ndarray]:
    return np.split(entry.samples[: ACROSS * ACROSS], ACROSS)


def _draw_curve(axes: Any, entry: Entry) -> None:
    panel = entry.model.panels(entry.run.baseline)[0]
    lines = read_metrics(entry.run.directory)
    figures.draw_panel(axes, lines, entry.run.steps_per_epoch, panel)
    axes.set_title(f"{entry.name}: {panel.title}", fontsize=11, loc="left")


def _embedded(figure: Figure) -> str:
    """A picture as a data URL, so that the page is one file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=figures.PIXELS_PER_INCH, bbox_inches="tight")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


_PAGE = Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"), autoescape=True)
