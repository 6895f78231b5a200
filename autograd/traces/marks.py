"""Gradients that need a remark: they vanish, explode, are exactly zero, or are no numbers."""

import math
from dataclasses import dataclass
from statistics import median

from autograd.traces.record import Passed, Record, Sweep

FACTOR = 1e3  # below or above the median of the sweep, by the root mean square


@dataclass(frozen=True)
class Mark:
    """`kind` is "zero", "vanishing", "exploding" or "not finite"; `text` explains it."""

    kind: str
    text: str


def marks_of(record: Record, sweep: Sweep) -> dict[int, Mark]:
    """The remarks on edges of a sweep, by their number."""
    sizes = [v.rms for v in sweep.cotangents.values() if v.rms > 0]
    middle = median(sizes) if sizes else 0.0
    found = {}
    for i, edge in enumerate(sweep.edges):
        mark = _mark(edge, sweep, middle)
        if mark is not None:
            found[i] = mark
    return found


def _mark(edge: Passed, sweep: Sweep, middle: float) -> Mark | None:
    g, d = sweep.cotangents[edge.node], edge.d
    if d.nans or d.infinities:
        first = "" if g.nans or g.infinities else ": it begins here"
        return Mark("not finite", f"{d.nans:,} NaN and {d.infinities:,} infinite{first}")
    if d.rms == 0:
        if g.rms == 0:
            return Mark("zero", "exactly zero, since what came in is zero")
        return Mark("zero", "exactly zero: the local derivative is zero wherever g is not")
    if d.rms < middle / FACTOR:
        return Mark("vanishing", f"it vanishes: {_gain(g.norm, d.norm)}, and {d.rms / middle:.0e} "
                    "of the median of this sweep")  # fmt: skip
    if d.rms > middle * FACTOR:
        return Mark("exploding", f"it explodes: {_gain(g.norm, d.norm)}, and {d.rms / middle:.0e} "
                    "times the median of this sweep")  # fmt: skip
    return None


def _gain(before: float, after: float) -> str:
    ratio = after / before if before else math.inf
    return f"this step changes its norm by a factor of {ratio:.2g}"
