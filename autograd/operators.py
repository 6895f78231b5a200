"""The operators of a Tensor: each is a function of `ops`; comparisons are those of arrays."""

import operator
from collections.abc import Callable
from typing import Any

from autograd import ops
from autograd.tensor import Tensor, bare

UNARY: dict[str, Callable] = {"neg": ops.neg, "abs": ops.abs, "pos": lambda x: x}
BINARY: dict[str, Callable] = {
    "add": ops.add,
    "sub": ops.sub,
    "mul": ops.mul,
    "truediv": ops.div,
    "pow": ops.power,
    "matmul": ops.matmul,
}
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


def _set_unary(name: str, f: Callable) -> None:
    setattr(Tensor, f"__{name}__", lambda x: f(x))


def _set_binary(name: str, f: Callable) -> None:
    def in_place(x: Tensor, y: Any) -> Tensor:
        """A new Tensor for the name on the left, which must not be that of a leaf."""
        if x.node and not x.node.primitive:
            raise TypeError(
                f"a leaf of shape {x.shape} cannot be changed in place ({x.node}): write y = x + "
                "... for a new Tensor, or let an optimiser update it"
            )
        return f(x, y)

    setattr(Tensor, f"__{name}__", lambda x, y: f(x, y))
    setattr(Tensor, f"__r{name}__", lambda x, y: f(y, x))
    setattr(Tensor, f"__i{name}__", in_place)


def _set_comparison(name: str) -> None:
    compare = getattr(operator, name)
    setattr(Tensor, f"__{name}__", lambda x, y: compare(x.data, bare(y)))


for _name, _f in UNARY.items():
    _set_unary(_name, _f)
for _name, _f in BINARY.items():
    _set_binary(_name, _f)
for _name in COMPARISONS:
    _set_comparison(_name)
