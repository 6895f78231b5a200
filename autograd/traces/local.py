"""The local derivative of an edge, from the rule itself: it is linear in the cotangent."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autograd.array import Array, namespace, to_device
from autograd.modes import switched
from autograd.tensor import Node, array_of
from autograd.traces.values import Value, value_of

MAX_MATRIX = 256  # elements of a Jacobian that is kept
MAX_ROWS = 16  # of it, each of which takes a call of the rule


@dataclass(frozen=True)
class LocalDerivative:
    """How the output of a node moves with one of its inputs.

    `kind` is "elementwise" if each element of the output depends on its own element of the input:
    then `value` is the derivative of each, in the shape of the output. It is "row" if the output
    is one number: `value` has the shape of the input. It is "matrix" for a small Jacobian, outputs
    by rows and inputs by columns.
    """

    kind: str
    value: Value


@np.errstate(all="ignore")
def local_derivative(rule: Callable, node: Node, g: Array, given: Array) -> LocalDerivative | None:
    """That of an edge whose rule made `given` of `g`; None if it is large or empty."""
    xp = namespace(g)

    def vjp(cotangent: Array) -> np.ndarray:
        with switched(recording=False, watchers=()):
            return to_device(array_of(rule(cotangent, node.saved)), "cpu")

    if g.size == 1:
        return LocalDerivative("row", value_of(vjp(xp.ones_like(g))))
    if g.shape == given.shape:
        test = np.random.default_rng(0).standard_normal(g.shape).astype(g.dtype)
        slope = vjp(xp.ones_like(g))
        rest = np.abs(vjp(xp.asarray(test)) - slope * test).max(initial=0)
        size = np.abs(slope * test).max(initial=0)
        if rest <= 16 * np.finfo(g.dtype).eps * size:
            return LocalDerivative("elementwise", value_of(slope))
    columns = math.prod(given.shape)
    if not 0 < g.size <= MAX_ROWS or g.size * columns > MAX_MATRIX:
        return None
    units = np.eye(g.size, dtype=g.dtype).reshape(-1, *g.shape)
    rows = [vjp(xp.asarray(unit)).reshape(columns) for unit in units]
    return LocalDerivative("matrix", value_of(np.stack(rows), MAX_MATRIX))
