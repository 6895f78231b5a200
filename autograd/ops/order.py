"""The order of elements: constants, since integers have no derivative."""

from autograd.array import Array
from autograd.tensor import Values, array_of


def argmax(x: Values, axis: int | None = None) -> Array:
    """Where the largest is: integers, of the first among ties; in the flattened x without axis."""
    return array_of(x).argmax(axis=axis)


def argmin(x: Values, axis: int | None = None) -> Array:
    """Where the smallest is: integers, of the first among ties; in the flattened x without axis."""
    return array_of(x).argmin(axis=axis)
