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
claim that does not refuse them all is worthless, and `check()` says that it fails.
"""

import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

SHOWN = 4  # numbers of an array


class Route(NamedTuple):
    """A way to the number, or numbers; by Monte Carlo, with the standard error of its mean."""

    name: str
    value: Any
    standard_error: Any = 0.0


@dataclass(frozen=True, repr=False)
class Verdict:
    """What the routes gave. `difference` is the largest, and `allowed` what is for that one.

    `accepted` names the mistakes with which the claim holds as well, and so says nothing.
    """

    claim: "Claim"
    routes: list[Route]
    difference: float
    allowed: float
    accepted: list[str]

    @property
    def holds(self) -> bool:
        return self.difference <= self.allowed and not self.accepted

    @property
    def said(self) -> str:
        if self.difference > self.allowed:
            return f"FAILS, difference {self.difference:.1e} where {self.allowed:.1e} is allowed"
        if self.accepted:
            return f"FAILS, since it does not refuse {' and '.join(map(repr, self.accepted))}"
        return "holds"

    def values(self) -> list[tuple[str, str]]:
        """The routes and their numbers, which a claim of order shows as steps of a chain."""
        sign = "≤ " if self.claim.relation == "<=" else ""
        return [
            (f"{sign if i else ''}{route.name}", _number(route.value, route.standard_error))
            for i, route in enumerate(self.routes)
        ]

    def __repr__(self) -> str:
        values = self.values()
        width = max(len(name) for name, _ in values)
        lines = [f"  {name:{width}}  {value}" for name, value in values]
        return "\n".join([f"{self.claim.name}: {self.said}", *lines])

    def _repr_html_(self) -> str:
        """In a notebook, which typesets the formula."""
        rows = [f"<tr><td>{escape(n)}</td><td>{escape(v)}</td></tr>" for n, v in self.values()]
        said = f"{self.claim._repr_html_()}<table>{''.join(rows)}</table>"
        return f"{said}<p><b>{escape(self.said)}</b></p>"


def _number(value: Any, error: Any) -> str:
    numbers = np.ravel(np.asarray(value, float)) + 0.0  # without the sign of -0
    said = [f"{number:.7g}" if numbers.size == 1 else f"{number:.4g}" for number in numbers[:SHOWN]]
    more = ["…"] if numbers.size > SHOWN else []
    text = said[0] if np.ndim(value) == 0 else f"[{', '.join(said + more)}]"
    largest = np.max(error)
    return f"{text} ± {largest:.1g}" if largest else text


@dataclass(repr=False)
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

    def __repr__(self) -> str:
        return f"<claim {self.name}: {self.title}>"

    def _repr_html_(self) -> str:
        title = f"<b>{escape(self.title)}</b> $$ {escape(self.statement)} $$"
        return f"{title}<p>{escape(self.source)}. Given {escape(self.given)}.</p>"

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
        """The verdict on the formula as claimed and on its mistakes, or on another in its place.

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
        mistakes = {} if formula else self.mistakes
        accepted = [what for what, mistake in mistakes.items() if self.check(mistake).holds]
        return Verdict(self, routes, float(gaps[worst]), float(bounds[worst]), accepted)

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
        before = CLAIMS.get(made.name)
        if before and not _run_again(before.routes, routes):
            raise ValueError(f"two claims are called {made.name}")
        CLAIMS[made.name] = made
        return made

    return declare


def _run_again(before: Callable, now: Callable) -> bool:
    """Whether it is one function, as of a notebook's cell that is run twice, and not a second."""
    one, other = before.__code__, now.__code__
    same_file = one.co_filename == other.co_filename
    moved = one.co_firstlineno != other.co_firstlineno
    return before.__module__ == now.__module__ and not (same_file and moved)
