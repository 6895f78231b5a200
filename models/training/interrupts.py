"""Ctrl-C, and the stop button of a notebook, between the steps of a training."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_back() -> Iterator[list[int]]:
    """An interrupt waits for the end of the block, which is given the list of those that wait.

    Only the main thread is ever interrupted, so in another there is nothing to do.
    """
    waiting: list[int] = []
    try:
        before = signal.signal(signal.SIGINT, lambda number, frame: waiting.append(number))
    except ValueError:  # another thread, or an interpreter within a program that has the signals
        yield waiting
        return
    try:
        yield waiting
    finally:
        signal.signal(signal.SIGINT, before)
    if waiting:
        signal.raise_signal(signal.SIGINT)
