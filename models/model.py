"""What every model can do. A family defines `loss` (or `update`), `sample`, and its settings.

A family with a likelihood also defines `evaluate`; one with codes, `codes` and `decode_codes`; one
that fills in what is missing, `complete`. Images go in flat, (N, pixels), and come out as
(n, height, width), or (n, height, width, 3) in colour, with pixels in [0, 1]. A family that
computes in other units (-1 to 1, whole levels) changes them itself. Points of the plane are the one
exception: any real numbers, (n, 2).
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from autograd import Array, Rng, Tensor, Values, namespace, nn, no_grad, optim, sent
from autograd.tensor import array_of
from kernels import normal
from models.data import Dataset, Labels, Points, Shape, channels_of
from models.errors import UsageError
from models.settings import CommonSettings, declarations

Loss = tuple[Tensor, dict[str, Any]]
"""A loss, and its parts by name: numbers, or arrays of one that `read` makes numbers of."""
Numbers = dict[str, np.ndarray]
"""Numbers of each image, by name: (N,) each, or (N, dimensions)."""
Optimizers = Mapping[str, optim.Optimizer]


class Model(nn.Module):
    """A generative model with one loss and one optimiser, unless a family says otherwise.

    `shape` is that of an image, (height, width) or (height, width, 3), or of a point, (2,). Each of
    its numbers has `levels` values; a point's have 0. `classes` is the number of labels that the
    model is conditioned on; 0 if none.
    """

    name: ClassVar[str] = "model"  # that of the class, in lower case
    settings_type: ClassVar[type] = CommonSettings
    defaults: ClassVar[Mapping[str, Any]] = {}  # the settings known to work on a data set
    likelihood: ClassVar[str] = ""  # "exact" or "bound" if `evaluate` has "nll"
    takes_points: ClassVar[bool] = False
    optimizer_type: ClassVar[type] = optim.Adam

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.name = cls.__name__.lower()

    def __init__(self, settings: Any, shape: Shape, levels: int, rng: Rng, classes: int = 0):
        self.settings, self.shape, self.levels, self.classes = settings, shape, levels, classes

    @classmethod
    def for_data(cls, settings: Any, data: Dataset, rng: Rng) -> Self:
        """An untrained model for images like these. Raises UsageError if it cannot be."""
        if isinstance(data, Points) and not cls.takes_points:
            raise UsageError(f"{cls.name} is for images, and {data.name} has points of the plane")
        if data.levels == 2 and settings.pixels not in ("fixed", "levels"):  # which are the same
            able = "fixed" in declarations(cls.settings_type)["pixels"].choices
            raise UsageError(
                f"pixels={settings.pixels}: {data.name} is binary already, so its pixels are fixed"
                + (" (--set pixels=fixed)" if able else f", and a {cls.name} is for levels")
            )
        conditional = getattr(settings, "conditional", False)
        if conditional and not data.classes:
            chosen = "conditional" in declarations(cls.settings_type)
            asked = "conditional=yes" if chosen else f"{cls.name} is told the class of each image"
            raise UsageError(f"{asked}: {data.name} has no labels to be conditioned on")
        classes = data.classes if conditional else 0
        return cls(settings, data.image_shape, data.levels, rng, classes)

    @property
    def channels(self) -> int:
        """3 in colour, 1 in grey."""
        return channels_of(self.shape)

    @property
    def pixels(self) -> str:
        """The form in which the model is given pixels: one of the four of `models.data`."""
        return self.settings.pixels

    @property
    def nll_is_exact(self) -> bool:
        """A density of dequantised levels bounds their probability (Theis et al. 2016)."""
        return self.likelihood == "exact" and (self.levels == 0 or self.pixels != "dequantised")

    @property
    def images_per_step(self) -> int:
        return self.settings.batch

    def loss(self, x: Any, rng: Rng, epoch: float = math.inf, labels: Labels = None) -> Loss:
        """The loss of a batch (N, pixels), a mean over it, and its named parts, in nats.

        `epoch` counts the epochs trained so far and may be fractional.
        """
        raise NotImplementedError(f"{type(self).__name__} has neither `loss` nor its own `update`")

    def optimizers(self, steps: int) -> dict[str, optim.Optimizer]:
        """By name, for a training of so many steps."""
        s = self.settings
        schedule = optim.cosine_schedule(s.learning_rate, s.final_learning_rate, steps)
        return {"adam": self.optimizer_type(self.parameters(), schedule)}

    def stage(self, epoch: float) -> int:
        """The part of the training that `epoch` is in: within one all steps do the same."""
        return 0

    def update(
        self, x: Any, rng: Rng, epoch: float, labels: Labels, optimizers: Optimizers
    ) -> dict[str, Any]:
        """One step of training on a batch; returns the loss and its parts, for `read`."""
        loss, parts = self.loss(x, rng, epoch, labels)
        self.zero_grad()
        loss.backward()
        for optimizer in optimizers.values():
            optimizer.step()
        return {"loss": loss.data, **parts}

    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """Numbers of each of the images (N, pixels); by default the loss of the batch.

        A model with a likelihood, or a bound, has "nll" in nats. It is called after each epoch,
        and `thorough` once after the training.
        """
        with no_grad():
            loss, _ = self.loss(x, rng, labels=labels)
        return {"loss": np.full(len(x), loss.item())}

    def sample(self, n: int, rng: Rng, labels: Labels = None) -> np.ndarray:
        """Images (n, *shape) in [0, 1], or points (n, 2). `labels` (n,) are the classes."""
        raise NotImplementedError(f"{type(self).__name__} has no `sample`")

    def sample_means(self, n: int, rng: Rng, labels: Labels = None) -> np.ndarray:
        """As `sample`, for pictures: without the noise of p(x|z), where a model has it."""
        return self.sample(n, rng, labels)

    def codes(self, x: Any, labels: Labels = None) -> np.ndarray:
        """The codes (N, latent) of images (N, pixels). Raises UsageError if the model has none."""
        raise UsageError(f"this {self.name} has no encoder: its images have no codes")

    @property
    def latent(self) -> int:
        """The numbers in a code: what a setting says, or else as many as an image has."""
        return getattr(self.settings, "latent", math.prod(self.shape))

    def sample_codes(self, n: int, rng: Rng) -> np.ndarray:
        """Codes (n, latent) to decode: samples of N(0, I), unless a family has another prior."""
        return rng.standard_normal((n, self.latent), dtype=np.float32)

    def decode_codes(self, z: np.ndarray, rng: Rng, labels: Labels = None) -> np.ndarray:
        """Images (n, *shape) in [0, 1] of codes (n, latent). Raises UsageError if it has none."""
        raise UsageError(f"this {self.name} has no decoder: it makes no image of a code")

    def complete(
        self, images: np.ndarray, known: np.ndarray, rng: Rng, labels: Labels = None
    ) -> np.ndarray:
        """Images (n, *shape) in [0, 1], with each pixel that is not known sampled given the others.

        `known` (height, width) or (n, height, width) is True where a pixel is given, and there it
        stays. Raises UsageError if the model cannot.
        """
        raise UsageError(f"this {self.name} cannot complete images")

    def classes_of(self, n: int, labels: Labels) -> Labels:
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

    def check_pixels(self, x: Values) -> None:
        """Raises ValueError unless `x` is (N, pixels) in [0, 1], or finite if it has no levels.

        Every family calls it where images come in: in training, tests and bounds alike. On a GPU
        the values are not looked at, since the host would have to wait for them.
        """
        values = array_of(x)
        pixels = math.prod(self.shape)
        if values.ndim != 2 or values.shape[1] != pixels:
            raise ValueError(
                f"images of {values.shape[1:]}: this {self.name} is for {self.shape}, "
                f"flat ({pixels},)"
            )
        if namespace(values) is not np:
            return
        least, most = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
        if self.levels < 2:  # no levels: points, or any real numbers
            if not (math.isfinite(least) and math.isfinite(most)):
                raise ValueError(f"points from {least:g} to {most:g}: they must be finite")
        elif not 0 <= least <= most <= 1:
            raise ValueError(f"pixels from {least:g} to {most:g}: they must be in [0, 1]")

    def array(self, values: Any) -> Array:
        """`values` as float32, on the model's device."""
        return self.xp.asarray(values, dtype=np.float32)

    def sent(self, make: Callable[[], Any], dtype: Any = np.float32) -> Array:
        """`make()` on the model's device, in each step anew: see `autograd.replay`."""
        return sent(make, self._first_array, dtype)

    def number(self, make: Callable[[], float]) -> Any:
        """`make()`, a number that changes from step to step; on a GPU an array there."""
        return make() if self.xp is np else self.sent(make)

    def normal(self, rng: Rng, shape: Shape) -> Array:
        """Samples of N(0, 1), made on the model's device."""
        return normal(shape, random_seed(rng, self._first_array), like=self._first_array)

    @property
    def xp(self) -> Any:
        """NumPy, or CuPy if the model is on a GPU."""
        return namespace(self._first_array)

    @property
    def _first_array(self) -> Array:
        _, tensor = next(self.named_tensors())
        return tensor.data


def random_seed(rng: Rng, like: Values | None = None) -> Any:
    """A seed for the kernels that make their own noise; like an array on a GPU, an array there."""

    def number() -> int:
        return int(rng.integers(2**64, dtype=np.uint64))

    on_cpu = like is None or namespace(array_of(like)) is np
    return number() if on_cpu else sent(number, array_of(like), np.uint64)
