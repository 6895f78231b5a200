"""What a person gives: images and classes, as a model gets them."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from autograd import Array, Rng
from models.data import Dataset, Labels, Points, batches
from models.errors import UsageError, printable
from models.model import Model

BATCH = 500  # images at a time: memory does not grow with their number
MAX_NAMED = 12  # classes in a message


class ModelWithData(Protocol):
    """A model and the data that it was trained on: a Run has both, and a Report."""

    model: Model
    data: Dataset


def levels_of(data: Dataset, images: Any) -> np.ndarray:
    """Images (N, *shape) as whole levels, uint8: floats are in [0, 1], integers are levels already.

    Points (N, 2) stay what they are, in float32. Raises UsageError for anything else.
    """
    found = np.asarray(images)
    found = found.astype(np.float32) if found.dtype == bool else found
    shape, kind = data.image_shape, found.dtype.kind
    if found.shape[1:] != shape or not len(found):
        needed = ", ".join(map(str, ("N", *shape)))
        one = "; of one image it is image[None]" if found.shape == shape else ""
        raise UsageError(f"images of shape {found.shape}: they must be ({needed}){one}")
    if kind not in "iuf":
        raise UsageError(f"images of {found.dtype}: they must be floats in [0, 1], or uint8 levels")
    least, most = found.min(), found.max()
    if isinstance(data, Points):
        if not np.isfinite([least, most]).all():
            raise UsageError(f"points from {least} to {most}: they must be finite")
        return found.astype(np.float32)
    top = 1 if kind == "f" else data.levels - 1
    if not 0 <= least <= most <= top:
        allowed = "floats are in [0, 1]" if kind == "f" else f"levels are 0 to {top}"
        raise UsageError(f"images of {found.dtype} from {least} to {most}: {allowed}")
    return np.rint(found * (data.levels - 1) if kind == "f" else found).astype(np.uint8)


def as_floats(data: Dataset, levels: np.ndarray) -> np.ndarray:
    """Levels of the data as floats in [0, 1]; points are what they are."""
    return levels if isinstance(data, Points) else levels / (data.levels - 1)


def observed(
    run: ModelWithData, images: Any, labels: Any, rng: Rng, needed: bool = True
) -> Iterator[tuple[Array, Labels]]:
    """Images (N, *shape) in the model's form of pixels, flat, with their classes, in batches.

    Without images they are the test images, with their own classes. `needed` is as in `classes_of`.
    """
    data = run.data
    levels = data.test if images is None else levels_of(data, images)
    if images is None and labels is None and run.model.classes:
        labels = data.test_labels
    classes = classes_of(run, len(levels), labels, needed)
    for part in batches(len(levels), BATCH):
        x = run.model.array(data.observe(levels[part], run.model.pixels, rng))
        yield x, None if classes is None else classes[part]


def classes_of(run: ModelWithData, n: int, labels: Any, needed: bool = True) -> Labels:
    """The class of each of n images, (n,): of an array, or of one number or name for all of them.

    None for a model without classes. Raises UsageError for a class that the model has not, and for
    a conditional model where none are given: unless they are not `needed`, and then it is None.
    """
    model = run.model
    if labels is None:
        if model.classes and needed:
            raise UsageError(
                f"this {model.name} is conditional: name the class of the images, "
                f"one of {_class_names(run)}"
            )
        return None
    if isinstance(labels, str):
        labels = _class_named(run, labels)
    return model.classes_of(n, np.full(n, labels) if np.ndim(labels) == 0 else labels)


def _class_named(run: ModelWithData, name: str) -> int:
    """The class of that name, or of that number."""
    if not run.model.classes:
        run.model.classes_of(1, np.zeros(1, int))  # raises, and says why
    names = [run.data.class_name(label) for label in range(run.model.classes)]
    if name in names:
        return names.index(name)
    if name.isascii() and name.isdigit() and len(name) < 10:
        return int(name)
    raise UsageError(f"no class is called {name!r}: the classes are {_class_names(run)}")


def _class_names(run: ModelWithData) -> str:
    count = run.model.classes
    names = [printable(run.data.class_name(label)) for label in range(min(count, MAX_NAMED))]
    return ", ".join(names) + ", ..." * (count > MAX_NAMED)
