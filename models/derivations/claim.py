"""A claim: a formula, its source, and independent routes to the number that it promises.

A function that yields the routes becomes a claim by its decorator:

    @claim(
        r"\\mathrm{Var}[U] = \\frac{1}{12}",
        source="Bishop 2006, exercise 2.12",
        given="U uniform on [0, 1]",
        tolerance=1e-12,
        because="the quadrature is exact for a polynomial",
        mistakes={"the mean is not subtracted": lambda: 1 / 3},
    )
    def variance_of_a_uniform(formula=lambda: 1 / 12):
        \"\"\"The variance of a uniform number.\"\"\"
        yield "closed form", formula()
        yield "quadrature", integrate.quad(lambda u: (u - 0.5) ** 2, 0, 1)[0]

`formula` is what is claimed. Each of `mistakes` is what a student might write instead: the claim
has to fail with it, or it tests nothing.
"""

import inspect
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

Formula = Callable[..., Any]
"""What is claimed, or a mistake in its place: any function of numbers and arrays."""

Routes = Iterator[tuple]
"""What a claim yields: the arguments of `Route`, (name, value) or (name, value, error)."""

MAX_NUMBERS_PRINTED = 4


class Route(NamedTuple):
    """One way to the value, a number or an array; Monte Carlo adds its standard error."""

    name: str
    value: Any
    standard_error: Any = 0.0


@dataclass(frozen=True, repr=False)
class Verdict:
    """The values of all routes, and whether they agree.

    Of all numbers, `difference` and `allowed` are those of the one with the largest quotient.
    `accepted` names the mistakes with which the routes agree too, so that the claim tests nothing.
    """

    claim: "Claim"
    routes: list[Route]
    difference: float
    allowed: float
    accepted: list[str]
    seconds: float

    @property
    def holds(self) -> bool:
        return self.difference <= self.allowed and not self.accepted

    @property
    def message(self) -> str:
        if self.difference > self.allowed:
            return f"FAILS, difference {self.difference:.1e} where {self.allowed:.1e} is allowed"
        if self.accepted:
            return f"FAILS, since it does not refuse {' and '.join(map(repr, self.accepted))}"
        return "holds"

    def rows(self) -> list[tuple[str, str]]:
        """The name and the value of each route, as text; in a chain of bounds, with its sign."""
        sign = "≤ " if self.claim.relation == "<=" else ""
        return [
            (f"{sign if i else ''}{route.name}", _as_text(route.value, route.standard_error))
            for i, route in enumerate(self.routes)
        ]

    def __repr__(self) -> str:
        rows = self.rows()
        width = max(len(name) for name, _ in rows)
        lines = [f"  {name:{width}}  {value}" for name, value in rows]
        return "\n".join([f"{self.claim.name}: {self.message}", *lines])

    def _repr_html_(self) -> str:
        """For notebooks, which typeset the formula."""
        rows = [f"<tr><td>{escape(n)}</td><td>{escape(v)}</td></tr>" for n, v in self.rows()]
        table = f"<table>{''.join(rows)}</table>"
        return f"{self.claim._repr_html_()}{table}<p><b>{escape(self.message)}</b></p>"


def _as_text(value: Any, error: Any) -> str:
    numbers = np.ravel(np.asarray(value, float)) + 0.0  # -0 becomes 0
    digits = 7 if numbers.size == 1 else 4
    texts = [f"{number:.{digits}g}" for number in numbers[:MAX_NUMBERS_PRINTED]]
    if numbers.size > MAX_NUMBERS_PRINTED:
        texts.append("…")
    text = texts[0] if np.ndim(value) == 0 else f"[{', '.join(texts)}]"
    largest = np.max(error)
    return f"{text} ± {largest:.1g}" if largest else text


