"""Jacobians, Hessians, and their products with a vector, without recording the answer.

`f` takes Tensors and returns a Tensor. `x` is an array or a Tensor, for f(x), or a tuple of them,
for f(*x); then the answer is a tuple too, an entry for each. Answers are constant Tensors: for a
derivative of them, use `grad` with create_graph. Raises ValueError for a vector of another shape
than what it multiplies, and what `grad` raises.

The cost is given in calls of f and in sweeps backwards. A sweep takes the time of a few calls, and
one with create_graph=True, or through a graph that such a sweep has recorded, of a few more.
"""

from collections.abc import Callable, Sequence
from typing import Any

from autograd.array import Array, as_array, namespace
from autograd.modes import switched
from autograd.sweep import grad, path_between, start, sweep
from autograd.tensor import Tensor, Values, array_of

Point = Values | tuple[Values, ...]


@switched(recording=True)  # under no_grad() too
def vjp(f: Callable, x: Point, g: Values) -> Any:
    """g^T J, with the Jacobian J of f at x and a vector g of the shape of f(x): one sweep."""
    leaves = _leaves(x)
    return _as_given(x, grad(f(*leaves), leaves, g))


@switched(recording=True)
def jvp(f: Callable, x: Point, v: Point) -> Any:
    """J v, the derivative of f at x in the direction v of the shape of x: two sweeps.

    The first gives g^T J for some g, which is linear in g; so the gradient of g^T J v by g is J v.
    """
    leaves = _leaves(x)
    y = f(*leaves)
    g = Tensor(namespace(y.data).ones_like(y.data), requires_grad=True)
    return grad(_dot(grad(y, leaves, g, create_graph=True), v), g)


@switched(recording=True)
def hvp(f: Callable, x: Point, v: Point) -> Any:
    """H v, with the Hessian H at x of a scalar f and v of the shape of x: two sweeps."""
    leaves = _leaves(x)
    gradients = grad(f(*leaves), leaves, create_graph=True)
    return _as_given(x, grad(_dot(gradients, v), leaves))


@switched(recording=True)
def jacobian(f: Callable, x: Point) -> Any:
    """The derivatives of every element of f(x) by every element of x: (*f(x).shape, *x.shape).

    A sweep for each element of f(x).
    """
    leaves = _leaves(x)
    return _as_given(x, _rows(f(*leaves), leaves))


@switched(recording=True)
def hessian(f: Callable, x: Point) -> Any:
    """The second derivatives of a scalar f: (*x.shape, *x.shape), or a tuple for each x.

    A sweep, and one more for each element of x.
    """
    leaves = _leaves(x)
    gradients = grad(f(*leaves), leaves, create_graph=True)
    return _as_given(x, [_as_given(x, _rows(g, leaves)) for g in gradients])


def _leaves(x: Point) -> list[Tensor]:
    xs = x if isinstance(x, tuple) else (x,)
    return [Tensor(array_of(value), requires_grad=True) for value in xs]


def _as_given(x: Point, found: Sequence) -> Any:
    """A tuple for a tuple, else the only one."""
    return tuple(found) if isinstance(x, tuple) else found[0]


def _dot(gradients: Sequence[Tensor], v: Point) -> Tensor:
    vs = [as_array(array_of(value)) for value in (v if isinstance(v, tuple) else (v,))]
    shapes, expected = [value.shape for value in vs], [g.shape for g in gradients]
    if shapes != expected:
        raise ValueError(f"v has the shapes {shapes}, x has {expected}: they are the same")
    first, *rest = [(g * value).sum() for g, value in zip(gradients, vs)]
    return sum(rest, first)


def _rows(y: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    """For each leaf, the gradients of each element of y by it, in one array."""
    if not isinstance(y, Tensor):
        raise TypeError(f"f takes Tensors and returns one, not {type(y)}")
    module = namespace(y.data)
    rows: list[Array] = [module.zeros((y.size, *x.shape), dtype=x.dtype) for x in leaves]
    units = module.eye(y.size, dtype=y.dtype).reshape((y.size, *y.shape))
    root, _ = start(y, y, create_graph=False)
    nodes: list[Any] = [x.node for x in leaves]
    path = path_between(set(nodes), root)  # once for all sweeps
    for i in range(y.size):
        found = sweep(root, units[i], nodes, path, create_graph=False, retain_graph=True)
        for row, node in zip(rows, nodes):
            if node in found:
                row[i] = found[node]
    return [Tensor(row.reshape((*y.shape, *x.shape))) for row, x in zip(rows, leaves)]
