"""Gradients that need a remark: they vanish, explode, are exactly zero, or are no numbers."""

import math
from dataclasses import dataclass

from autograd.traces.graph import Passed, Sweep

FACTOR = 1e4  # below or above the norm of the cotangent that the sweep began with


@dataclass(frozen=True)
class Mark:
    """`kind` is "zero", "vanishing", "exploding" or "not finite"; `text` explains it."""

    kind: str
    text: str


def marks_of(sweep: Sweep) -> dict[int, Mark]:
    """The remarks on edges of a sweep, by their number.

    They compare norms, which a mean over a batch or over pixels changes little.
    """
    marks = ((i, _mark(edge, sweep)) for i, edge in enumerate(sweep.edges))
    return {i: mark for i, mark in marks if mark is not None}


def _mark(edge: Passed, sweep: Sweep) -> Mark | None:
    g, d = sweep.cotangents[edge.node], edge.d
    if d.nans or d.infinities:
        first = "" if g.nans or g.infinities else ": it begins here"
        return Mark("not finite", f"{d.nans:,} NaN, {d.infinities:,} infinite{first}")
    if not d.size:
        return None
    if d.rms == 0:
        if g.rms == 0:
            return Mark("zero", "what comes in is exactly 0")
        return Mark("zero", "the local derivative is 0 wherever what comes in is not")
    share = d.norm / sweep.cotangents[sweep.root].norm
    if 1 / FACTOR < share < FACTOR:
        return None
    gain = d.norm / g.norm if g.norm else math.inf
    kind = "vanishing" if share < 1 else "exploding"
    text = f"its norm is {share:.1e} times that of the first cotangent"
    return Mark(kind, f"{text}; this edge alone multiplies it by {gain:.3g}")
