"""What a GAN leaves out, as a picture: its images, and the classes that are found among them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models import figures, metrics, plane
from models.data import Dataset
from models.model import Model
from models.plane import COVERED

ACROSS = 8  # images shown in each direction
JUDGED = 1000  # images whose classes are counted


def draw(model: Model, data: Dataset, directory: Path, rng: np.random.Generator) -> list[Path]:
    """Samples (with a row for each class of a conditional GAN), and if it can be, their classes."""
    path = directory / "samples.png"
    if isinstance(data, plane.Points):
        sets = {"data": data.test, "G(z)": model.sample(len(data.test), rng)}
        plane.scatter(data, sets, data.describe("").capitalize(), path)
        return [path]
    title = f"{data.name}: G(z), z ~ N(0, I)"
    if model.classes:
        labels = np.repeat(np.arange(model.classes), 12)
        names = [str(label) for label in range(model.classes)]
        images = model.sample(len(labels), rng, labels)
        figures.rows(np.split(images, model.classes), f"{title}, a row a class", path, names)
    else:
        figures.rows(np.split(model.sample(72, rng), 6), title, path)
    if not data.classes:
        return [path]
    shown = data.test[rng.permutation(len(data.test))[:JUDGED]]
    real = data.observe(shown, model.shown, rng).reshape(-1, *data.image_shape)
    sets = {"data": real, "G(z)": model.sample(JUDGED, rng)}
    classes = directory / "classes.png"
    draw_classes(data, sets, f"{data.name}: the classes that a classifier finds", classes)
    return [path, classes]


def class_counts(data: Dataset, images: np.ndarray) -> np.ndarray:
    """How many of the images (n, height, width) in [0, 1] a classifier takes for each class."""
    found = metrics.classifier_for(data).probabilities(images).argmax(1)
    return np.bincount(found, minlength=data.classes)


def classes_covered(counts: np.ndarray) -> int:
    """How many classes have at least the part COVERED of an equal share."""
    return int((counts >= COVERED * counts.sum() / len(counts)).sum())


def draw_classes(data: Dataset, sets: Mapping[str, np.ndarray], title: str, path: Path) -> None:
    """A picture of sets of images (n, height, width) side by side, with their classes."""
    figure = Figure(figsize=(3.4 * len(sets), 5.4), layout="constrained")
    grid = figure.subplots(2, len(sets), squeeze=False, height_ratios=(5, 2))
    for (name, images), above, below in zip(sets.items(), *grid):
        draw_set(above, below, images, class_counts(data, images), name)
    figure.suptitle(title, fontsize=11)
    figures.save(figure, path)


def draw_set(above: Axes, below: Axes, images: np.ndarray, counts: np.ndarray, title: str) -> None:
    """Some of the images, and below them the share of each class; dashed, an equal share.

    What looks like no class is counted as one all the same.
    """
    shown = images[: ACROSS * ACROSS]
    figures.draw_rows(
        above, [shown[start : start + ACROSS] for start in range(0, len(shown), ACROSS)], title
    )
    shares = counts / counts.sum()
    below.bar(range(len(counts)), shares, color="C0")
    below.axhline(1 / len(counts), color=figures.GREY, linestyle="--", linewidth=1)
    below.set(ylim=(0, max(0.35, 1.05 * shares.max())), ylabel="share")
    below.set_xticks(range(len(counts)))
    below.set_xlabel(f"classes {classes_covered(counts)} of {len(counts)}")
    below.spines[["top", "right"]].set_visible(False)
