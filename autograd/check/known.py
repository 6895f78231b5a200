"""The values that a derivation may lack: those that its file has a name or an expression for."""

import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from autograd.check.pair import Pair, Point
from autograd.check.probe import Probe, is_number

MAX_LETTERS = 40  # of an expression that a suggestion quotes


class Named(NamedTuple):
    """An expression, and its value at each point."""

    text: str
    values: list[np.ndarray]


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
