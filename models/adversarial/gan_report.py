"""What a GAN leaves out, as a picture: its images, and the classes that are found among them."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autograd import Array
from models import metrics, pictures
from models.data import Dataset
from models.data.ring import COVERED_SHARE, Points
from models.model import Model

ACROSS = 8  # images shown in each direction
JUDGED = 1000  # images whose classes are counted


def draw(model: Model, data: Dataset, test: Array, rng: np.random.Generator) -> dict[str, Figure]:
    """Samples (with a row for each class of a conditional GAN), and if it can be, their classes."""
    title = model.title(data)
    if isinstance(data, Points):
        sets = {"test data": data.test, "samples G(z)": model.sample(len(data.test), rng)}
        return {"samples": pictures.scatter(data, sets, title)}
    samples = model.draw_samples(data, test, rng, f"{title}\nsamples G(z)")
    if not data.classes:
        return {"samples": samples}
    shown = data.test[rng.permutation(len(data.test))[:JUDGED]]
    real = data.observe(shown, model.shown, rng).reshape(-1, *data.image_shape)
    sets = {"test images": real, "samples G(z)": model.sample(JUDGED, rng)}
    found = f"{title}\nand the classes that a classifier finds"
    return {"samples": samples, "classes": draw_classes(data, sets, found)}


def class_counts(data: Dataset, images: np.ndarray) -> np.ndarray:
    """How many of the images (n, height, width) in [0, 1] a classifier takes for each class."""
    found = metrics.classifier_for(data).probabilities(images).argmax(1)
    return np.bincount(found, minlength=data.classes)


def classes_covered(counts: np.ndarray) -> int:
    """How many classes have at least the part COVERED_SHARE of an equal share."""
    return int((counts >= COVERED_SHARE * counts.sum() / len(counts)).sum())


def draw_classes(data: Dataset, sets: Mapping[str, np.ndarray], title: str) -> Figure:
    """Sets of images (n, height, width) side by side, with their classes on one scale."""
    figure = pictures.Picture(figsize=(0.4 * pictures.WIDTH * len(sets), 4.8), layout="constrained")
    grid = figure.subplots(2, len(sets), squeeze=False, height_ratios=(5, 2), sharey="row")
    for (name, images), above, below in zip(sets.items(), *grid):
        draw_set(above, below, images, class_counts(data, images), name)
        if data.class_names:
            names = [pictures.escape(name) for name in data.class_names]
            below.set_xticks(range(len(names)), names, rotation=90)
    figure.suptitle(title, fontsize=11)
    return figure


def draw_set(above: Axes, below: Axes, images: np.ndarray, counts: np.ndarray, title: str) -> None:
    """Some of the images, and below them the share of each class; dashed, an equal share.

    Where the axes below are to be compared they share their y axis: it has room for the largest.
    """
    shown = images[: ACROSS * ACROSS]
    pictures.plot_rows(
        above, [shown[start : start + ACROSS] for start in range(0, len(shown), ACROSS)], title
    )
    shares = counts / counts.sum()
    below.bar(range(len(counts)), shares, color=pictures.COLORS[0])
    below.axhline(1 / len(counts), color=pictures.GREY, linestyle="--", linewidth=1)
    below.set_ylim(0, max(0.35, below.get_ylim()[1], 1.05 * shares.max()))
    below.set_ylabel("share")
    below.set_xticks(range(len(counts)))
    below.set_xlabel(f"classes {classes_covered(counts)} of {len(counts)}")
    below.spines[["top", "right"]].set_visible(False)
