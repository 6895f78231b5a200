"""Which pixels of an image are missing."""

from typing import Any

import numpy as np

from models.data import Shape
from models.errors import UsageError

REGIONS = ("lower", "upper", "left", "right", "centre")


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
