"""The order of elements: constants, since integers have no derivative, and what they select."""

from typing import Any

import numpy as np

from autograd.array import Array, namespace
from autograd.ops.index import gather
from autograd.ops.shape import between, length
from autograd.tensor import Values, array_of


def argmax(x: Values, axis: int | None = None) -> Array:
    """Where the largest is: integers, of the first among ties; in the flattened x without axis."""
    return array_of(x).argmax(axis=axis)


def argmin(x: Values, axis: int | None = None) -> Array:
    """Where the smallest is: integers, of the first among ties; in the flattened x without axis."""
    return array_of(x).argmin(axis=axis)


def argsort(x: Values, axis: int = -1) -> Array:
    """Where the smallest, the next, ... are, in the shape of x; of ties, the first comes first."""
    x = array_of(x)  # CuPy's order is stable, and it takes no `kind`
    return np.argsort(x, axis, kind="stable") if namespace(x) is np else x.argsort(axis)


def sort(x: Values, axis: int = -1) -> Any:
    """From the smallest to the largest along `axis`; each has the derivative of what it was."""
    return gather(x, argsort(x, axis), axis)


def topk(x: Values, k: int, axis: int = -1) -> tuple[Any, Array]:
    """The k largest along `axis` from the largest on, and where they are; x is real numbers.

    Raises ValueError unless 0 <= k <= the length of the axis.
    """
    if not 0 <= k <= length(x, axis):
        raise ValueError(f"the {k} largest of {length(x, axis)} along axis {axis} of {x.shape}")
    values = array_of(x)
    turned = -values if values.dtype.kind == "f" else ~values  # -1 - x: unsigned ones have no -x
    indices = between(argsort(turned, axis), axis, 0, k)
    return gather(x, indices, axis), indices
