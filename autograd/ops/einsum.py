"""Sums of products in Einstein's notation, as matrix products."""

import math
from collections.abc import Sequence
from typing import Any

from autograd.ops.linalg import matrix_product
from autograd.ops.shape import transpose
from autograd.tensor import Values

Names = list[str | int]
"""A name for each axis: a letter, or -1, -2, ... for those that "..." stands for, from the last."""


def einsum(subscripts: str, *operands: Values) -> Any:
    """Sums of products, as in NumPy: einsum("bik,bjk->bij", x, y), einsum("ii", x).

    Operands are combined from left to right, two at a time, each time by one matrix product; so
    their order decides the cost. Raises ValueError for subscripts that do not fit.
    """
    (names, *others), output = _names_of_axes(subscripts, operands)
    x = operands[0]
    for i, y in enumerate(operands[1:]):
        x, names = _product(x, names, y, others[i], sum(others[i + 1 :], output))
    x, names = _reduced(x, names, output)
    return _in_order(x, names, output)


def _names_of_axes(subscripts: str, operands: Sequence[Values]) -> tuple[list[Names], Names]:
    """Of each operand and of the result."""
    terms, arrow, result = subscripts.replace(" ", "").partition("->")
    inputs: list[Names] = []
    sizes: dict[str, int] = {}
    most, wrong = 0, f"einsum {subscripts!r}: "
    if terms.count(",") + 1 != len(operands):
        raise ValueError(f"{wrong}it is of {terms.count(',') + 1} operands, not {len(operands)}")
    for x, term in zip(operands, terms.split(",")):
        letters = term.replace("...", "", 1)
        more = x.ndim - len(letters)
        if more < 0 or (more and "..." not in term) or "." in letters:
            raise ValueError(f"{wrong}{term!r} does not name the axes of {x.shape}")
        inputs.append(_names(term, more))
        most = max(most, more)
        for name, n in zip(inputs[-1], x.shape):
            if isinstance(name, str) and sizes.setdefault(name, n) != n:
                raise ValueError(f"{wrong}the axis {name!r} is {sizes[name]} and {n} long")
    if not arrow:  # the names that occur once, in alphabetical order
        once = [name for name in sizes if terms.count(name) == 1]
        result = "".join(["..."] * ("..." in terms) + sorted(once))
    output = _names(result, most)
    if len({*output}) < len(output) or not {*sizes} >= {*output} - {*range(-most, 0)}:
        raise ValueError(f"{wrong}the result {result!r} has a name twice, or one of no operand")
    if most and "..." not in result:
        raise ValueError(f"{wrong}the result lacks the axes of '...'")
    return inputs, output


def _names(term: str, more: int) -> Names:
    before, dots, after = term.partition("...")
    return [*before, *range(-more, 0), *after] if dots else [*before]


def _reduced(x: Any, names: Names, kept: Names) -> tuple[Any, Names]:
    """The diagonal where a name occurs twice, and the sum over axes whose name is not kept."""
    for name in names:
        while names.count(name) > 1:
            i = names.index(name)
            j = names.index(name, i + 1)
            rest = [k for k in range(x.ndim) if k not in (i, j)]
            *shape, n, _ = (square := transpose(x, axes=(*rest, i, j))).shape
            x, names = (
                square.reshape((*shape, n * n))[..., :: n + 1],
                [names[k] for k in rest] + [name],
            )
    lost = tuple(i for i, name in enumerate(names) if name not in kept)
    return x.sum(axis=lost) if lost else x, [name for name in names if name in kept]


def _product(x: Any, of_x: Names, y: Any, of_y: Names, kept: Names) -> tuple[Any, Names]:
    """The sum of products over the names that both have and that are not kept."""
    x, of_x = _reduced(x, of_x, of_y + kept)
    y, of_y = _reduced(y, of_y, of_x + kept)
    batch = [name for name in of_x if name in of_y and name in kept]
    summed = [name for name in of_x if name in of_y and name not in kept]
    rows = [name for name in of_x if name not in of_y]
    columns = [name for name in of_y if name not in of_x]
    x, y = _in_order(x, of_x, batch + rows + summed), _in_order(y, of_y, batch + summed + columns)
    first, last = len(batch) + len(rows), len(batch) + len(summed)
    of_rows, of_columns = x.shape[len(batch) : first], y.shape[last:]
    n = math.prod(x.shape[first:])
    x = x.reshape((*x.shape[: len(batch)], math.prod(of_rows), n))
    y = y.reshape((*y.shape[: len(batch)], n, math.prod(of_columns)))
    z = matrix_product(x, y) if summed else x * y
    return z.reshape((*z.shape[:-2], *of_rows, *of_columns)), batch + rows + columns


def _in_order(x: Any, names: Names, order: Names) -> Any:
    return x if names == order else transpose(x, axes=[names.index(name) for name in order])
