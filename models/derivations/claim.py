"""A claim: a formula, its source, and independent routes to the number that it promises.

A function that yields the routes becomes a claim by its decorator, and nothing else is needed:

    @claim(
        r"\\mathrm{Var}[U] = \\frac{1}{12}",
        source="any textbook",
        given="U uniform on [0, 1]",
        tolerance=1e-12,
        because="a polynomial, which the quadrature integrates exactly",
        mistakes={"the mean not subtracted": lambda: 1 / 3},
    )
    def variance_of_a_uniform(formula=lambda: 1 / 12):
        yield "closed form", formula()
        yield "quadrature", integrate.quad(lambda u: (u - 0.5) ** 2, 0, 1)[0]

`formula` is what is claimed, and each of `mistakes` what a student would write in its place. A
claim that does not refuse them all is worthless, and the tests hold that it does.
"""

import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes


class Route(NamedTuple):
    """A way to the number, or numbers; by Monte Carlo, with the standard error of its mean."""

    name: str
    value: Any
    standard_error: Any = 0.0


@dataclass(frozen=True)
class Verdict:
    """What the routes gave. `difference` is the largest, and `allowed` what is for that one."""

    claim: "Claim"
    routes: list[Route]
    difference: float
    allowed: float

    @property
    def holds(self) -> bool:
        return self.difference <= self.allowed


@dataclass
class Claim:
    """See the module's docstring; `relation` says what each route is to the next one."""

    routes: Callable[..., Iterator[tuple]]
    statement: str
    source: str
    given: str
    tolerance: float
    because: str
    mistakes: Mapping[str, Any]
    relation: str = "="
    draw: Callable[[Axes], None] | None = None

    @property
    def name(self) -> str:
        return self.routes.__name__

    @property
    def topic(self) -> str:
        return self.routes.__module__.rpartition(".")[2]

    @property
    def title(self) -> str:
        """The first line of the docstring, or the name where Python dropped those (-OO)."""
        said = inspect.getdoc(self.routes) or self.name.replace("_", " ")
        return said.partition("\n")[0]

    def check(self, *formula: Any) -> Verdict:
        """The verdict on the formula as claimed, or on another in its place.

        With the relation "=" every route is compared with the first, with "<=" with the one
        before, and the difference is by how much it falls short of that. `tolerance` is relative to
        1 + |value|, and five standard errors come on top of it: one claim in a million would be
        refused by chance, and their seeds are fixed.
        """
        routes = [Route(*route) for route in self.routes(*formula)]
        first = routes[:1] * len(routes) if self.relation == "=" else routes
        compared = [self._compare(a, b) for a, b in zip(first, routes[1:])]
        gaps, bounds = (np.concatenate(arrays) for arrays in zip(*compared))
        worst = np.argmax(gaps / bounds)
        return Verdict(self, routes, float(gaps[worst]), float(bounds[worst]))

    def _compare(self, a: Route, b: Route) -> tuple[np.ndarray, np.ndarray]:
        """How far b is from a, or below it, and how far it may be: each number of theirs."""
        x, y = np.ravel(np.asarray(a.value, float)), np.ravel(np.asarray(b.value, float))
        if np.shape(a.value) != np.shape(b.value):
            return np.full(1, math.inf), np.ones(1)
        with np.errstate(invalid="ignore"):
            gap = np.where(x == y, 0.0, x - y)  # two infinities agree
        gap = np.abs(gap) if self.relation == "=" else np.maximum(gap, 0.0)
        errors = np.ravel(np.hypot(a.standard_error, b.standard_error))
        size = np.where(np.isfinite(x), np.abs(x), 0.0)
        bound = self.tolerance * (1 + size) + 5 * errors
        return np.where(np.isnan(gap), math.inf, gap), np.where(
            np.isnan(bound), self.tolerance, bound
        )

    def plot(self, draw: Callable[[Axes], None]) -> Callable[[Axes], None]:
        """Decorates a function that draws the claim's curve."""
        self.draw = draw
        return draw


CLAIMS: dict[str, Claim] = {}
"""Every claim by its name, in the order of their definition."""


def claim(
    statement: str,
    *,
    source: str,
    given: str,
    tolerance: float,
    because: str,
    mistakes: Mapping[str, Any],
    relation: str = "=",
) -> Callable[[Callable[..., Iterator[tuple]]], Claim]:
    """`statement` is LaTeX (of the kind matplotlib typesets); the rest is in words.

    Raises ValueError for a claim that could not be refused, and for a name that is taken.
    """

    def declare(routes: Callable[..., Iterator[tuple]]) -> Claim:
        made = Claim(routes, statement, source, given, tolerance, because, mistakes, relation)
        told = routes.__doc__ or sys.flags.optimize > 1
        if not mistakes or relation not in ("=", "<=") or not told:
            raise ValueError(
                f"{made.name}: a claim has a docstring, mistakes to refuse and the relation = or <="
            )
        if made.name in CLAIMS:
            raise ValueError(f"two claims are called {made.name}")
        CLAIMS[made.name] = made
        return made

    return declare
