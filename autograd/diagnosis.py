"""What the author of a wrong gradient overlooked: a guess, from the pattern of its error.

Each function is given gradients derived on paper and the true ones, at several points since at a
single one too much would fit, and answers with a sentence or with "".
"""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

Arrays = Sequence[np.ndarray]
EXACT = 1e-6  # how well a pattern fits, relative to the gradient, to be taken for one


def as_a_whole(given: Arrays, truths: Arrays, inputs: Mapping[str, np.ndarray]) -> str:
    """The sign, a constant factor, a transpose, a sum over a broadcast axis."""
    for change, moved in _rearranged(given, truths[0].shape):
        factors = _fit([moved], truths)
        if factors is not None and factors[0]:
            said = [change, "" if _is(factors[0], 1) else _factor(1 / factors[0], inputs)]
            return _sentence(", and ".join(filter(None, said)))
    return ""


def by_terms(
    df: Callable[..., Any], points: Sequence[Arrays], argument: int, truths: Arrays
) -> str:
    """Which of the terms that `df` adds up are right, by its source."""
    terms = _terms(df, argument)
    if len(terms) < 2:
        return ""
    values = [
        [np.broadcast_to(value(*point), truths[0].shape) for point in points]
        for value in terms.values()
    ]
    factors = _fit(values, truths)
    if factors is None:
        return ""
    wrong = [k for k, factor in enumerate(factors) if not _is(factor, 1)]
    if len(wrong) in (0, len(terms)):
        return ""
    names = list(terms)
    said = [f"term {k + 1}, `{names[k]}`, {_of_a_term(factors[k])}" for k in wrong]
    return _sentence("right but for " + " and ".join(said))


def by_what_is_missing(
    given: Arrays, truths: Arrays, points: Sequence[Arrays], names: Sequence[str]
) -> str:
    """A term that would make it right: a multiple of an input, or the same all along an axis."""
    if given[0].shape != truths[0].shape:
        return ""
    errors = [truth - g for truth, g in zip(truths, given)]
    candidates = {"a constant": [np.ones_like(e) for e in errors]}
    for i, name in enumerate(names):
        if points[0][i].shape == errors[0].shape:
            candidates[name] = [point[i] for point in points]
            candidates[f"{name}^2"] = [point[i] ** 2 for point in points]
    for what, values in candidates.items():
        factors = _fit([values], errors)
        if factors is not None:
            times = "" if _is(factors[0], 1) else f"{_number(factors[0])} times "
            return f"Right but for a second term: {times}{what} is missing."
    for axis, length in enumerate(errors[0].shape):
        if length > 1 and all(_same_along(axis, e, truth) for e, truth in zip(errors, truths)):
            return (
                f"Right but for a second term, the same all along axis {axis}: what comes through "
                "a mean or a sum over that axis is missing."
            )
    right = np.isclose(given[0], truths[0], rtol=1e-5, atol=EXACT)
    return f"{right.sum()} of {right.size} entries are right." if right.any() else ""


def _rearranged(given: Arrays, shape: tuple[int, ...]) -> list[tuple[str, Arrays]]:
    """What the gradients would be but for a mistake of shape, and its name; first as they are."""
    made = [("", given)] if given[0].shape == shape else []
    if given[0].ndim == 2 and given[0].T.shape == shape:
        made.append(("it is transposed", [g.T for g in given]))
    for count in range(1, given[0].ndim + 1):
        for axes in itertools.combinations(range(given[0].ndim), count):
            sums = [g.sum(axis=axes, keepdims=True) for g in given]
            if sums[0].size == np.prod(shape) and given[0].shape != shape:
                named = ", ".join(map(str, axes))
                made.append(
                    (
                        f"a sum over axis {named} is missing, along which the input is broadcast",
                        [s.reshape(shape) for s in sums],
                    )
                )
    return made


def _fit(columns: Sequence[Arrays], truths: Arrays) -> np.ndarray | None:
    """The factors by which the columns add up to the truth, if they do."""
    matrix = np.stack([np.concatenate([c.ravel() for c in column]) for column in columns], axis=1)
    truth = np.concatenate([t.ravel() for t in truths])
    factors, _, rank, _ = np.linalg.lstsq(matrix, truth, rcond=1e-8)
    size = max(np.abs(truth).max(initial=0), np.abs(matrix).max(initial=0))
    fits = np.abs(matrix @ factors - truth).max(initial=0) <= EXACT * size
    return factors if fits and rank == len(columns) else None


def _terms(df: Callable[..., Any], argument: int) -> dict[str, Callable[..., Any]]:
    """The terms of the sum that `df` returns for an argument, as functions; none if it is no sum.

    Each is `df` itself with that term as what it returns.
    """
    if not inspect.isfunction(df):
        return {}
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(df)))
    except (OSError, TypeError, SyntaxError):  # no source, or a lambda in the middle of a line
        return {}
    function = tree.body[0]
    if not isinstance(function, ast.FunctionDef) or not isinstance(function.body[-1], ast.Return):
        return {}
    function.decorator_list.clear()
    last = function.body[-1]
    expression = last.value
    if isinstance(expression, ast.Tuple):
        expression = expression.elts[argument]
    scope = dict(df.__globals__) | dict(inspect.getclosurevars(df).nonlocals)
    terms: dict[str, Callable[..., Any]] = {}
    for term in _summands(expression):
        last.value = term
        names: dict[str, Any] = {}
        exec(compile(ast.fix_missing_locations(tree), "<derivation>", "exec"), scope, names)
        terms[ast.unparse(term)] = names[function.name]
    return terms


def _summands(expression: Any, sign: bool = False) -> list[ast.expr]:
    if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.Add | ast.Sub):
        minus = sign ^ isinstance(expression.op, ast.Sub)
        return _summands(expression.left, sign) + _summands(expression.right, minus)
    return [ast.UnaryOp(ast.USub(), expression)] if sign else [expression]


def _factor(times: float, inputs: Mapping[str, np.ndarray]) -> str:
    """In words, that what was derived is so many times the gradient."""
    if _is(times, -1):
        return "the sign is flipped"
    said = f"it is {_number(times)} times the gradient"
    for name, x in inputs.items():
        for axis, length in enumerate(x.shape):
            if length > 2 and (_is(abs(times), length) or _is(abs(1 / times), length)):
                return f"{said}, and {length} is the length of {name} along axis {axis}"
    return said


def _of_a_term(factor: float) -> str:
    if _is(factor, -1):
        return "whose sign is flipped"
    if _is(factor, 0):
        return "which should not be there"
    return f"which should be {_number(factor)} times that"


def _same_along(axis: int, error: np.ndarray, truth: np.ndarray) -> bool:
    size = np.abs(truth).max(initial=0)
    return bool(np.ptp(error, axis=axis).max(initial=0) <= EXACT * size)


def _number(value: float) -> str:
    fraction = Fraction(value).limit_denominator(20)
    return str(fraction) if _is(float(fraction), value) else f"{value:.6g}"


def _is(a: float, b: float) -> bool:
    return bool(abs(a - b) <= 1e-5 * max(1.0, abs(b)))


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."
