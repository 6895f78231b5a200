"""What the author of a wrong gradient overlooked: a guess, from the pattern of its error.

Each function is given gradients derived on paper and the true ones, at several points since at a
single one too much would fit, and answers with a sentence or with "".
"""

import ast
import copy
import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from autograd import probe, repair

Arrays = Sequence[np.ndarray]
EXACT = 1e-6  # how well a pattern fits, relative to the gradient, to be taken for one


def explain(
    f: Callable[..., Any],
    df: Callable[..., Any],
    names: Sequence[str],
    points: Sequence[Sequence[Any]],
    read: Callable[..., dict[str, np.ndarray]],
    free: Sequence[str],
    wrong: Sequence[str],
    given: Sequence[Mapping[str, np.ndarray]],
    truths: Mapping[str, Arrays],
) -> dict[str, str]:
    """A sentence for each argument that is wrong and whose error has a pattern that is known."""
    told: dict[str, str] = {}
    inputs = dict(zip(names, points[0]))
    known = repair.known(f, df, points, names)
    for name in wrong:
        derived = [g[name] for g in given]
        told[name] = (
            as_a_whole(derived, truths[name], inputs, known)
            or exchanged(name, given, truths)
            or by_terms(df, points, names, free, name, truths[name], known)
        )
    if not all(told.values()):
        still = [name for name in wrong if not told[name]]
        told |= repair.repairs(
            f,
            df,
            points,
            known,
            lambda found, k: read(found, points[k], free),
            truths,
            still,
            set(free) - set(wrong),
        )
    for name in wrong:
        if not told[name]:
            derived = [g[name] for g in given]
            told[name] = by_what_is_missing(derived, truths[name], points, names, known)
    return told


def lines(df: Callable[..., Any], names: Sequence[str], free: Sequence[str]) -> dict[str, int]:
    """Where in its file each gradient is made: in the last assignment, or what is returned."""
    try:
        tree = probe.parsed(df)
    except ValueError:
        return {}
    assigned = {
        target.id: statement.lineno
        for statement in ast.walk(tree)
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    return {
        name: assigned.get(getattr(one, "id", ""), one.lineno)
        for name, one in _returned(tree, names, free).items()
    }


def _returned(
    tree: ast.FunctionDef, names: Sequence[str], free: Sequence[str]
) -> dict[str, ast.expr]:
    """The expressions that a function ends with, by the input whose gradient they are."""
    last = tree.body[-1]
    if not isinstance(last, ast.Return) or last.value is None:
        return {}
    found = last.value.elts if isinstance(last.value, ast.Tuple) else [last.value]
    return dict(zip(names if len(found) == len(names) else free, found))


def as_a_whole(
    given: Arrays, truths: Arrays, inputs: Mapping[str, Any], known: Sequence[repair.Named]
) -> str:
    """The sign, a constant factor, a transpose, a sum over a broadcast axis."""
    for change, moved in _rearranged(given, truths[0].shape):
        factors = _fit([moved], truths)
        if factors is not None and factors[0]:
            said = [change, "" if _is(factors[0], 1) else _factor(1 / factors[0], inputs, known)]
            return _sentence(", and ".join(filter(None, said)))
    return ""


def exchanged(
    name: str, given: Sequence[Mapping[str, np.ndarray]], truths: Mapping[str, Arrays]
) -> str:
    """The gradient of another argument in its place."""
    for other in truths:
        if other != name and given[0][other].shape == truths[name][0].shape:
            factors = _fit([[g[other] for g in given]], truths[name])
            back = [g[name] for g in given]
            if factors is None or not _is(factors[0], 1) or back[0].shape != truths[other][0].shape:
                continue
            if _fit([back], truths[other]) is not None:
                return f"The gradients of {name} and {other} are exchanged."
    return ""


def by_terms(
    df: Callable[..., Any],
    points: Sequence[Arrays],
    names: Sequence[str],
    free: Sequence[str],
    argument: str,
    truths: Arrays,
    known: Sequence[repair.Named],
) -> str:
    """Which of the terms that `df` adds up are right, by its source."""
    terms = _terms(df, names, free, argument)
    if len(terms) < 2:
        return ""
    try:
        values = [
            [np.broadcast_to(value(*copy.deepcopy(point)), truths[0].shape) for point in points]
            for value in terms.values()
        ]
    except ValueError:  # terms that are of no such shape
        return ""
    factors = _fit(values, truths)
    if factors is None:
        return ""
    wrong = [k for k, factor in enumerate(factors) if not _is(factor, 1)]
    if len(wrong) in (0, len(terms)):
        return ""
    texts = list(terms)
    said = [f"term {k + 1}, `{texts[k]}`, {_of_a_term(factors[k], known)}" for k in wrong]
    return _sentence("right but for " + " and ".join(said))


def by_what_is_missing(
    given: Arrays,
    truths: Arrays,
    points: Sequence[Arrays],
    names: Sequence[str],
    known: Sequence[repair.Named] = (),
) -> str:
    """A term that would make it right: a multiple of an input, or the same all along an axis."""
    if given[0].shape != truths[0].shape:
        return ""
    errors = [truth - g for truth, g in zip(truths, given)]
    candidates = {"a constant": [np.ones_like(e) for e in errors]}
    for i, name in enumerate(names):
        if np.shape(points[0][i]) == errors[0].shape:
            candidates[name] = [point[i] for point in points]
            candidates[f"{name}^2"] = [point[i] ** 2 for point in points]
    for what, values in candidates.items():
        factors = _fit([values], errors)
        if factors is not None and not _is(factors[0], 0):
            times = "" if _is(factors[0], 1) else f"{_number(factors[0])} times "
            return f"Right but for a second term: {times}{what} is missing."
    for axis, length in enumerate(errors[0].shape):
        if length > 1 and all(_same_along(axis, e, truth) for e, truth in zip(errors, truths)):
            return (
                f"Right but for a second term, the same all along axis {axis}: what comes through "
                "a mean or a sum over that axis is missing."
            )
        if length > 3 and (said := _times_the_same_along(axis, errors, truths, known)):
            return said
    right = np.isclose(given[0], truths[0], rtol=1e-5, atol=EXACT)
    return f"{right.sum()} of {right.size} entries are right." if right.any() else ""


def _times_the_same_along(
    axis: int, errors: Arrays, truths: Arrays, known: Sequence[repair.Named]
) -> str:
    """A value times what is the same all along an axis, and that alone, is missing."""
    for value in known:
        if value.values[0].shape != errors[0].shape:
            continue
        centred = all(_is(v.mean(axis=axis).ravel().max(initial=0), 0) for v in value.values)
        for constants in (0, 1):
            fits = all(
                _spanned(axis, e, v, constants, truth)
                for e, v, truth in zip(errors, value.values, truths)
            )
            if fits and centred:
                what = "the mean and the variance" if constants else "the variance (or the norm)"
                return (
                    f"Right but for a term, `{value.text}` times what is the same all along axis "
                    f"{axis}: what comes through {what} over that axis is missing."
                )
            if fits and not constants:
                return (
                    f"Right but for a second term, `{value.text}` times what is the same all along "
                    f"axis {axis}: what comes through a sum or a norm over that axis is missing."
                )
    return ""


def _spanned(
    axis: int, error: np.ndarray, value: np.ndarray, constants: int, truth: np.ndarray
) -> bool:
    """Whether the error is a multiple of the value, plus a constant, in each line along an axis."""
    size = np.abs(truth).max(initial=0)
    e, v = (np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1) for x in (error, value))
    for column in range(e.shape[1]):
        matrix = np.stack([v[:, column], np.ones(len(v))], axis=1)[:, : 1 + constants]
        factors, _, rank, _ = np.linalg.lstsq(matrix, e[:, column], rcond=1e-8)
        off = np.abs(matrix @ factors - e[:, column]).max()
        if rank < 1 + constants or off > EXACT * size:
            return False
    return True


