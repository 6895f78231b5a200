"""The switches of the engine. Each thread has its own, so one can sample while another trains."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Mode:
    recording: bool = True
    replaying: bool = True  # see `replay`
    watchers: tuple = ()  # see `watch`


_mode = ContextVar("mode", default=Mode())  # noqa: B039 -- it is frozen
mode = _mode.get


@contextmanager
def switched(**switches: Any) -> Iterator[None]:
    """Set switches of this thread, and restore them afterwards."""
    before = mode()
    try:
        _mode.set(replace(before, **switches))
        yield
    finally:
        _mode.set(before)


@contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing: for evaluation, and for updating parameters. Also a decorator."""
    with switched(recording=False):
        yield


@contextmanager
def no_replay() -> Iterator[None]:
    """Have Python start each kernel, for a `Replayed` function too."""
    with switched(replaying=False):
        yield
