"""The page: the table, and pictures of each model under the same titles."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jinja2 import Template
from matplotlib.figure import Figure

from models import metrics, pictures
from models.cli.comparison.entry import Entry, Given, examine_all
from models.cli.comparison.overview import COLUMNS, in_rows, overview, plot_curve
from models.cli.comparison.table import notes_of, row_of, title_of
from models.data import Points
from models.files import replacing
from models.training.run import Run

TEST_IMAGES = 200  # for the mean distance to the nearest training image


def write(
    runs: Sequence[Run], n: int, seed: int, page: Path, picture: Path, given: Given = None
) -> list[Path]:
    """Compare by `n` samples of each, on a page and in a picture; returns their paths.

    `given` are features that a person brings, for `metrics.features_for`.
    """
    entries = examine_all(runs, n, seed, given)
    pictures.save(overview(entries), picture)
    plots = PICTURES if isinstance(runs[0].data, Points) else PICTURES | OF_IMAGES
    content = _PAGE.render(
        title=title_of(entries),
        table=[row_of(entry) for entry in entries],
        notes=notes_of(entries),
        pictures={
            title: {entry.name: pictures.data_url(plot(entry)) for entry in entries}
            for title, plot in plots.items()
        },
    )
    with replacing(page) as unfinished:
        unfinished.write_text(content, encoding="utf-8")
    return [page, picture]


def figure(runs: Sequence[Run], n: int = 1000, seed: int = 0, features: Given = None) -> Figure:
    """The picture that `write` makes: a column for each run."""
    return overview(examine_all(runs, n, seed, features))


def _samples(entry: Entry) -> Figure:
    data = entry.run.data
    if isinstance(data, Points):
        return pictures.scatter(data, {"samples": entry.samples}, "")
    return pictures.rows(in_rows(entry), "", ink=data.ink)


def _curve(entry: Entry) -> Figure:
    figure = pictures.Picture(figsize=(3.6, 3.4), layout="constrained")
    plot_curve(figure.subplots(), entry)
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


PICTURES = {"Samples": _samples, "Training": _curve}
"""The pictures that the page has of each model, by their titles."""

OF_IMAGES = {
    "Samples and the training images nearest to them: at a distance of 0 they are copies": _nearest
}
"""And those that it has of images only."""

_PAGE = Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"), autoescape=True)
