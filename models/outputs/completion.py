"""Images of which a part is missing, completed."""

from typing import Any

import numpy as np

from autograd import to_device
from models.data import Points, Shape
from models.errors import UsageError
from models.outputs.given import ModelWithData, observed

REGIONS = ("lower", "upper", "left", "right", "centre")


def complete(
    run: ModelWithData,
    images: Any = None,
    missing: Any = "lower",
    labels: Any = None,
    seed: int = 0,
) -> np.ndarray:
    """Images (N, *shape) in [0, 1], what is missing sampled given the rest, which stays.

    `missing` is a region of REGIONS, or an array of bools, (height, width) or (N, height, width),
    True where a pixel is missing. Images and labels are as in `encode`. Raises UsageError for
    another mask, and for a model that cannot complete.
    """
    if isinstance(run.data, Points):
        raise UsageError(f"a point of {run.data.name} has no part that could be missing")
    rng = np.random.default_rng(seed)
    parts = [(to_device(x, "cpu"), own) for x, own in observed(run, images, labels, rng)]
    given = np.concatenate([x for x, _ in parts]).reshape(-1, *run.model.shape)
    classes = np.concatenate([own for _, own in parts]) if run.model.classes else None
    known = ~missing_pixels(missing, len(given), run.model.shape)
    return run.model.complete(given, known, rng, classes)


def missing_pixels(missing: Any, n: int, shape: Shape) -> np.ndarray:
    """`missing` as `complete` takes it, of n images of `shape`, as an array of bools."""
    height, width = shape[:2]
    if isinstance(missing, str):
        return region(missing, shape)
    mask = np.asarray(missing)
    if mask.dtype != bool or mask.shape not in ((height, width), (n, height, width)):
        raise UsageError(
            f"a mask of {mask.dtype}, {mask.shape}: it must be bools, ({height}, {width}) or "
            f"({n}, {height}, {width}), True where a pixel is missing"
        )
    if not mask.any():
        raise UsageError("nothing is missing: the mask is True where a pixel is missing")
    return mask


def region(name: str, shape: Shape) -> np.ndarray:
    """True in a half of the image, or in the centre: half as high and half as wide."""
    height, width = shape[:2]
    rows, columns = np.arange(height)[:, None], np.arange(width)
    inside = {
        "lower": rows >= height // 2,
        "upper": rows < height // 2,
        "left": columns < width // 2,
        "right": columns >= width // 2,
        "centre": (abs(2 * rows + 1 - height) <= height / 2)
        & (abs(2 * columns + 1 - width) <= width / 2),
    }
    if name not in inside:
        raise UsageError(f"missing={name}: choose one of {', '.join(REGIONS)}, or give a mask")
    return np.broadcast_to(inside[name], (height, width))
