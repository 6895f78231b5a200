"""@example: a function that computes something small, and returns traces of it by their heading."""

from collections.abc import Callable
from typing import NamedTuple

from autograd.traces import Trace

Traces = dict[str, Trace]
"""Traces of one page, by their headings."""


class Example(NamedTuple):
    """`text` says what to look for; `traces` makes the traces again."""

    title: str
    text: str
    traces: Callable[[], Traces]


EXAMPLES: dict[str, Example] = {}
"""Every example by the name of its function."""


def example(title: str) -> Callable[[Callable[[], Traces]], Callable[[], Traces]]:
    """Register an example. The docstring of its function says what to look for."""

    def register(function: Callable[[], Traces]) -> Callable[[], Traces]:
        text = " ".join((function.__doc__ or "").split())
        EXAMPLES[function.__name__] = Example(title, text, function)
        return function

    return register
