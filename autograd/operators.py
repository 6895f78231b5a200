"""The operators and methods of a Tensor that are functions of `ops` and `sweep`.

They are added to the class here, so `tensor` needs neither. Comparisons give boolean arrays, since
they have no derivative.
"""

import operator
from collections.abc import Callable
from typing import Any

from autograd import ops
from autograd.array import Axis
from autograd.sweep import backward
from autograd.tensor import Tensor, array_of

BINARY: dict[str, Any] = {
    "add": ops.add,
    "sub": ops.sub,
    "mul": ops.mul,
    "truediv": ops.div,
    "pow": ops.power,
    "matmul": ops.matmul,
}
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


def _add_operator(name: str, f: Any) -> None:
    call = f.__call__  # found once, not by every operation

    def in_place(x: Tensor, y: Any) -> Tensor:
        """A new Tensor for the name on the left, which must not be that of a leaf."""
        if x.node and not x.node.primitive:
            raise TypeError(
                f"a leaf of shape {x.shape} cannot be changed in place ({x.node}): write y = x + "
                "... for a new Tensor, or let an optimiser update it"
            )
        return f(x, y)

    setattr(Tensor, f"__{name}__", lambda x, y: call(x, y))
    setattr(Tensor, f"__r{name}__", lambda x, y: call(y, x))
    setattr(Tensor, f"__i{name}__", in_place)


def _add_comparison(name: str) -> None:
    compare = getattr(operator, name)
    setattr(Tensor, f"__{name}__", lambda x, y: compare(x.data, array_of(y)))


def _reduction(f: Any) -> Callable:
    call = f.__call__

    def method(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return call(x, axis=axis, keepdims=keepdims)

    return method


def _getitem(x: Tensor, index: Any) -> Tensor:
    index = tuple(map(array_of, index)) if isinstance(index, tuple) else array_of(index)
    return ops.getitem(x, index=index)


def _transpose(x: Tensor, *axes: Any) -> Tensor:
    """The axes in an order given as numbers or as one sequence; reversed without."""
    return ops.transpose(x, axes=axes[0] if len(axes) == 1 else axes or None)


def _reshape(x: Tensor, *shape: Any) -> Tensor:
    """To a shape given as numbers or as one tuple."""
    return ops.reshape(x, shape=shape[0] if len(shape) == 1 else shape)


def _squeeze(x: Tensor, axis: Axis = None) -> Tensor:
    return ops.squeeze(x, axis=axis)


def _astype(x: Tensor, dtype: Any) -> Tensor:
    return ops.astype(x, dtype=dtype)


METHODS: dict[str, Any] = {
    "__neg__": lambda x: ops.neg(x),
    "__abs__": lambda x: ops.abs(x),
    "__pos__": lambda x: x,
    "__getitem__": _getitem,
    "T": property(_transpose),
    "transpose": _transpose,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "astype": _astype,
    "sum": _reduction(ops.sum),
    "mean": _reduction(ops.mean),
    "max": _reduction(ops.max),
    "min": _reduction(ops.min),
    "backward": backward,
}

for _name, _f in BINARY.items():
    _add_operator(_name, _f)
for _name in COMPARISONS:
    _add_comparison(_name)
for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)
