"""What a diagnosis starts from: gradients at several points, and values that may be missing.

At a single point too many guesses fit.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from autograd.check.pair import Function, Pair, Point
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

    `known` are the values that may be missing in df. The probes are None for a function without
    a source.
    """

    pair: Pair
    points: Sequence[Point]
    given: Mapping[str, Arrays]
    truths: Mapping[str, Arrays]
    known: Sequence[Named]
    f: Probe | None
    df: Probe | None


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
    f, df = _probe_of(pair.f), _probe_of(pair.df)
    return Evidence(pair, points, given, truths, _known_values(pair, points, [df, f]), f, df)


def _probe_of(function: Function) -> Probe | None:
    try:
        return Probe(function)
    except ValueError:
        return None


FORMS = (
    "{}", "{} ** 2", "np.sqrt({})", "1 - {}", "1 - {} ** 2", "{0} * (1 - {0})", "np.exp({})",
    "1 / (1 + np.exp(-{}))", "({} > 0)", "{} - 1", "1 / {}",
)  # fmt: skip
"""Expressions of a variable that are known too."""


def _known_values(
    pair: Pair, points: Sequence[Point], probes: Sequence[Probe | None]
) -> list[Named]:
    """Inputs, constants of the file, and the values of variables and expressions in df and f."""
    names = {name: [point[i] for point in points] for i, name in enumerate(pair.names)}
    for written in filter(inspect.isfunction, (pair.df, pair.f)):
        constants = inspect.getclosurevars(written)
        for name, value in [*constants.globals.items(), *constants.nonlocals.items()]:
            names.setdefault(name, [value] * len(points))
    expressions: dict[str, list[Any]] = {}
    for probe in filter(None, probes):
        numbers = probe.numbers(points)
        for i in set(numbers[0]).intersection(*numbers):
            values = [v[i] for v in numbers]
            if i in probe.assigned:
                names.setdefault(probe.assigned[i], values)
            if len(probe.text(i)) <= MAX_LETTERS:
                expressions.setdefault(probe.text(i), values)
    made = {
        form.format(name): [
            eval(form.format("v"), {"np": np, "v": np.asarray(v, float)}) for v in values
        ]
        for form in FORMS
        for name, values in names.items()
        if all(map(is_number, values))
    }
    different: dict[tuple, Named] = {}
    for text, values in (expressions | made).items():
        if all(np.isfinite(v).all() for v in values):
            arrays = [np.asarray(v, float) for v in values]
            key = tuple((v.shape, v.tobytes()) for v in arrays)
            if key not in different or text in names:
                different[key] = Named(text, arrays)
    return list(different.values())
