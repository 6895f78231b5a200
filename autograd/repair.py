"""The one change to a derived gradient that makes it right.

Each expression of `df` is changed on the way, as mistakes are made: a sign, a number, a transpose,
a kernel that is not turned, a factor too many, or one that is missing and is a value of f, of df or
of the file they are in. A change that gives the true gradients at every point is what went wrong.
"""

import ast
import inspect
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from autograd.probe import Probe, place

Point = Sequence[Any]
Gradients = Mapping[str, np.ndarray]
SECONDS = 5.0  # of the processor, after which no further change is tried
LONGEST = 40  # letters of an expression that is worth naming


class Change(NamedTuple):
    """`new` is what becomes of the value of expression `at`, at the k-th point.

    Of several that do, the one of the least `cost` is more often what went wrong.
    """

    at: int
    new: Callable[[Any, int], Any]
    said: str
    cost: int = 0


class Named(NamedTuple):
    """A value that may be what is missing, at each point."""

    text: str
    values: list[np.ndarray]


def repairs(
    f: Callable[..., Any],
    df: Callable[..., Any],
    points: Sequence[Point],
    known: Sequence[Named],
    read: Callable[[Any, int], Gradients],
    truths: Mapping[str, Sequence[np.ndarray]],
    wrong: Sequence[str],
    sound: Set[str],
) -> dict[str, str]:
    """What would make wrong gradients right, and no sound one wrong, where anything would.

    `read` takes apart what df returns at the k-th point, and `truths` has the true gradients. Of
    two changes that do, the one that mends more is taken, and then the later one in df.
    """
    try:
        probe = Probe(df)
    except ValueError:
        return {}
    given, seen = [], []
    for k, point in enumerate(points):
        given.append(read(probe.run(*point), k))
        seen.append(dict(probe.values))

    def fixed(change: Change) -> set[str]:
        """The arguments that it makes right; none, where it changes a sound one."""
        right = set(truths)
        for k, point in enumerate(points):
            try:
                found = read(probe.run(*point, at=change.at, change=lambda v: change.new(v, k)), k)  # noqa: B023
            except Exception:  # whatever a person's own function raises at what it never was given
                return set()
            due = {a: given[k][a] if a in sound else truths[a][k] for a in right}
            right = {a for a in right if _fits(found[a], due[a], given[k][a])}
            if not right.intersection(wrong) or not right >= sound:
                return set()
        return right - sound

    told: dict[str, str] = {}
    deadline = time.process_time() + SECONDS
    for stage in (
        _small(probe, points, seen[0]),
        _of_names(probe, known, seen),
        _of_jacobians(f, probe, points, seen),
    ):
        best: dict[str, tuple] = {}
        for n, change in enumerate(stage):
            if n % 256 == 0 and time.process_time() > deadline:
                break
            for name in (right := fixed(change)):
                line = probe.nodes[change.at].lineno
                score = (-len(right), change.cost, -line, len(change.said), change.said)
                best[name] = min(best.get(name, score), score)
        told |= {name: f"{score[-1]}." for name, score in best.items() if name not in told}
        if told.keys() >= set(wrong):
            break
    return told


def _fits(found: np.ndarray, truth: np.ndarray, given: np.ndarray) -> bool:
    """Whether it is the truth, and explains what was given: a small error, by its own size."""
    if found.shape != truth.shape:
        return False
    size = np.abs(truth).max(initial=0)
    error = np.abs(given - truth).max(initial=0) if given.shape == truth.shape else size
    allowed = min(1e-3 * error, 1e-6 * size) + 1e-9 * (1 + size)
    return bool(np.abs(found - truth).max(initial=0) <= allowed)


def _times(factor: Any) -> Callable[[Any, int], Any]:
    return lambda value, k: value * factor


def _by(change: Callable[[Any], Any]) -> Callable[[Any, int], Any]:
    return lambda value, k: change(value)


