"""What every model of this folder can do: all that training and the command line ask of one.

Images go in and come out flat or as (n, height, width), with pixels in [0, 1]; a family that
computes in other units (-1 to 1, whole levels) changes them itself. Points of the plane are the
one exception: any real numbers, (n, 2).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, Tensor, namespace, nn, optim, to_device
from models import pictures
from models.data import Dataset
from models.errors import UsageError
from models.pictures import Panel

ACROSS = 12  # images in a row of a picture
BINARISATIONS = ("fixed", "dynamic", "none")
MOST = 1e9  # of any setting: beyond it is a slip of the finger


def setting(default: Any, meaning: str, sampling: bool = False) -> Any:
    """A field of a family's Settings, with what `chainrule train --help` says of it.

    Those of `sampling` have no part in training, and `chainrule sample` takes them too.
    """
    return field(default=default, metadata={"meaning": meaning, "sampling": sampling})


def check_settings(
    settings: Any,
    choices: Mapping[str, Sequence[str]],
    bounds: Mapping[str, tuple[float, float]],
) -> None:
    """Raises UsageError for a word that is not among its choices, or a number out of bounds.

    `binarisation`, `batch`, `epochs` and the learning rates, which every family has, are checked
    too; numbers without bounds of their own are only refused beyond MOST.
    """
    for name, known in ({"binarisation": BINARISATIONS} | dict(choices)).items():
        if (value := getattr(settings, name)) not in known:
            raise UsageError(f"{name}={value}: choose one of {', '.join(known)}")
    usual = {"batch": (1, MOST), "epochs": (1, MOST), "learning_rate": (1e-12, MOST)}
    usual["final_learning_rate"] = (0, MOST)
    for name, (least, most) in (usual | dict(bounds)).items():
        value = getattr(settings, name)
        for number in value if isinstance(value, tuple) else (value,):
            if not least <= number <= most:
                raise UsageError(f"{name}={number}: must be {least:g} to {most:g}")
        if value == ():
            raise UsageError(f"{name} needs at least one number")


class Row(NamedTuple):
    """A line of a report: its name, the number, and what there is to say of it."""

    name: str
    value: float
    remark: str = ""


class Model(nn.Module):
    """A family of generative models. One loss and one optimiser, unless a family says otherwise."""

    name: ClassVar[str]
    settings_type: ClassVar[type]  # the frozen dataclass of its settings
    defaults: ClassVar[Mapping[str, Any]]  # a data set's name to the Settings known to work on it
    headline: ClassVar[tuple[str, str]]  # of the numbers of a test: the key, and what to print
    exact: ClassVar[bool] = False  # whether "nll" is the likelihood itself, and not a bound
    planar: ClassVar[bool] = False  # whether it also learns points of the plane

    settings: Any
    shape: tuple[int, ...]  # of an image, (height, width); of a point, (2,)
    levels: int  # how many values a pixel has; 0 for points
    classes: int  # how many labels it is conditioned on; 0 if on none

    @classmethod
    def for_data(cls, settings: Any, data: Dataset, rng: np.random.Generator) -> Self:
        """An untrained model for images like these. Raises UsageError if it cannot be."""
        raise NotImplementedError

    @property
    def shown(self) -> str:
        """What of the pixels the model sees, in the words of `models.data.dataset`."""
        return "grey" if self.settings.binarisation == "none" else self.settings.binarisation

    @property
    def images_a_step(self) -> int:
        return self.settings.batch

    def loss(
        self,
        x: Any,
        rng: np.random.Generator,
        epoch: float = math.inf,
        labels: np.ndarray | None = None,
    ) -> tuple[Tensor, dict[str, float]]:
        """What is minimised for a batch (N, pixels), and its named parts."""
        raise NotImplementedError

    def optimizers(self, steps: int) -> dict[str, optim.Optimizer]:
        """By name, for a training of so many steps."""
        s = self.settings
        schedule = optim.cosine_schedule(s.learning_rate, s.final_learning_rate, steps)
        return {"adam": optim.Adam(self.parameters(), schedule)}

    def update(
        self,
        x: Any,
        rng: np.random.Generator,
        epoch: float,
        labels: np.ndarray | None,
        optimizers: Mapping[str, optim.Optimizer],
    ) -> dict[str, float]:
        """One step of training on a batch; returns the loss and its parts."""
        loss, parts = self.loss(x, rng, epoch, labels)
        self.zero_grad()
        loss.backward()
        for optimizer in optimizers.values():
            optimizer.step()
        return {"loss": loss.item(), **parts}

    def test(
        self, x: Array, rng: np.random.Generator, labels: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """After each epoch: numbers for each of the images (N, pixels), (N,) each."""
        raise NotImplementedError

    def evaluate(
        self, x: Array, rng: np.random.Generator, labels: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """As `test`, with more care; numbers of several dimensions are (N, dimensions).

        A model with a likelihood, or a bound, has "nll" in nats.
        """
        return self.test(x, rng, labels)

    def report(self, numbers: Mapping[str, Any]) -> list[Row]:
        """What `evaluate` found, averaged over the test images, as lines to print."""
        raise NotImplementedError

    def panels(self, baseline: float | None) -> list[Panel]:
        """The training curves; `baseline` is the factorised model's nats per image, if any."""
        raise NotImplementedError

    def sample(
        self, n: int, rng: np.random.Generator, labels: np.ndarray | None = None
    ) -> np.ndarray:
        """Images (n, height, width) in [0, 1], or points (n, 2). `labels` (n,) are the classes."""
        raise NotImplementedError

    def draws(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Images of the kind that the model is shown, to be measured; `sample` may show means."""
        images = self.sample(n, rng)
        binary = self.shown in ("fixed", "dynamic")
        return (images > 0.5).astype(np.float32) if binary else images

    def draw(self, data: Dataset, test: Array, rng: np.random.Generator) -> dict[str, Figure]:
        """Pictures by their names, of files without a suffix.

        `test` (N, pixels) is what the model is shown of the test images, where the model is.
        """
        raise NotImplementedError

    def draw_samples(
        self, data: Dataset, test: Array, rng: np.random.Generator, title: str
    ) -> Figure:
        """Samples below test images; of a conditional model, a row of samples for each class."""
        if self.classes:
            labels = np.repeat(np.arange(self.classes), ACROSS)
            images = np.split(self.sample(len(labels), rng, labels), self.classes)
            names = [pictures.escape(data.class_name(label)) for label in range(self.classes)]
            return pictures.rows(images, f"{title}, a class in each row", names)
        real = to_device(test[rng.permutation(len(test))[:ACROSS]], "cpu").reshape(-1, *self.shape)
        images = [real, *np.split(self.sample(4 * ACROSS, rng), 4)]
        return pictures.rows(images, title, ["test\nimages", "samples"])

    @property
    def called(self) -> str:
        """Its name in a title, with the setting that matters most."""
        return self.name

    @property
    def sampled(self) -> str:
        """How samples are drawn, in a title, if there is a choice."""
        return ""

    def title(self, data: Dataset) -> str:
        """Of a picture: the model, the data, and what of their pixels it is shown."""
        return f"{self.called} on {pictures.escape(data.name)}, {data.describe(self.shown)}"

    def classes_of(self, n: int, labels: np.ndarray | None) -> np.ndarray | None:
        """`labels` if they fit; for a conditional model without any, each class in turn.

        Raises UsageError for labels of an unconditional model, and for a class out of range.
        """
        if labels is None:
            return np.arange(n) % self.classes if self.classes else None
        labels = np.asarray(labels)
        if not self.classes:
            able = hasattr(self.settings, "conditional")
            raise UsageError(
                f"this {self.name} is not conditional, so it has no classes: "
                + ("train one with --set conditional=yes" if able else f"no {self.name} has any")
            )
        if labels.shape != (n,) or labels.dtype.kind not in "iu":
            raise UsageError(f"labels of {labels.dtype}, {labels.shape}: needs {n} whole numbers")
        if labels.size and not (labels.min() >= 0 and labels.max() < self.classes):
            wrong = next(c for c in labels.tolist() if not 0 <= c < self.classes)
            raise UsageError(f"class {wrong}: the classes are 0 to {self.classes - 1}")
        return labels

    def check_pixels(self, x: Any) -> None:
        """Raises ValueError unless `x` is (N, pixels) in [0, 1], or finite if it has no levels.

        Every family calls it where images come in: in training, tests and bounds alike.
        """
        values = x.data if isinstance(x, Tensor) else x
        pixels = math.prod(self.shape)
        if values.ndim != 2 or values.shape[1] != pixels:
            raise ValueError(
                f"images of {values.shape[1:]}: this {self.name} is for {self.shape}, "
                f"flat ({pixels},)"
            )
        least, most = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
        if self.levels < 2:  # no levels: points, or any real numbers
            if not (math.isfinite(least) and math.isfinite(most)):
                raise ValueError(f"points from {least:g} to {most:g}: they must be finite")
        elif not 0 <= least <= most <= 1:
            raise ValueError(f"pixels from {least:g} to {most:g}: they must be in [0, 1]")

    def array(self, values: Any) -> Array:
        """`values` as float32, where the model is."""
        return self.xp.asarray(values, dtype=np.float32)

    @property
    def xp(self) -> Any:
        """NumPy, or CuPy if the model is on a GPU."""
        _, tensor = next(self.named_tensors())
        return namespace(tensor.data)
