"""Dataset: images to learn from, and the forms in which a model can get their pixels.

A pixel is one of `levels` integers; in colour it has three of them, R, G and B. A likelihood model
needs pixels that its likelihood describes, so they come in one of four forms, and every number of
nats is reported with its form:

- fixed: 0 or 1, the level rounded, the same each time;
- dynamic: 0 or 1, a Bernoulli sample with the level as its probability, new each time;
- levels: the level itself, as level / (levels - 1);
- dequantised: (level + u) / levels with uniform noise u ~ U[0, 1), for a density model.

An image is (height, width), or (height, width, 3) in colour. A model gets it flat, in that order.
"""

import dataclasses
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from models.errors import UsageError

Shape = tuple[int, ...]

Labels = np.ndarray | None
"""Classes of N images, integers (N,); None for images without classes."""

MANY = 60_000  # images, the most that are looked at as a whole: a set may be larger than memory

MOST_CLASSES = 100_000  # a label beyond it is a mistake

PIXELS = ("fixed", "dynamic", "levels", "dequantised")


def batches(count: int, size: int) -> Iterator[slice]:
    """Slices of `size` that cover `count` in order; the last may be shorter."""
    return (slice(start, start + size) for start in range(0, count, size))


def channels_of(shape: Shape) -> int:
    """The numbers that a pixel has: 3 in colour, 1 in grey."""
    return shape[2] if len(shape) == 3 else 1


def planes(x: Any, shape: Shape) -> Any:
    """Flat images (N, pixels) of `shape` as (N, channels, height, width), for convolutions."""
    if channels_of(shape) == 1:
        return x.reshape((len(x), 1, *shape[:2]))
    return x.reshape((len(x), *shape)).transpose((0, 3, 1, 2))


def flat(x: Any) -> Any:
    """The inverse of `planes`: (N, channels, height, width) to (N, pixels)."""
    return (x if x.shape[1] == 1 else x.transpose((0, 2, 3, 1))).reshape((len(x), -1))