def _small(probe: Probe, points: Sequence[Point], values: Mapping[int, Any]) -> Iterator[Change]:
    """Changes that need nothing but an expression and its parts."""
    lengths = {n for x in points[0] for n in np.shape(x) if n > 1}
    numbers = {2.0, 0.5, 3.0, 1 / 3, 4.0, 0.25} | {float(n) for n in lengths}
    for i, value in values.items():
        if not is_number(value):
            continue
        where = f"In line {probe.nodes[i].lineno}"
        it = f"{where} `{probe.text(i)}`"
        yield from _operations(probe, i, where)
        yield from _reductions(probe, i, it, values)
        yield Change(i, _times(-1), f"{where} the sign of `{probe.text(i)}` is flipped", 1)
        for number in sorted(numbers | {1 / n for n in numbers}):
            said = f"{it} should be {Fraction(number).limit_denominator(50)} times that"
            yield Change(i, _times(number), said, 2)
        if np.ndim(value) == 2:
            yield Change(i, _by(np.transpose), f"{it} should be transposed", 1)
        yield from _along_axes(i, it, np.ndim(value))


def _along_axes(i: int, it: str, ndim: int) -> Iterator[Change]:
    """A kernel that is not turned, a sum that is forgotten."""
    for count in range(1, ndim + 1):
        for axes in itertools.combinations(range(ndim), count):
            turned = ", ".join("::-1" if axis in axes else ":" for axis in range(ndim))
            new = _by(partial(np.flip, axis=axes))
            yield Change(i, new, f"{it} should be turned round, `[{turned}]`", 1)
            for keepdims in (False, True):
                said = f"{it} should be summed over axis {', '.join(map(str, axes))}"
                yield Change(i, _by(partial(np.sum, axis=axes, keepdims=keepdims)), said)


def _operations(probe: Probe, i: int, where: str) -> Iterator[Change]:
    """Another operator, the operands exchanged, or fewer factors."""
    node = probe.nodes[i]
    if not isinstance(node, ast.BinOp):
        return
    x, y = ast.unparse(node.left), ast.unparse(node.right)
    a, b = place(node.left), place(node.right)

    def instead(text: str, new: Callable[[Any, Any], Any]) -> Change:
        def change(value: Any, k: int) -> Any:
            return new(probe.values[a], probe.values.get(b))

        return Change(i, change, f"{where} `{probe.text(i)}` should be `{text}`")

    if isinstance(node.op, ast.Pow):
        for power in (-2, -1, -0.5, 0.5, 1, 2, 3, 4):
            yield instead(f"{x} ** {power}", lambda v, _, power=power: v ** float(power))  # type: ignore[misc]
    if a < 0 or b < 0:
        return
    if isinstance(node.op, ast.Sub):
        yield instead(f"{x} + {y}", lambda v, w: v + w)
        yield instead(x, lambda v, w: v)
    if isinstance(node.op, ast.Add):
        yield instead(f"{x} - {y}", lambda v, w: v - w)
        yield instead(f"{y} - {x}", lambda v, w: w - v)
        yield instead(x, lambda v, w: v)
        yield instead(y, lambda v, w: w)
    if isinstance(node.op, ast.Div):
        yield instead(f"{x} * {y}", lambda v, w: v * w)
        yield instead(f"{y} / {x}", lambda v, w: w / v)
    if isinstance(node.op, ast.Mult):
        yield instead(f"{x} / {y}", lambda v, w: v / w)
    if isinstance(node.op, ast.MatMult):
        yield instead(f"{y} @ {x}", lambda v, w: w @ v)
    if isinstance(node.op, ast.Mult | ast.Div):
        yield from _fewer_factors(probe, i, where)


def _fewer_factors(probe: Probe, i: int, where: str) -> Iterator[Change]:
    factors = list(_factors(probe.nodes[i], under=False))
    for count in range(1, min(3, len(factors) - 1) + 1):
        for dropped in itertools.combinations(factors, count):
            kept = [(place(node), under) for node, under in factors if (node, under) not in dropped]
            if any(at < 0 for at, _ in kept):
                continue

            def product(value: Any, k: int, kept: list = kept) -> Any:
                result: Any = 1.0
                for at, under in kept:
                    result = result / probe.values[at] if under else result * probe.values[at]
                return result

            text = " * ".join(_as_factor(node, under) for node, under in dropped)
            yield Change(i, product, f"{where} the factor `{text}` should not be there")


