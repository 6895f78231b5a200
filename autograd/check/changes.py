"""Changes of one expression of a derived gradient, as mistakes are made.

A sign, a number, a transpose, a kernel that is not turned, a factor too many, or one that is
missing and is a value of f, of df or of the file that they are in.
"""

import ast
import itertools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from autograd.check.evidence import Named
from autograd.check.missing import fit
from autograd.check.pair import Point, central_difference
from autograd.check.probe import Probe, is_number, place


class Change(NamedTuple):
    """`new` gives the changed value of expression `at`, from its value and any `known` one.

    Of several that repair a gradient, the one of the least `cost` is more often the mistake.
    `known` has the known value at each point.
    """

    at: int
    new: Callable[..., Any]
    text: str
    cost: int = 0
    known: Sequence[np.ndarray] = ()


def _times(factor: float) -> Callable[[Any], Any]:
    return lambda value: value * factor


def small_changes(
    probe: Probe, points: Sequence[Point], values: Mapping[int, Any]
) -> Iterator[Change]:
    """Changes that need nothing but an expression and its parts."""
    lengths = {n for x in points[0] for n in np.shape(x) if n > 1}
    numbers = {2.0, 0.5, 3.0, 1 / 3, 4.0, 0.25} | {float(n) for n in lengths}
    for i, value in values.items():
        where = f"In line {probe.nodes[i].lineno}"
        it = f"{where} `{probe.text(i)}`"
        yield from _operations(probe, i, where)
        yield from _reductions(probe, i, it, values)
        yield Change(i, _times(-1), f"{where} the sign of `{probe.text(i)}` is flipped", 1)
        for number in sorted(numbers | {1 / n for n in numbers}):
            text = f"{it} should be {Fraction(number).limit_denominator(50)} times that"
            yield Change(i, _times(number), text, 2)
        if np.ndim(value) == 2:
            yield Change(i, np.transpose, f"{it} should be transposed", 1)
        yield from _along_axes(i, it, np.ndim(value))


def _along_axes(i: int, it: str, ndim: int) -> Iterator[Change]:
    """A kernel that is not turned, a sum that is missing."""
    for axes in axis_subsets(ndim):
        text = f"{it} should be turned round, `[{reversed_index(axes, ndim)}]`"
        yield Change(i, partial(np.flip, axis=axes), text, 1)
        for keepdims in (False, True):
            text = f"{it} should be summed over axis {', '.join(map(str, axes))}"
            yield Change(i, partial(np.sum, axis=axes, keepdims=keepdims), text)


def axis_subsets(ndim: int) -> Iterator[tuple[int, ...]]:
    return itertools.chain.from_iterable(
        itertools.combinations(range(ndim), count) for count in range(1, ndim + 1)
    )


def reversed_index(axes: tuple[int, ...], ndim: int) -> str:
    return ", ".join("::-1" if axis in axes else ":" for axis in range(ndim))


OTHER_OPERATIONS: dict[Any, list[str]] = {
    ast.Add: ["{x} - {y}", "{y} - {x}", "{x}", "{y}"],
    ast.Sub: ["{x} + {y}", "{x}"],
    ast.Mult: ["{x} / {y}"],
    ast.Div: ["{x} * {y}", "{y} / {x}"],
    ast.MatMult: ["{y} @ {x}"],
    ast.Pow: [f"{{x}} ** {power}" for power in (-2, -1, -0.5, 0.5, 1, 2, 3, 4)],
}
"""What may have been meant in the place of x + y, and so on."""


def _operations(probe: Probe, i: int, where: str) -> Iterator[Change]:
    """Another operator, the operands exchanged, or fewer factors."""
    node = probe.nodes[i]
    if not isinstance(node, ast.BinOp):
        return
    a, b = place(node.left), place(node.right)
    if a < 0 or (b < 0 and not isinstance(node.op, ast.Pow)):  # exponents are not recorded
        return
    for form in OTHER_OPERATIONS.get(type(node.op), []):

        def other(value: Any, form: str = form) -> Any:
            operands = {"x": probe.values[a] * 1.0, "y": probe.values.get(b)}
            return eval(form.format(x="x", y="y"), operands)

        text = form.format(x=ast.unparse(node.left), y=ast.unparse(node.right))
        yield Change(i, other, f"{where} `{probe.text(i)}` should be `{text}`")
    if isinstance(node.op, ast.Mult | ast.Div):
        yield from _fewer_factors(probe, i, where)


def _fewer_factors(probe: Probe, i: int, where: str) -> Iterator[Change]:
    factors = list(_factors(probe.nodes[i], under=False))
    for count in range(1, min(3, len(factors) - 1) + 1):
        for dropped in itertools.combinations(factors, count):
            kept = [(place(node), under) for node, under in factors if (node, under) not in dropped]
            if any(at < 0 for at, _ in kept):
                continue

            def product(value: Any, kept: list = kept) -> Any:
                result: Any = 1.0
                for at, under in kept:
                    result = result / probe.values[at] if under else result * probe.values[at]
                return result

            text = " * ".join(_as_factor(node, under) for node, under in dropped)
            yield Change(i, product, f"{where} the factor `{text}` should not be there")


