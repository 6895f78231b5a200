"""What the author of a wrong gradient overlooked: a guess, from the pattern of its error.

Each guess is a sentence, or "" where the pattern does not fit. It is made from the derived and the
true gradients at several points, since at a single one too many patterns fit.
"""

import ast
from collections.abc import Sequence

import numpy as np

from autograd.check.changes import axis_subsets, reversed_index
from autograd.check.evidence import Arrays, Evidence, Named
from autograd.check.missing import by_what_is_missing, close, fit, number_text
from autograd.check.pair import Pair
from autograd.check.probe import parsed, place
from autograd.check.search import repairs


def explain(e: Evidence, wrong: Sequence[str]) -> dict[str, str]:
    """A sentence for each wrong argument whose error has a known pattern."""
    texts = {
        name: _as_a_whole(e, name) or _exchanged(e, name) or _by_terms(e, name) for name in wrong
    }
    if unexplained := [name for name in wrong if not texts[name]]:
        texts |= repairs(e, unexplained, e.truths.keys() - set(wrong))
    return {name: text or by_what_is_missing(e, name) for name, text in texts.items()}


def lines(pair: Pair, derived: Sequence[str]) -> dict[str, int]:
    """The line of the file that makes each gradient: its last assignment, or the return."""
    try:
        tree = parsed(pair.df)
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
        for name, one in _returned(tree, pair.names, derived).items()
    }


def _returned(
    tree: ast.FunctionDef, names: Sequence[str], derived: Sequence[str]
) -> dict[str, ast.expr]:
    """The expressions that a function returns, by the input whose gradient they are."""
    last = tree.body[-1]
    if not isinstance(last, ast.Return) or last.value is None:
        return {}
    found = last.value.elts if isinstance(last.value, ast.Tuple) else [last.value]
    return dict(zip(names if len(found) == len(names) else derived, found))


def _as_a_whole(e: Evidence, name: str) -> str:
    """The sign, a constant factor, a transpose, a sum over a broadcast axis."""
    truths = e.truths[name]
    for change, moved in _rearranged(e.given[name], truths[0].shape):
        factors = fit([moved], truths)
        if factors is not None and factors[0]:
            factor = "" if close(factors[0], 1) else _factor(1 / factors[0], e)
            return _sentence(", and ".join(filter(None, [change, factor])))
    return ""


def _exchanged(e: Evidence, name: str) -> str:
    """The gradient of another argument in its place."""
    given, truths = e.given, e.truths
    for other in truths:
        if other != name and given[other][0].shape == truths[name][0].shape:
            factors = fit([given[other]], truths[name])
            if factors is None or not close(factors[0], 1):
                continue
            same_shape = given[name][0].shape == truths[other][0].shape
            if same_shape and fit([given[name]], truths[other]) is not None:
                return f"The gradients of {name} and {other} are exchanged."
    return ""


def _by_terms(e: Evidence, name: str) -> str:
    """Which of the terms that `df` adds up are right, by its source."""
    truths = e.truths[name]
    returned = _returned(e.df.tree, e.pair.names, list(e.truths)) if e.df else {}
    terms = _summands(returned[name]) if name in returned else {}
    if e.df is None or len(terms) < 2:
        return ""
    numbers = e.df.numbers(e.points)
    try:
        values = [
            [np.broadcast_to(sign * v[i], truths[0].shape) for v in numbers]
            for i, sign in terms.values()
        ]
    except (KeyError, ValueError):  # a term that is no number, or of another shape
        return ""
    factors = fit(values, truths)
    wrong = [] if factors is None else [k for k, c in enumerate(factors) if not close(c, 1)]
    if factors is None or len(wrong) in (0, len(terms)):
        return ""
    names = list(terms)
    texts = [f"term {k + 1}, `{names[k]}`, {_of_a_term(factors[k], e.known)}" for k in wrong]
    return _sentence("right but for " + " and ".join(texts))


def _summands(expression: ast.expr, sign: int = 1) -> dict[str, tuple[int, int]]:
    """The terms of a sum, by their text: the place and the sign of each."""
    if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.Add | ast.Sub):
        right = -sign if isinstance(expression.op, ast.Sub) else sign
        return _summands(expression.left, sign) | _summands(expression.right, right)
    term = expression if sign > 0 else ast.UnaryOp(ast.USub(), expression)
    return {ast.unparse(term): (place(expression), sign)}


def _rearranged(given: Arrays, shape: tuple[int, ...]) -> list[tuple[str, Arrays]]:
    """The gradients without some mistake of shape, and its name; first the gradients themselves."""
    made = [("", given)] if given[0].shape == shape else []
    if given[0].ndim == 2 and given[0].T.shape == shape:
        made.append(("it is transposed", [g.T for g in given]))
    for axes in axis_subsets(given[0].ndim):
        if given[0].shape == shape and all(shape[axis] > 1 for axis in axes):
            text = f"it is turned round, `[{reversed_index(axes, given[0].ndim)}]`"
            made.append((text, [np.flip(g, axes) for g in given]))
        sums = [g.sum(axis=axes, keepdims=True) for g in given]
        if sums[0].size == np.prod(shape) and given[0].shape != shape:
            over = ", ".join(map(str, axes))
            text = f"a sum over axis {over} is missing, along which the input is broadcast"
            made.append((text, [s.reshape(shape) for s in sums]))
    return made


def _factor(times: float, e: Evidence) -> str:
    """In words, that what was derived is so many times the gradient."""
    if close(times, -1):
        return "the sign is flipped"
    text = f"it is {number_text(times)} times the gradient"
    for name, x in zip(e.pair.names, e.points[0]):
        for axis, length in enumerate(np.shape(x)):
            if length > 2 and (close(abs(times), length) or close(abs(1 / times), length)):
                return f"{text}, and {length} is the length of {name} along axis {axis}"
    return text + _known_as(times, e.known)


def _known_as(number: float, known: Sequence[Named]) -> str:
    """That a number is one of the function's own, or what such a one divides by."""
    if close(abs(number), 1):
        return ""
    for text, values in known:
        if not any(map(str.isalpha, text)):
            continue
        if all(v.ndim == 0 and v and close(float(v), number) for v in values):
            return f", and that number is `{text}`"
        if all(v.ndim == 0 and v and close(1 / float(v), number) for v in values):
            return f", and that number is `1 / {text}`"
    return ""


def _of_a_term(factor: float, known: Sequence[Named]) -> str:
    if close(factor, -1):
        return "whose sign is flipped"
    if close(factor, 0):
        return "which should not be there"
    return f"which should be {number_text(factor)} times that{_known_as(factor, known)}"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."