def _factors(node: ast.expr, under: bool) -> Iterator[tuple[ast.expr, bool]]:
    """Those of a product, and whether they are divided by."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        yield from _factors(node.left, under)
        yield from _factors(node.right, under ^ isinstance(node.op, ast.Div))
    else:
        yield node, under


def _as_factor(node: ast.expr, under: bool) -> str:
    text = ast.unparse(node)
    if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Pow):
        text = f"({text})"
    return f"1 / {text}" if under else text


def _reductions(probe: Probe, i: int, it: str, values: Mapping[int, Any]) -> Iterator[Change]:
    """A sum for a mean, n - 1 for n, another axis."""
    node = probe.nodes[i]
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    name, of = node.func.attr, place(node.func.value)
    if not is_number(values.get(of)) and node.args:  # np.sum(x)
        of = place(node.args[0])
    if name not in ("sum", "mean") or not is_number(values.get(of)) or not np.size(values[i]):
        return
    n = np.size(values[of]) // np.size(values[i])
    if n > 1:
        other = {"sum": "mean", "mean": "sum"}[name]
        yield Change(i, _times(n if name == "mean" else 1 / n), f"{it} should be a {other}")
        yield Change(i, _times(n / (n - 1)), f"{it} should be divided by n - 1, not by n")
    reduce = np.sum if name == "sum" else np.mean
    for axis in range(np.ndim(values[of])):
        for keepdims in (False, True):
            over = partial(reduce, axis=axis, keepdims=keepdims)

            def again(value: Any, k: int, over: Callable = over) -> Any:
                return over(probe.values[of])

            yield Change(i, again, f"{it} should be over axis {axis}")


def _of_names(
    probe: Probe, known: Sequence[Named], seen: Sequence[Mapping[int, Any]]
) -> Iterator[Change]:
    """Changes that bring in a known value: as a factor, in place of another, as a term."""
    in_products = _operands(probe, ast.Mult | ast.Div)
    in_sums = _operands(probe, ast.Add | ast.Sub)
    for i, value in seen[0].items():
        if not is_number(value):
            continue
        it = f"In line {probe.nodes[i].lineno} `{probe.text(i)}`"
        for what, values in known:
            if not _broadcasts(values[0], value) or what == probe.text(i):
                continue

            def by(
                new: Callable[[Any, Any], Any], values: list[np.ndarray] = values
            ) -> Callable[[Any, int], Any]:
                return lambda v, k: new(v, values[k])

            if _is_short(probe.nodes[i]) and values[0].shape == np.shape(value):
                yield Change(i, by(lambda v, u: u), f"{it} should be `{what}`", 1)
            if i not in in_products:
                yield Change(i, by(lambda v, u: v * u), f"{it} lacks the factor `{what}`")
                yield Change(i, by(lambda v, u: v / u), f"{it} should be divided by `{what}`", 2)
            if i not in in_sums:
                cost = 3 if i in probe.assigned else 4
                yield Change(i, by(lambda v, u: v + u), f"{it} lacks the term `{what}`", cost)
                yield Change(i, by(lambda v, u: v - u), f"{it} lacks the term -`{what}`", cost)


def _broadcasts(small: Any, value: Any) -> bool:
    try:
        return np.broadcast_shapes(np.shape(small), np.shape(value)) == np.shape(value)
    except ValueError:
        return False


def _operands(probe: Probe, operators: Any) -> set[int]:
    """What stands beside an operator: what may be done to it is done to the whole."""
    whole = [n for n in probe.nodes if isinstance(n, ast.BinOp) and isinstance(n.op, operators)]
    return {place(side) for node in whole for side in (node.left, node.right)}


def _is_short(node: ast.expr) -> bool:
    return sum(isinstance(n, ast.expr) for n in ast.walk(node)) <= 6


def _of_jacobians(
    f: Callable[..., Any], probe: Probe, points: Sequence[Point], seen: Sequence[Mapping[int, Any]]
) -> Iterator[Change]:
    """The diagonal of a Jacobian for all of it: that of what f gives a name, or calls."""
    try:
        inner = Probe(f)
        inner.run(*points[0])
    except ValueError:
        return
    inputs = range(-len(points[0]), 0)
    for y, node in enumerate(inner.nodes):
        arguments = [place(a) for a in node.args] if isinstance(node, ast.Call) else []
        for x in [*arguments, *(inputs if y in inner.assigned else ())]:
            pulled = [p for point in points if (p := _pulled_back(inner, x, y, point))]
            if len(pulled) < len(points):
                continue
            for i in seen[0]:
                factors = [_multiple(values.get(i), p[0]) for values, p in zip(seen, pulled)]
                if factors[0] is not None and np.allclose(factors, factors[0], rtol=1e-6):  # type: ignore[arg-type]
                    said = (
                        f"In line {probe.nodes[i].lineno} `{probe.text(i)}` takes the diagonal of "
                        f"the Jacobian of `{inner.assigned.get(y, inner.text(y))}` for all of it"
                    )
                    yield Change(i, lambda v, k, p=pulled, c=factors[0]: c * p[k][1], said)  # type: ignore[misc]


def _pulled_back(
    inner: Probe, x: int, y: int, point: Point
) -> tuple[np.ndarray, np.ndarray] | None:
    """Of two values of one shape in f: the gradient by y times dy/dx's diagonal, and that by x.

    x is an expression or, below 0, an input, counted from the last.
    """
    inner.run(*point)
    before, after = (point[x] if x < 0 else inner.values.get(x)), inner.values.get(y)
    if not all(is_number(v) and np.asarray(v).dtype.kind == "f" for v in (before, after)):
        return None
    if np.shape(before) != np.shape(after):  # type: ignore[arg-type]
        return None
    by_x, by_y, diagonal = (np.zeros(np.shape(before)) for _ in range(3))  # type: ignore[arg-type]
    for index in np.ndindex(by_x.shape):

        def bumped(by: float, value: Any) -> np.ndarray:
            value = np.array(value, dtype=float)
            value[index] += by  # noqa: B023
            return value

        slopes = np.zeros(3)
        for k, weight in ((-2, 1), (-1, -8), (1, 8), (2, -1)):
            by = k * 1e-4
            moved = [bumped(by, v) if n == x else v for n, v in enumerate(point, -len(point))]
            total = inner.run(*moved, at=x, change=lambda v: bumped(by, v))  # noqa: B023
            at = np.asarray(inner.values[y])[index]
            again = inner.run(*point, at=y, change=lambda v: bumped(by, v))  # noqa: B023
            slopes += weight / 12e-4 * np.array([total, again, at])
        by_x[index], by_y[index], diagonal[index] = slopes
    return diagonal * by_y, by_x


def _multiple(value: Any, of: np.ndarray) -> float | None:
    """The number that `value` is a multiple of the other by, if it is."""
    if not is_number(value) or np.shape(value) != of.shape or not of.any():
        return None
    factor = float((value * of).sum() / (of * of).sum())
    off = np.abs(value - factor * of).max()
    return factor if off <= 1e-6 * np.abs(value).max() else None


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
"""What is made of a value that has a name."""


def known(
    f: Callable[..., Any],
    df: Callable[..., Any],
    points: Sequence[Point],
    parameters: Sequence[str],
) -> list[Named]:
    """Inputs, the file's constants, what df and f give a name, and other expressions of theirs."""
    names = {name: [point[i] for point in points] for i, name in enumerate(parameters)}
    for written in filter(inspect.isfunction, (df, f)):
        constants = inspect.getclosurevars(written)
        for name, value in [*constants.globals.items(), *constants.nonlocals.items()]:
            names.setdefault(name, [value] * len(points))
    expressions: dict[str, list[Any]] = {}
    for function in (df, f):
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
                if len(probe.text(i)) <= LONGEST:
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


def is_number(value: Any) -> bool:
    if not isinstance(value, int | float | np.ndarray | np.number):
        return False
    return np.asarray(value).dtype.kind in "fiu"