@dataclass(repr=False)
class Claim:
    """See the module's docstring. `relation` holds between each route and the next one."""

    routes: Callable[..., Routes]
    statement: str
    source: str
    given: str
    tolerance: float
    because: str
    mistakes: Mapping[str, Any]
    relation: str = "="
    curve: Callable[[Axes], None] | None = None

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
        """The name of the file that declares the claim."""
        return self.routes.__module__.rpartition(".")[2]

    @property
    def title(self) -> str:
        """The first line of the docstring, or the name where Python removed docstrings (-OO)."""
        text = inspect.getdoc(self.routes) or self.name.replace("_", " ")
        return text.partition("\n")[0]

    def check(self, *formula: Any) -> Verdict:
        """Check the claim and its mistakes; or, given another formula, that formula alone.

        With the relation "=" every route is compared with the first; with "<=" each is compared
        with the one before, and the difference is how much it is below it. A difference may be
        tolerance (1 + |value|) plus five standard errors. By chance, five standard errors are
        exceeded once in a million claims; the seeds are fixed, so a verdict never changes.
        """
        started = time.perf_counter()
        routes = [Route(*route) for route in self.routes(*formula)]
        first = routes[:1] * len(routes) if self.relation == "=" else routes
        compared = [self._compare(a, b) for a, b in zip(first, routes[1:])]
        gaps, bounds = (np.concatenate(arrays) for arrays in zip(*compared))
        worst = np.argmax(gaps / bounds)
        mistakes = {} if formula else self.mistakes
        accepted = [name for name, mistake in mistakes.items() if self.check(mistake).holds]
        seconds = time.perf_counter() - started
        return Verdict(self, routes, float(gaps[worst]), float(bounds[worst]), accepted, seconds)

    def _compare(self, a: Route, b: Route) -> tuple[np.ndarray, np.ndarray]:
        """For each number: how far b is from a (or below a), and how far it may be."""
        x, y = np.ravel(np.asarray(a.value, float)), np.ravel(np.asarray(b.value, float))
        if np.shape(a.value) != np.shape(b.value):
            return np.full(1, math.inf), np.ones(1)
        with np.errstate(invalid="ignore"):
            gap = np.where(x == y, 0.0, x - y)  # two infinities agree
        gap = np.abs(gap) if self.relation == "=" else np.maximum(gap, 0.0)
        errors = np.ravel(np.hypot(a.standard_error, b.standard_error))
        size = np.where(np.isfinite(x), np.abs(x), 0.0)
        bound = self.tolerance * (1 + size) + 5 * errors
        return (
            np.where(np.isnan(gap), math.inf, gap),
            np.where(np.isnan(bound), self.tolerance, bound),
        )

    def plot(self, curve: Callable[[Axes], None]) -> Callable[[Axes], None]:
        """Decorator of a function that plots a curve for the claim on the axes it is given."""
        self.curve = curve
        return curve


CLAIMS: dict[str, Claim] = {}
"""Every claim by its name, in the order of declaration."""


def claim(
    statement: str,
    *,
    source: str,
    given: str,
    tolerance: float,
    because: str,
    mistakes: Mapping[str, Any],
    relation: str = "=",
) -> Callable[[Callable[..., Routes]], Claim]:
    """Declare a claim. `statement` is LaTeX that matplotlib can typeset; the rest is plain text.

    `source` names a publication, `given` the numbers at which the claim is checked, and `because`
    the reason for `tolerance`. Raises ValueError for a claim that cannot fail, and for a name that
    is taken.
    """

    def declare(routes: Callable[..., Routes]) -> Claim:
        made = Claim(routes, statement, source, given, tolerance, because, mistakes, relation)
        documented = routes.__doc__ or sys.flags.optimize > 1
        if not mistakes or relation not in ("=", "<=") or not documented:
            raise ValueError(
                f"{made.name}: a claim has a docstring, mistakes to refuse and the relation = or <="
            )
        before = CLAIMS.get(made.name)
        if before and not _is_same_function(before.routes, routes):
            raise ValueError(f"two claims are called {made.name}")
        CLAIMS[made.name] = made
        return made

    return declare


def _is_same_function(before: Callable, now: Callable) -> bool:
    """Whether a notebook's cell declares its function again, possibly edited."""
    one, other = before.__code__, now.__code__
    same_file = one.co_filename == other.co_filename
    moved = one.co_firstlineno != other.co_firstlineno
    return before.__module__ == now.__module__ and not (same_file and moved)