def _factors(node: ast.expr, under: bool) -> Iterator[tuple[ast.expr, bool]]:
    """The factors of a product, and whether they divide."""
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
    if of not in values and node.args:  # np.sum(x)
        of = place(node.args[0])
    if name not in ("sum", "mean") or of not in values or not np.size(values[i]):
        return
    n = np.size(values[of]) // np.size(values[i])
    if n > 1:
        other = {"sum": "mean", "mean": "sum"}[name]
        yield Change(i, _times(n if name == "mean" else 1 / n), f"{it} should be a {other}")
        yield Change(i, _times(n / (n - 1)), f"{it} should be divided by n - 1, not by n")
    for axis in range(np.ndim(values[of])):
        for keepdims in (False, True):
            over = partial(getattr(np, name), axis=axis, keepdims=keepdims)
            text = f"{it} should be over axis {axis}"
            yield Change(i, lambda value, over=over: over(probe.values[of]), text)


def changes_with_known_values(
    probe: Probe, known: Sequence[Named], values: Mapping[int, Any]
) -> Iterator[Change]:
    """Changes that bring in a known value: as a factor, in place of another, as a term."""
    in_products = _operands(probe, ast.Mult | ast.Div)
    in_sums = _operands(probe, ast.Add | ast.Sub)
    for i, value in values.items():
        it = f"In line {probe.nodes[i].lineno} `{probe.text(i)}`"
        for what, u in known:
            if not _broadcasts(u[0], value) or what == probe.text(i):
                continue
            if _is_short(probe.nodes[i]) and u[0].shape == np.shape(value):
                yield Change(i, _second, f"{it} should be `{what}`", 1, u)
            if i not in in_products:
                yield Change(i, operator.mul, f"{it} lacks the factor `{what}`", 0, u)
                yield Change(i, operator.truediv, f"{it} should be divided by `{what}`", 2, u)
            if i not in in_sums:
                cost = 3 if i in probe.assigned else 4
                yield Change(i, operator.add, f"{it} lacks the term `{what}`", cost, u)
                yield Change(i, operator.sub, f"{it} lacks the term -`{what}`", cost, u)


def _second(value: Any, known: Any) -> Any:
    return known


def _broadcasts(small: Any, value: Any) -> bool:
    try:
        return np.broadcast_shapes(np.shape(small), np.shape(value)) == np.shape(value)
    except ValueError:
        return False


def _operands(probe: Probe, operators: Any) -> set[int]:
    """The operands of an operator. (A factor or a term is added to the whole expression.)"""
    whole = [n for n in probe.nodes if isinstance(n, ast.BinOp) and isinstance(n.op, operators)]
    return {place(side) for node in whole for side in (node.left, node.right)}


def _is_short(node: ast.expr) -> bool:
    return sum(isinstance(n, ast.expr) for n in ast.walk(node)) <= 6


def changes_of_jacobians(
    inner: Probe | None,
    probe: Probe,
    points: Sequence[Point],
    values: Sequence[Mapping[int, Any]],
) -> Iterator[Change]:
    """Replace the diagonal of a Jacobian by all of it, for the variables and the calls of f.

    `inner` is the probe of f, None for an f without a source.
    """
    if inner is None:
        return
    inputs = range(-len(points[0]), 0)
    for y, node in enumerate(inner.nodes):
        arguments = [place(a) for a in node.args] if isinstance(node, ast.Call) else []
        for x in [*arguments, *(inputs if y in inner.assigned else ())]:
            pulled = [p for point in points if (p := _pulled_back(inner, x, y, point))]
            if len(pulled) < len(points):
                continue
            for i in set(values[0]).intersection(*values):
                if np.shape(values[0][i]) != pulled[0][0].shape:
                    continue
                factors = fit([[p[0] for p in pulled]], [v[i] for v in values])
                if factors is not None:
                    text = (
                        f"In line {probe.nodes[i].lineno} `{probe.text(i)}` takes the diagonal of "
                        f"the Jacobian of `{inner.assigned.get(y, inner.text(y))}` for all of it"
                    )
                    yield Change(i, _second, text, 0, [factors[0] * by_x for _, by_x in pulled])


def _pulled_back(
    inner: Probe, x: int, y: int, point: Point
) -> tuple[np.ndarray, np.ndarray] | None:
    """For two values of one shape in f, (df/dy times the diagonal of dy/dx, df/dx).

    x is an expression or, below 0, an input, counted from the last. None for other values.
    """
    inner.run(*point)
    before, after = (point[x] if x < 0 else inner.values.get(x)), inner.values.get(y)
    if not all(is_number(v) and np.asarray(v).dtype.kind == "f" for v in (before, after)):
        return None
    if np.shape(before) != np.shape(after):  # type: ignore[arg-type]
        return None
    by_x, by_y, diagonal = (np.zeros(np.shape(before)) for _ in range(3))  # type: ignore[arg-type]
    for index in np.ndindex(by_x.shape):

        def moved(t: float, at: int) -> Any:
            """f where the value of x or y is increased by t in this entry."""

            def change(value: Any) -> np.ndarray:
                value = np.array(value, dtype=float)
                value[index] += t  # noqa: B023
                return value

            inputs = [change(v) if n == at else v for n, v in enumerate(point, -len(point))]
            return inner.run(*inputs, at=at, change=change)

        def values(t: float) -> list:
            total = moved(t, x)
            return [total, np.asarray(inner.values[y])[index], moved(t, y)]  # noqa: B023

        by_x[index], diagonal[index], by_y[index] = central_difference(values, 1e-4)
    return diagonal * by_y, by_x