def _rearranged(given: Arrays, shape: tuple[int, ...]) -> list[tuple[str, Arrays]]:
    """What the gradients would be but for a mistake of shape, and its name; first as they are."""
    made = [("", given)] if given[0].shape == shape else []
    if given[0].ndim == 2 and given[0].T.shape == shape:
        made.append(("it is transposed", [g.T for g in given]))
    for count in range(1, given[0].ndim + 1):
        for axes in itertools.combinations(range(given[0].ndim), count):
            if given[0].shape == shape and all(shape[axis] > 1 for axis in axes):
                turned = ", ".join("::-1" if a in axes else ":" for a in range(given[0].ndim))
                made.append(
                    (f"it is turned round, `[{turned}]`", [np.flip(g, axes) for g in given])
                )
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


def _terms(
    df: Callable[..., Any], names: Sequence[str], free: Sequence[str], argument: str
) -> dict[str, Callable[..., Any]]:
    """The terms of the sum that `df` returns for an argument, as functions; none if it is no sum.

    Each is `df` itself with that term as what it returns.
    """
    try:
        tree = probe.parsed(df)
    except ValueError:
        return {}
    last = tree.body[-1]
    expression = _returned(tree, names, free).get(argument)
    if not isinstance(last, ast.Return) or expression is None:
        return {}
    scope = dict(df.__globals__) | dict(inspect.getclosurevars(df).nonlocals)
    terms: dict[str, Callable[..., Any]] = {}
    for term in _summands(expression):
        last.value = term
        made: dict[str, Any] = {}
        module = ast.fix_missing_locations(ast.Module([tree], []))
        exec(compile(module, "<derivation>", "exec"), scope, made)
        terms[ast.unparse(term)] = made[tree.name]
    return terms


def _summands(expression: Any, sign: bool = False) -> list[ast.expr]:
    if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.Add | ast.Sub):
        minus = sign ^ isinstance(expression.op, ast.Sub)
        return _summands(expression.left, sign) + _summands(expression.right, minus)
    return [ast.UnaryOp(ast.USub(), expression)] if sign else [expression]


def _factor(times: float, inputs: Mapping[str, Any], known: Sequence[repair.Named]) -> str:
    """In words, that what was derived is so many times the gradient."""
    if _is(times, -1):
        return "the sign is flipped"
    said = f"it is {_number(times)} times the gradient"
    for name, x in inputs.items():
        for axis, length in enumerate(np.shape(x)):
            if length > 2 and (_is(abs(times), length) or _is(abs(1 / times), length)):
                return f"{said}, and {length} is the length of {name} along axis {axis}"
    return said + _known_as(times, known)


def _known_as(number: float, known: Sequence[repair.Named]) -> str:
    """That a number is one of the function's own, or what such a one divides by."""
    if _is(abs(number), 1):
        return ""
    for text, values in known:
        if not any(map(str.isalpha, text)):
            continue
        if all(v.ndim == 0 and v and _is(float(v), number) for v in values):
            return f", and that number is `{text}`"
        if all(v.ndim == 0 and v and _is(1 / float(v), number) for v in values):
            return f", and that number is `1 / {text}`"
    return ""


def _of_a_term(factor: float, known: Sequence[repair.Named]) -> str:
    if _is(factor, -1):
        return "whose sign is flipped"
    if _is(factor, 0):
        return "which should not be there"
    return f"which should be {_number(factor)} times that{_known_as(factor, known)}"


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
