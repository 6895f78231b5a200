"""Whose memory an array is in, and who wrote to it last.

A node keeps the arrays that its rules need, not copies of them. An optimiser that writes to one
between the forward pass and the sweep would change the gradient, so it says that it did.
"""

from collections.abc import Iterable
from itertools import count
from typing import Any

from autograd.array import Array, to_device

clock = count()
"""Counts the nodes made and the writes, so that one can be said to be later than another."""

last_write = -1
_writes: dict[int, tuple[int, str]] = {}  # by the owner of the memory: when, and by whom


def owner(array: Any) -> int:
    """A number that tells the memory of `array`, or of what it is a view of, from all others."""
    while (base := getattr(array, "base", None)) is not None:
        array = base
    return id(array)


def note_write(array: Array, writer: str) -> None:
    """Say that `writer` has written to `array`, or is about to."""
    global last_write
    last_write = next(clock)
    _writes[owner(array)] = last_write, writer


def writers_since(time: int, arrays: Iterable) -> set[str]:
    """Who wrote to the memory of any of the arrays after `time`.

    Memory that was freed may have a new owner of the same number. The new one is younger than the
    write, and so is whatever was made of it.
    """
    writes = (_writes.get(owner(array), (-1, "")) for array in arrays)
    return {writer for when, writer in writes if when > time}


def fingerprints(arrays: Iterable) -> list[int]:
    """A number for each array, which changes with its elements."""
    return [hash(to_device(a, "cpu").tobytes()) for a in arrays if hasattr(a, "dtype")]


def apart(arrays: Iterable[Array], *others: Array) -> list[Array]:
    """The arrays, copied where one would share its memory with another or with the others."""
    taken, found = {owner(other) for other in others}, []
    for array in arrays:
        found.append(array.copy() if owner(array) in taken else array)
        taken.add(owner(array))
    return found
