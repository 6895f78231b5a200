"""The owner of an array's memory, and the last write to it.

A node keeps the arrays that its rules need, not copies. An optimiser that writes to one between the
forward pass and the sweep would change the gradient, so it has to report the write here.
"""

from collections.abc import Iterable
from itertools import count
from typing import Any

from autograd.array import Array, to_device

clock = count()
"""Numbers the nodes and the writes in order of time."""

last_write = -1
_writes: dict[int, tuple[int, str]] = {}  # the time and the writer, by the owner of the memory


def owner(array: Any) -> int:
    """A number for the memory of `array`, the same for all its views."""
    while (base := getattr(array, "base", None)) is not None:
        array = base
    return id(array)


def note_write(array: Array, writer: str) -> None:
    """Report that `writer` has written to `array`, or is about to."""
    global last_write
    last_write = next(clock)
    _writes[owner(array)] = last_write, writer


def writers_since(time: int, arrays: Iterable) -> set[str]:
    """The writers to the memory of any of the arrays after `time`.

    Freed memory may have a new owner with the same number. Nodes made of the new one are younger
    than the write, so the write does not count for them.
    """
    writes = (_writes.get(owner(array), (-1, "")) for array in arrays)
    return {writer for when, writer in writes if when > time}


def refuse_writers(node: Any, writers: set[str]) -> None:
    """Raise RuntimeError if there are any."""
    if writers:
        raise RuntimeError(
            f"{node}: what its gradient needs was written to since, by {' and '.join(writers)}; "
            "take the gradient before that, or compute the forward pass again"
        )


def fingerprints(arrays: Iterable) -> list[int]:
    """A hash of the elements of each array."""
    return [hash(to_device(a, "cpu").tobytes()) for a in arrays if hasattr(a, "dtype")]


def separate(arrays: Iterable[Array], *others: Array) -> list[Array]:
    """The arrays, copied where they share memory with each other or with `others`."""
    taken, found = {owner(other) for other in others}, []
    for array in arrays:
        found.append(array.copy() if owner(array) in taken else array)
        taken.add(owner(array))
    return found
