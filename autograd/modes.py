"""The switches of the engine. Each thread has its own, so one can sample while another trains."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Mode:
    recording: bool = True
    detecting_nan: bool = False
    fingerprints: dict[int, list] | None = None  # of what each node keeps, by its order


_mode = ContextVar("mode", default=Mode())  # noqa: B039 -- it is frozen
mode = _mode.get


@contextmanager
def switched(**switches: Any) -> Iterator[None]:
    """Set switches of this thread, and restore them afterwards."""
    before = mode()
    _mode.set(replace(before, **switches))
    try:
        yield
    finally:
        _mode.set(before)


@contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing: for evaluation, and for updating parameters. Also a decorator."""
    with switched(recording=False):
        yield


@contextmanager
def detect_nan() -> Iterator[None]:
    """Raise FloatingPointError at the first NaN, forward or backward.

    The message names the primitive and the source line that called it. Every answer is scanned,
    so this is for finding a fault, not for training.
    """
    with switched(detecting_nan=True):
        yield


@contextmanager
def detect_writes() -> Iterator[None]:
    """Raise RuntimeError in a sweep that needs an array which has been written to meanwhile.

    A sweep always notices the writes of optimisers, averages and `load_state`, which report them.
    Under this switch it notices `x.data[...] = 0` too. It reads every array that a node keeps, so
    it is for finding a fault. The forward pass and the sweep both have to be inside.
    """
    with switched(fingerprints={}):
        yield
