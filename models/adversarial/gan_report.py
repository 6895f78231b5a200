"""The report of a GAN: the game, its samples, and the classes that they leave out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autograd import Array, Rng
from models import metrics, pictures
from models.adversarial.gan import GAN
from models.adversarial.losses import LOSSES
from models.data import Dataset, Points
from models.data.ring import COVERED_SHARE
from models.pictures import Panel
from models.report import Report, Row

GRID = 8  # images in each direction
MAX_CLASSIFIED = 1000  # images whose classes are counted


class GANReport(Report):
    model: GAN
    first = "discriminator_loss"
    real, fake, player = "x", "G(z)", "G"  # what D judges, and whom it plays against

    @property
    def loss(self) -> str:
        return self.model.settings.loss

    @property
    def model_name(self) -> str:
        name = self.loss.upper() if LOSSES[self.loss].has_critic else f"GAN ({self.loss})"
        return f"{self.conditional}{name}"

    @property
    def names(self) -> dict[str, str]:
        d = "f" if LOSSES[self.loss].has_critic else "D"
        return super().names | {
            "discriminator_loss": "D loss",
            "generator_loss": f"{self.player} loss",
            "d_real": f"{d}({self.real})",
            "d_fake": f"{d}({self.fake})",
        }

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        names, loss_of_d = self.names, numbers["discriminator_loss"]
        if LOSSES[self.loss].has_critic:
            return [
                Row(
                    f"{names['d_real']} - {names['d_fake']}", -loss_of_d, "the critic's difference"
                ),
                Row(f"  {names['d_real']}", numbers["d_real"]),
                Row(f"  {names['d_fake']}", numbers["d_fake"]),
            ]
        sign = "-" if self.loss == "minimax" else ""
        return [
            Row(names["d_real"], numbers["d_real"], "1/2 where D cannot tell"),
            Row(names["d_fake"], numbers["d_fake"], "1/2 too"),
            Row(
                f"{names['discriminator_loss']}, the sum of both terms", loss_of_d, "log 4 = 1.386"
            ),
            Row(
                names["generator_loss"],
                numbers["generator_loss"],
                f"{sign}log 2 = {sign}0.693 where D cannot tell",
            ),
        ]

    def panels(self) -> list[Panel]:
        losses = {"discriminator_loss": "D, sum of both terms", "generator_loss": self.player}
        if LOSSES[self.loss].has_critic:  # G's is -E f(G(z)), and f may have any constant added
            unit, name = "units of the critic f", f"E f({self.real}) $-$ E f({self.fake})"
            return [
                Panel(name, unit, {"wasserstein": "train"}, lines={"0": 0.0}),
                Panel("loss of D", unit, {"discriminator_loss": "train"}),
                Panel(f"loss of {self.player}", unit, {"generator_loss": "train"}),
            ]
        lines = dict(LOSSES[self.loss].equilibrium)
        if self.model.settings.feature_matching:  # G has another loss
            lines = {"log 4": lines["log 4"]}
        outputs = {key: self.names[key] for key in ("d_real", "d_fake")}
        return [
            Panel("losses", "nats", losses, lines=lines),
            Panel("output of D", "probability", outputs, lines={"1/2": 0.5}),
        ]

    def pictures(self, images: Array, rng: Rng) -> dict[str, Figure]:
        """Samples, and of images with labels the classes among them."""
        model, data = self.model, self.data
        samples = {"samples": self.samples(images, rng, "samples G(z)")}
        if isinstance(data, Points) or not data.classes:
            return samples
        some = data.test[rng.permutation(len(data.test))[:MAX_CLASSIFIED]]
        real = data.observe(some, model.pixels, rng).reshape(-1, *data.image_shape)
        sets = {"test images": real, "samples G(z)": model.sample(MAX_CLASSIFIED, rng)}
        title = f"{self.title}\nand the classes that a classifier finds"
        return samples | {"classes": plot_classes(data, sets, title)}


def class_counts(data: Dataset, images: np.ndarray) -> np.ndarray:
    """How many of the images (n, height, width) in [0, 1] a classifier takes for each class."""
    found = metrics.classifier_for(data).probabilities(images).argmax(1)
    return np.bincount(found, minlength=data.classes)


def classes_covered(counts: np.ndarray) -> int:
    """How many classes have at least the part COVERED_SHARE of an equal share."""
    return int((counts >= COVERED_SHARE * counts.sum() / len(counts)).sum())


def plot_classes(data: Dataset, sets: Mapping[str, np.ndarray], title: str) -> Figure:
    """Sets of images (n, height, width) side by side, with their classes on one scale."""
    figure = pictures.Picture(figsize=(0.4 * pictures.WIDTH * len(sets), 4.8), layout="constrained")
    grid = figure.subplots(2, len(sets), squeeze=False, height_ratios=(5, 2), sharey="row")
    for (name, images), above, below in zip(sets.items(), *grid):
        plot_set(above, below, images, class_counts(data, images), name, data.ink)
        if data.class_names:
            names = [pictures.escape(name) for name in data.class_names]
            below.set_xticks(range(len(names)), names, rotation=90)
    figure.suptitle(title, fontsize=11)
    return figure


def plot_set(
    above: Axes, below: Axes, images: np.ndarray, counts: np.ndarray, title: str, ink: bool = True
) -> None:
    """Some of the images, and below them the share of each class; dashed, an equal share.

    Where the axes below are to be compared they share their y axis: it has room for the largest.
    """
    some = images[: GRID * GRID]
    pictures.plot_rows(above, np.split(some, range(GRID, len(some), GRID)), title, ink=ink)
    shares = counts / counts.sum()
    below.bar(range(len(counts)), shares, color=pictures.COLORS[0])
    below.axhline(1 / len(counts), color=pictures.GREY, linestyle="--", linewidth=1)
    covered = f"classes {classes_covered(counts)} of {len(counts)}"
    below.set(xlabel=covered, ylabel="share", xticks=range(len(counts)))
    below.set_ylim(0, max(0.35, below.get_ylim()[1], 1.05 * shares.max()))
    below.spines[["top", "right"]].set_visible(False)