@dataclass(frozen=True, repr=False)
class Dataset:
    """Images as integers 0 .. levels - 1, uint8; labels (N,), or None.

    They are (N, height, width), or (N, height, width, 3) in colour. `ink` tells pictures that 0 is
    paper. Raises UsageError for arrays that are anything else.
    """

    name: str
    levels: int
    train: np.ndarray
    test: np.ndarray
    train_labels: Labels = None
    test_labels: Labels = None
    class_names: tuple[str, ...] = ()  # where there are none, a class is called by its number
    ink: bool = False
    origin: str = ""  # how the images were made of files, for `describe`
    known_checksum: str = ""  # where it has been computed before
    test_names: tuple[str, ...] = ()  # of the files of the test images, where they have some

    def __post_init__(self) -> None:
        if not 2 <= self.levels <= 256:
            raise UsageError(f"{self.name}: levels={self.levels}: a pixel has 2 to 256 values")
        for part, images in (("train", self.train), ("test", self.test)):
            self._check_images(f"{self.name}, {part}", images)
        if self.train.shape[1:] != self.test.shape[1:]:
            raise UsageError(
                f"{self.name}: training images of {self.train.shape[1:]} and test images of "
                f"{self.test.shape[1:]}: they must have one size"
            )
        self._check_labels()
        if self.class_names and len(self.class_names) < self.classes:
            raise UsageError(
                f"{self.name}: {len(self.class_names)} class_names for {self.classes} classes"
            )

    def _check_images(self, part: str, images: Any) -> None:
        if not isinstance(images, np.ndarray):
            raise UsageError(f"{part}: a {type(images).__name__}: give np.array(images)")
        if images.dtype != np.uint8:
            raise UsageError(
                f"{part}: pixels of {images.dtype}{_range(images)}: they must be levels, uint8; "
                + _conversion(images.dtype.kind, self.levels)
            )
        if (images.ndim != 3 and images.shape[3:] != (3,)) or images.size == 0:
            raise UsageError(
                f"{part}: images of shape {images.shape}: they must be "
                "(N, height, width), or (N, height, width, 3) in colour"
            )
        if self.levels < 256 and (largest := images.max()) >= self.levels:
            raise UsageError(
                f"{part}: a pixel is {largest}, and {self.levels} levels "
                f"are 0 to {self.levels - 1}: give a larger number of levels"
            )

    def _check_labels(self) -> None:
        if (self.train_labels is None) != (self.test_labels is None):
            raise UsageError(
                f"{self.name}: give labels for both training and test images, or for neither"
            )
        for part in ("train", "test"):
            images, labels = getattr(self, part), getattr(self, f"{part}_labels")
            if labels is None:
                continue
            if not isinstance(labels, np.ndarray):
                kind = type(labels).__name__
                raise UsageError(f"{self.name}, {part}: labels in a {kind}: give np.array(labels)")
            if labels.shape != (len(images),):
                raise UsageError(
                    f"{self.name}, {part}: labels of shape {labels.shape} "
                    f"for {len(images):,} images: give one for each, ({len(images)},)"
                )
            if labels.dtype.kind not in "iu" or labels.min() < 0:
                raise UsageError(
                    f"{self.name}, {part}: labels of {labels.dtype}{_range(labels)}: "
                    "they must be integers from 0; from names: np.unique(names, "
                    "return_inverse=True)[1]"
                )
            if labels.max() >= MOST_CLASSES:
                raise UsageError(
                    f"{self.name}, {part}: labels up to {labels.max()}: number the classes from 0"
                )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.name!r}: {len(self.train):,} to train on and "
            f"{len(self.test):,} to test, of shape {self.image_shape}, {self.levels} levels, "
            f"{self.classes} classes)"
        )

    @property
    def excerpt(self) -> np.ndarray:
        """The first training images, as many as take no more memory than MANY of 28 x 28."""
        return self.train[: MANY * 28 * 28 // math.prod(self.image_shape)]

    @property
    def image_shape(self) -> Shape:
        return self.train.shape[1:]

    @property
    def channels(self) -> int:
        return channels_of(self.image_shape)

    @property
    def classes(self) -> int:
        """The number of classes; 0 for images without labels."""
        if self.train_labels is None or self.test_labels is None:
            return 0
        return int(max(self.train_labels.max(), self.test_labels.max())) + 1

    def class_name(self, label: int) -> str:
        return self.class_names[label] if self.class_names else str(label)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the training and the test images; of a person's own, of their labels too."""
        if self.known_checksum:
            return self.known_checksum
        checksum = hashlib.sha256()
        for images in (self.train, self.test):
            for batch in batches(len(images), MANY):
                checksum.update(images[batch].tobytes())
        return checksum.hexdigest()

    def first(self, count: int) -> Self:
        """The data set of the first `count` training and the first `count` test images."""
        parts = ("train", "test", "train_labels", "test_labels")
        arrays = {part: getattr(self, part) for part in parts}
        cut = {part: array[:count] for part, array in arrays.items() if array is not None}
        names = self.test_names[:count]
        return dataclasses.replace(self, **cut, known_checksum="", test_names=names)

    def observe(self, images: np.ndarray, pixels: str, rng: np.random.Generator) -> np.ndarray:
        """Images (N, *image_shape) as a model gets them: flat, (N, pixels), float32 in [0, 1].

        In colour the three numbers of a pixel stand beside each other.

        `pixels` is one of the four forms that the module describes.
        """
        flat = images.reshape(len(images), -1)
        if pixels == "levels":
            return flat.astype(np.float32) / (self.levels - 1)
        if pixels == "fixed":
            return (2 * flat.astype(np.float32) > self.levels - 1).astype(np.float32)
        noise = rng.random(flat.shape, dtype=np.float32)
        if pixels == "dynamic":
            return (noise * (self.levels - 1) < flat).astype(np.float32)
        if pixels == "dequantised":
            return ((flat + noise) / self.levels).astype(np.float32)
        raise UsageError(f"pixels={pixels}: choose one of {', '.join(PIXELS)}")

    def describe(self, pixels: str) -> str:
        """The form of the pixels, in the words to print beside a number of nats."""
        fixed = "Larochelle's" if self.name == "binarized-mnist" else "pixel > 1/2"
        levels = f"{self.levels} {'grey levels' if self.channels == 1 else 'levels of R, G and B'}"
        form = {
            "fixed": f"fixed binarisation ({fixed})",
            "dynamic": "dynamic binarisation",
            "levels": levels,
            "dequantised": f"{levels}, uniformly dequantised",
        }[pixels]
        return f"{form}, {self.origin}" if self.origin else form


def _range(values: np.ndarray) -> str:
    """The least and the largest, to print."""
    numbers = values.size and values.dtype.kind in "biuf"
    return f" from {values.min():g} to {values.max():g}" if numbers else ""


def _conversion(kind: str, levels: int) -> str:
    """What to write for arrays of this kind of dtype."""
    if kind == "f":
        return f"from floats in [0, 1]: np.rint(x * {levels - 1}).astype(np.uint8)"
    if kind in "biu":
        return f"from integers 0 to {levels - 1}: x.astype(np.uint8)"
    return f"give an array of numbers: np.array(images, np.uint8), of one shape, 0 to {levels - 1}"


def in_form(samples: np.ndarray, pixels: str) -> np.ndarray:
    """A model's samples in [0, 1] in the form `pixels`: binary ones are rounded."""
    binary = pixels in ("fixed", "dynamic")
    return (samples > 0.5).astype(np.float32) if binary else samples
