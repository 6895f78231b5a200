"""What a person is shown of a model: a table, training curves and pictures.

The defaults fit every family; a family with more to show has a Report of its own.
"""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, Rng, to_device
from models import pictures
from models.data import Dataset, Points, baseline
from models.outputs.sampling import classes_in_turn, sample
from models.pictures import Panel

IMAGES_PER_ROW = 12  # of a picture
CLASSES_SHOWN = 24  # in a picture


class Row(NamedTuple):
    """A line of the table: a name, a number, and a remark."""

    name: str
    value: float
    remark: str = ""


class Report:
    """The report of a model that was trained on these data."""

    first, unit = "", ""  # the key of the number that comes first, if it is another, and its unit

    def __init__(self, model: Any, data: Dataset):
        self.model, self.data = model, data

    @property
    def names(self) -> dict[str, str]:
        """What the numbers of `evaluate` are called, by their keys."""
        x = "x|y" if self.model.classes else "x"
        at_most = "" if self.model.nll_is_exact else ", at most"
        return {"loss": "loss", "nll": f"-log p({x}){at_most}"}

    @property
    def headline(self) -> tuple[str, str]:
        """The number that comes first after an epoch: its key, and its name with the unit."""
        key = self.first or ("nll" if self.model.likelihood else "loss")
        return key, f"{self.names[key]}{self.unit}"

    def line(self, numbers: Mapping[str, float]) -> str:
        """Numbers of `evaluate` after an epoch, the headline first."""
        key, name = self.headline
        names = {key: name, **{k: self.names.get(k, k) for k in numbers if k != key}}
        return ", ".join(f"{name} {numbers[k]:.2f}" for k, name in names.items())

    @property
    def model_name(self) -> str:
        """In a title, with the setting that matters most."""
        return f"{self.conditional}{type(self.model).__name__}"

    @property
    def conditional(self) -> str:
        """Begins that name if the model is given classes, unless it says so by itself."""
        return "conditional " * bool(self.model.classes)

    @property
    def sampler(self) -> str:
        """How samples are made, in a title, if there is a choice."""
        return ""

    @property
    def title(self) -> str:
        """The model, the data, and the form of their pixels."""
        described = self.data.describe(self.model.pixels)
        return f"{self.model_name} on {pictures.escape(self.data.name)}, {described}"

    @cached_property
    def baseline(self) -> float | None:
        """The factorised model's test NLL, nats per image; None for points."""
        if isinstance(self.data, Points):
            return None
        return baseline.test_nll(self.data, self.model.pixels)

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        """The table of what `evaluate` found, averaged over the test images."""
        key, name = self.headline
        return [Row(name, numbers[key], self.bits_per_dim(numbers[key]) if key == "nll" else "")]

    def bits_per_dim(self, nats: float) -> str:
        """Of an image; a point has no levels to be coded, and "nats" is all there is to say."""
        if isinstance(self.data, Points):
            return "nats"
        return f"{nats / math.log(2) / math.prod(self.model.shape):.3f} bits/dim"

    @property
    def loss_curve(self) -> Panel:
        return Panel("loss", "", {"loss": "train"})

    def panels(self) -> list[Panel]:
        """The training curves."""
        key, name = self.headline
        if key == "loss":
            return [Panel("loss", "", {"loss": "train"}, {"loss": "test"})]
        unit = f"nats per {'point' if isinstance(self.data, Points) else 'image'}"
        line = self.baseline_line
        return [
            self.loss_curve,
            Panel(pictures.typeset(name), unit, {}, {key: "test"}, line),
        ]

    @property
    def baseline_line(self) -> dict[str, float]:
        """The level line of the factorised model, for a panel of nats."""
        nats = self.baseline
        return {} if nats is None else {f"factorised model {nats:.2f}": nats}

    def pictures(self, images: Array, rng: Rng) -> dict[str, Figure]:
        """Pictures by their names, of files without a suffix.

        `images` (N, pixels) are the test images in the model's form, on its device.
        """
        return {"samples": self.samples(images, rng)}

    def samples(self, images: Array, rng: Rng, name: str = "samples") -> Figure:
        """Samples below test images; of a conditional model, a row of samples for each class."""
        model, data = self.model, self.data
        if isinstance(data, Points):
            sets = {"test data": data.test, "samples": model.sample_means(len(data.test), rng)}
            return pictures.scatter(data, sets, "\n".join(filter(None, (self.title, self.sampler))))
        title = f"{self.title}\n{name}"
        if model.classes:
            shown = min(model.classes, CLASSES_SHOWN)
            labels = np.repeat(np.arange(shown), IMAGES_PER_ROW)
            rows = np.split(model.sample_means(len(labels), rng, labels), shown)
            names = [pictures.escape(data.class_name(label)) for label in range(shown)]
            title += ", a class in each row"
            title += f", the first {shown} of {model.classes:,}" * (shown < model.classes)
            return pictures.rows(rows, title, names, ink=data.ink)
        some = images[rng.permutation(len(images))[:IMAGES_PER_ROW]]
        real = to_device(some, "cpu").reshape(-1, *model.shape)
        rows = [real, *np.split(model.sample_means(4 * IMAGES_PER_ROW, rng), 4)]
        return pictures.rows(rows, title, ["test\nimages", "samples"], ink=data.ink)

    def sample_figure(
        self, n: int | None = None, label: int | str | None = None, seed: int = 0
    ) -> Figure:
        """Samples alone: `n` of them, of the class `label`, or else of each class in turn.

        The class is a number or a name. By default they are 64, or 6 of each of few classes.
        Raises UsageError for a class that the model has not.
        """
        model, data = self.model, self.data
        columns: list[str] = []
        if 0 < model.classes <= CLASSES_SHOWN and label is None:  # each in turn has a column
            columns = [pictures.escape(data.class_name(c)) for c in range(model.classes)]
        n = n or 6 * len(columns) or 64
        classes = classes_in_turn(self, n, label)
        samples = sample(self, n, classes, seed)
        of_class = ""
        if label is not None and classes is not None:
            of_class = f" of class {data.class_name(classes[0])}"
        details = f"samples{pictures.escape(of_class)}", self.sampler, f"seed {seed}"
        title = f"{self.title}\n{', '.join(filter(None, details))}"
        if isinstance(data, Points):
            return pictures.scatter(data, {"samples": samples}, title)
        across = len(columns) or pictures.across(n)
        rows = np.split(samples, range(across, n, across))
        return pictures.rows(rows, title, columns=columns[:n], ink=data.ink)
