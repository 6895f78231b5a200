"""What a diagnosis starts from: gradients at several points, and values that may be missing.

At a single point too many guesses fit.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from autograd.check.pair import Pair, Point
from autograd.check.probe import Probe, is_number

Arrays = Sequence[np.ndarray]
POINTS_NEARBY = 3
MAX_LETTERS = 40  # of an expression that a suggestion quotes


class Named(NamedTuple):
    """An expression, and its value at each point."""

    text: str
    values: list[np.ndarray]


@dataclass(frozen=True)
class Evidence:
    """The gradients by df (`given`) and by differences (`truths`), by argument and point.

    `known` are the values that may be missing in df.
    """

    pair: Pair
    points: Sequence[Point]
    given: Mapping[str, Arrays]
    truths: Mapping[str, Arrays]
    known: Sequence[Named]


def evidence(pair: Pair, point: Point, derived: Sequence[str]) -> Evidence:
    """At a point and at others nearby. Raises ValueError if a gradient is not finite."""
    rng = np.random.default_rng(0)

    def near(name: str, x: Any) -> Any:
        if name not in derived:
            return x
        return np.asarray(x + 0.1 * (np.abs(x) + 0.1) * rng.uniform(-1, 1, x.shape))

    nearby = [[near(n, x) for n, x in zip(pair.names, point)] for _ in range(POINTS_NEARBY)]
    points = [list(point), *nearby]
    truths = {name: [pair.differences(p, name) for p in points] for name in derived}
    gradients = [pair.gradients(p) for p in points]
    given = {name: [g[name] for g in gradients] for name in derived}
    if not all(np.isfinite(g).all() for gs in [*truths.values(), *given.values()] for g in gs):
        raise ValueError("a gradient is not finite")
    return Evidence(pair, points, given, truths, known_values(pair, points))


FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "{}": lambda v: v,
    "{} ** 2": lambda v: v**2,
    "np.sqrt({})": lambda v: np.sqrt(v),
    "1 - {}": lambda v: 1 - v,
    "1 - {} ** 2": lambda v: 1 - v**2,
    "{0} * (1 - {0})": lambda v: v * (1 - v),
    "np.exp({})": lambda v: np.exp(v),
    "1 / (1 + np.exp(-{}))": lambda v: 1 / (1 + np.exp(-v)),
    "({} > 0)": lambda v: (v > 0) * 1.0,
    "{} - 1": lambda v: v - 1,
    "1 / {}": lambda v: 1 / v,
}
"""Expressions of a variable that are known too."""


def known_values(pair: Pair, points: Sequence[Point]) -> list[Named]:
    """Inputs, constants of the file, and the values of variables and expressions in df and f."""
    names = {name: [point[i] for point in points] for i, name in enumerate(pair.names)}
    for written in filter(inspect.isfunction, (pair.df, pair.f)):
        constants = inspect.getclosurevars(written)
        for name, value in [*constants.globals.items(), *constants.nonlocals.items()]:
            names.setdefault(name, [value] * len(points))
    expressions: dict[str, list[Any]] = {}
    for function in (pair.df, pair.f):
        with suppress(ValueError):
            probe = Probe(function)
            seen = []
            for point in points:
                probe.run(*point)
                seen.append(dict(probe.values))
            for i in set(seen[0]).intersection(*seen):
                values = [v[i] for v in seen]
                if i in probe.assigned:
                    names.setdefault(probe.assigned[i], values)
                if len(probe.text(i)) <= MAX_LETTERS:
                    expressions.setdefault(probe.text(i), values)
    made = {
        form.format(name): [change(np.asarray(v, float)) for v in values]
        for form, change in FORMS.items()
        for name, values in names.items()
        if all(map(is_number, values))
    }
    different: dict[tuple, Named] = {}
    for text, values in (expressions | made).items():
        if all(map(is_number, values)) and all(np.isfinite(v).all() for v in values):
            arrays = [np.asarray(v, float) for v in values]
            key = tuple((v.shape, v.tobytes()) for v in arrays)
            if key not in different or text in names:
                different[key] = Named(text, arrays)
    return list(different.values())
