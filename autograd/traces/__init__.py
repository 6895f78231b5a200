"""What happened: a trace of the forward pass and of the sweeps, value by value.

    with tracing(model) as t:
        loss = model.loss(x, rng)[0]
        grad(loss, model.parameters())
    print(t)

graph      what a trace is made of: nodes, calls of modules, edges of sweeps
record     how it is recorded
values     what is kept of an array
local      the local derivative of an edge
rules      the rules as they are written in the code
marks      gradients that vanish, explode, or are zero
text       a trace as text
layout     the layers of its graph
picture    the graph as an SVG picture
page       a page to step through it
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from autograd.sweep import start, sweep
from autograd.tensor import Tensor
from autograd.traces.record import Names, Record
from autograd.watch import watching


class Trace(Record):
    """A record that shows itself: as text, as a picture, as a page."""

    def __str__(self) -> str:
        from autograd.traces.text import as_text

        return as_text(self)

    def __repr__(self) -> str:
        return f"<Trace of {len(self.nodes):,} nodes and {len(self.sweeps)} sweeps: print it>"

    def svg(self) -> str:
        """The graph as an SVG picture; modules are folded where it would be too large."""
        from autograd.traces.picture import as_svg

        return as_svg(self)

    def html(self, title: str = "A trace", text: str = "") -> str:
        """A page of one file to step through it, which needs no network."""
        from autograd.traces.page import as_pages

        return as_pages(title, text, {title: self})

    def _repr_html_(self) -> str:
        """In a notebook: the picture, or why there is none."""
        try:
            return f'<div style="overflow: auto">{self.svg()}</div>'
        except ValueError as error:
            return f"<p>{error}</p>"


@contextmanager
def tracing(names: Names = None) -> Iterator[Trace]:
    """Within the block everything is traced: what is computed, and the sweeps through it.

    `names` are a module, whose parameters have dotted names, or modules, Tensors and arrays by
    name. An array of more than 64 elements is kept as its statistics, a thumbnail and a histogram.
    """
    trace = Trace(names)
    with watching(trace):
        yield trace


def trace(output: Tensor, names: Names = None, cotangent: Any = None) -> Trace:
    """A trace of the sweep from `output` through the graph that made it, which is kept.

    No `grad` is changed. Of the forward pass it has what the graph keeps, which are the values that
    rules need; `tracing` has all of them. Raises ValueError for a Tensor that records nothing or is
    no scalar and has no cotangent, RuntimeError for a graph that was freed.
    """
    if not isinstance(output, Tensor):
        raise TypeError(f"trace takes a Tensor, such as a loss, not {type(output).__name__}")
    found = Trace(names)
    root, seed = start(output, cotangent, create_graph=False)
    found.know(output)
    with watching(found):
        sweep(root, seed, (), None, create_graph=False, retain_graph=True)
    return found
