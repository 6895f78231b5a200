"""A user's function, run so that the value of every expression is recorded, or one is changed.

    probe = Probe(df)
    probe.run(w, x)                               # what df returns; probe.values has the rest
    probe.run(w, x, at=3, change=np.transpose)    # with the value of expression 3 transposed

The expressions are numbered in the order of their evaluation.
"""

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

RECORDED = (
    ast.Name | ast.Attribute | ast.Call | ast.BinOp | ast.UnaryOp | ast.Subscript | ast.Constant
)


def parsed(function: Callable[..., Any]) -> ast.FunctionDef:
    """The function as it is written, without decorators, its lines as in its file.

    Raises ValueError for a lambda, and for a function without a source.
    """
    if not inspect.isfunction(function):
        raise ValueError(f"{function} is not a function of a file")
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError) as error:
        raise ValueError(f"the source of {function} cannot be read") from error
    if not isinstance(tree, ast.FunctionDef):
        raise ValueError(f"{function} is not a function of a file")
    ast.increment_lineno(tree, function.__code__.co_firstlineno - 1)
    tree.decorator_list.clear()
    return tree


def place(node: ast.AST) -> int:
    """The number of an expression in its probe, -1 for none."""
    return getattr(node, "place", -1)


class Probe:
    """`nodes[i]` is an expression as written, and `values[i]` its value in the last run.

    `assigned[i]` is the variable that it is assigned to, if any. Raises ValueError for a lambda,
    and for a function without a source.
    """

    def __init__(self, function: Callable[..., Any]):
        self.tree = parsed(function)
        self.nodes = [e for statement in self.tree.body for e in _expressions(statement)]
        for i, node in enumerate(self.nodes):
            node.place = i
        self.assigned = dict(_assigned(self.tree))
        self.values: dict[int, Any] = {}
        self._scope = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
        recording = ast.Module([_Recording().visit(copy.deepcopy(self.tree))], [])
        exec(compile(ast.fix_missing_locations(recording), "<derivation>", "exec"), self._scope)

    def run(
        self, *inputs: Any, at: int = -1, change: Callable[[Any], Any] = lambda value: value
    ) -> Any:
        values = self.values = {}

        def record(i: int, value: Any) -> Any:
            values[i] = change(value) if i == at else value
            return values[i]

        self._scope["_record"] = record
        copies = (x.copy() if isinstance(x, np.ndarray) else x for x in inputs)
        return self._scope[self.tree.name](*copies)

    def numbers(self, points: Iterable[Sequence]) -> list[dict[int, Any]]:
        """At each point, the expressions whose values are numbers or arrays of them."""
        found = []
        for point in points:
            self.run(*point)
            found.append({i: value for i, value in self.values.items() if is_number(value)})
        return found

    def text(self, i: int) -> str:
        return ast.unparse(self.nodes[i])


class _Recording(ast.NodeTransformer):
    """Puts each numbered expression into a call that records its value."""

    def visit(self, node: Any) -> Any:
        i, node = place(node), self.generic_visit(node)
        if i < 0:
            return node
        return ast.Call(ast.Name("_record", ast.Load()), [ast.Constant(i), node], [])


def _expressions(node: ast.AST) -> Iterator[Any]:
    """The expressions with a value of interest: no indices, ranges, exponents or keywords."""
    for name, child in ast.iter_fields(node):
        if (type(node), name) in _NOT_RECORDED:
            continue
        if isinstance(node, ast.Call) and name == "func":
            yield from _expressions(child)  # of x.sum() the x
            continue
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and name == "right":
            continue
        for one in child if isinstance(child, list) else [child]:
            if isinstance(one, ast.AST):
                yield from _expressions(one)
                is_read = isinstance(getattr(one, "ctx", ast.Load()), ast.Load)
                if isinstance(one, RECORDED) and is_read:
                    yield one


_NOT_RECORDED = {
    (ast.Subscript, "slice"), (ast.For, "iter"), (ast.Call, "keywords"), (ast.Assign, "targets"),
    (ast.AugAssign, "target"), (ast.FunctionDef, "args"), (ast.JoinedStr, "values"),
}  # fmt: skip


def _assigned(tree: ast.FunctionDef) -> Iterator[tuple[int, str]]:
    for statement in ast.walk(tree):
        if not isinstance(statement, ast.Assign):
            continue
        target, value = statement.targets[0], statement.value
        several = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
        pairs = zip(target.elts, value.elts) if several else [(target, value)]  # type: ignore
        for one, made in pairs:
            if isinstance(one, ast.Name) and place(made) >= 0:
                yield place(made), one.id


def is_number(value: Any) -> bool:
    if not isinstance(value, int | float | np.ndarray | np.number):
        return False
    return np.asarray(value).dtype.kind in "fiu"
