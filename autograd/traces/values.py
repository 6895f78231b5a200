"""What a trace keeps of an array: all of it if it is small, else a thumbnail and a histogram."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd.array import Array, to_device

MAX_WHOLE = 64  # elements of an array that is kept whole
SIDE = 16  # of a thumbnail, in cells
BINS = 16  # of a histogram


@dataclass(frozen=True)
class Value:
    """An array as it was then. Statistics are over its finite elements; NaN where there are none.

    `whole` is the array itself, or None if it is large. `thumbnail` has
    the means of equal blocks of its last two axes, of the first example of the axes before;
    `histogram` counts the elements in `BINS` equal bins from `least` to `most`.
    """

    shape: tuple[int, ...]
    dtype: str
    least: float
    most: float
    mean: float
    rms: float  # root of the mean of the squares
    zeros: int  # elements that are exactly 0
    nans: int
    infinities: int
    whole: np.ndarray | None = field(compare=False)
    thumbnail: np.ndarray | None = field(compare=False)
    histogram: np.ndarray | None = field(compare=False)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def norm(self) -> float:
        return self.rms * math.sqrt(self.size)


@np.errstate(all="ignore")
def value_of(array: Array, limit: int = MAX_WHOLE) -> Value:
    """What is kept of an array: all of it if it has at most `limit` elements."""
    array = to_device(array, "cpu")
    finite = array[np.isfinite(array)].astype(np.float64)
    small = array.size <= limit
    nans = int(np.isnan(array).sum())
    most = finite.max() if finite.size else math.nan
    least = finite.min() if finite.size else math.nan
    scale = max(abs(least), abs(most), np.finfo(float).tiny) if finite.size else 1.0
    return Value(
        shape=array.shape,
        dtype=str(array.dtype),
        least=float(least),
        most=float(most),
        mean=float(scale * np.mean(finite / scale)) if finite.size else math.nan,
        rms=float(scale * np.sqrt(np.mean((finite / scale) ** 2))) if finite.size else math.nan,
        zeros=int(array.size - np.count_nonzero(array)),
        nans=nans,
        infinities=array.size - finite.size - nans,
        whole=array.copy() if small else None,
        thumbnail=None if small else thumbnail(array),
        histogram=None if small else _histogram(finite / scale),
    )


def _histogram(finite: np.ndarray) -> np.ndarray:
    """Counts in equal bins from the least to the most; all in the first if they are the same."""
    shifted = finite - finite.min(initial=math.inf)
    width = shifted.max(initial=0.0)
    return np.histogram(shifted / width if width else shifted, BINS, (0, 1))[0]


def thumbnail(array: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Means of blocks: at most (side, side), of the last two axes of the first example."""
    while array.ndim > 2:
        array = array[0]
    picture = np.atleast_2d(array).astype(np.float64)
    for axis in (0, 1):
        edges = np.linspace(0, picture.shape[axis], min(side, picture.shape[axis]) + 1).astype(int)
        counts = np.diff(edges).reshape((-1, 1) if axis == 0 else (1, -1))
        picture = np.add.reduceat(picture, edges[:-1], axis) / counts
    return picture


def as_number(value: float) -> str:
    """Four digits, for a person."""
    return str(value) if isinstance(value, bool) else f"{value + 0.0:.4g}"  # no -0


def as_text(value: Value, width: int = 48) -> str:
    """On one line: the elements if they fit, else their range, mean and what is wrong with them."""
    if value.whole is not None:
        text = _elements(value.whole.tolist())
        if len(text) <= width:
            return text
    parts = [f"{as_number(value.least)} to {as_number(value.most)}, rms {as_number(value.rms)}"]
    zeros = "zero" if value.zeros == 1 else "zeros"
    for count, what in ((value.zeros, zeros), (value.nans, "NaN"), (value.infinities, "inf")):
        if count:
            parts.append(f"{count:,} {what}")
    return ", ".join(parts)


def _elements(x: Any) -> str:
    return f"[{', '.join(map(_elements, x))}]" if isinstance(x, list) else as_number(x)


def as_json(value: Any) -> Any:
    """A Value for `json.dumps`, which has no NaN and no infinity: those are text."""
    if value is None:
        return None
    found = {
        "shape": list(value.shape),
        "dtype": value.dtype,
        "least": _number(value.least),
        "most": _number(value.most),
        "mean": _number(value.mean),
        "rms": _number(value.rms),
        "zeros": value.zeros,
        "nans": value.nans,
        "infinities": value.infinities,
    }
    if value.whole is not None:
        found["whole"] = [_number(x) for x in value.whole.ravel().tolist()]
    else:
        found["thumbnail"] = [[_number(x, 3) for x in row] for row in value.thumbnail.tolist()]
        found["histogram"] = value.histogram.tolist()
    return found


def _number(x: Any, digits: int = 9) -> Any:
    """Nine digits give a float32 back exactly."""
    if isinstance(x, bool | int):
        return x
    return float(f"{x:.{digits}g}") if math.isfinite(x) else str(x)
