"""Tensor: a value, and how it was made."""

import itertools
import sys
from collections.abc import Iterator, Sequence
from types import CodeType
from typing import Any

import numpy as np

from autograd.array import Array, Axis, as_array, namespace, to_device

_clock = itertools.count()
_OWN_PACKAGES = ("autograd", "autograd.ops")


class Node:
    """How a value was made: the primitive, the nodes of its inputs, and what the rules keep.

    A node knows its inputs and never its output, so a graph holds no reference cycle and goes
    away by reference count. `order` counts creations: an input is older than what is made of it,
    so descending order is a topological order, and the sweep needs no recursion. A leaf, which no
    primitive made, has `primitive=None` and carries the gradient that `backward` accumulates.
    """

    __slots__ = ("dtype", "grad", "order", "origin", "parents", "primitive", "saved", "shape")

    def __init__(self, value: Array, primitive=None, parents=(), saved=()):
        self.primitive = primitive
        self.parents: Sequence[Node | None] = parents
        self.saved: Sequence | None = saved  # None once a sweep has used and freed it
        self.shape: tuple[int, ...] = value.shape
        self.dtype: np.dtype = value.dtype
        self.order = next(_clock)
        self.origin = caller()
        self.grad: Tensor | None = None

    def __repr__(self) -> str:
        name = self.primitive.name if self.primitive else "leaf"
        return f"{name} of shape {self.shape}, made at {source_line(self.origin)}"


def caller() -> tuple[CodeType, int]:
    """The code and the instruction of the innermost frame outside this package.

    The frame itself is not kept, since it would keep the caller's variables alive, and its line
    is looked up only when somebody asks (`source_line`), since that is slow.
    """
    frame = sys._getframe(3)  # of whoever called what makes the node
    while frame.f_globals.get("__package__") in _OWN_PACKAGES:
        frame = frame.f_back  # type: ignore[assignment]
    return frame.f_code, frame.f_lasti


def source_line(origin: tuple[CodeType, int]) -> str:
    code, instruction = origin
    line = next(itertools.islice(code.co_positions(), instruction // 2, None))[0]
    return f"{code.co_filename}:{line}"


class Tensor:
    """An array, and the node that made it (None where nothing is recorded).

    `data` is a NumPy or CuPy array; only a floating-point Tensor can have a gradient. Operators
    record; comparisons give plain boolean arrays, since they have no derivative.
    """

    __slots__ = ("data", "node")
    __array_ufunc__ = None  # so that `array * tensor` comes to Tensor.__rmul__
    __hash__ = object.__hash__  # identity, though == compares the elements

    def __init__(self, data: Any, requires_grad: bool = False, node: Node | None = None):
        self.data: Array = data if type(data) is np.ndarray else as_array(data)
        self.node = node
        if requires_grad:
            if self.dtype.kind != "f":
                raise TypeError(
                    f"a Tensor of {self.dtype} and shape {self.shape} cannot have a gradient; "
                    "make it floating-point first, for example x.astype(np.float32)"
                )
            self.node = Node(self.data)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> np.dtype:
        return self.data.dtype

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def size(self) -> int:
        return self.data.size

    @property
    def requires_grad(self) -> bool:
        return self.node is not None

    @property
    def grad(self) -> "Tensor | None":
        """What `backward` has accumulated in this leaf."""
        return self.node.grad if self.node else None

    @grad.setter
    def grad(self, value: "Tensor | None") -> None:
        if self.node is None:
            raise ValueError("this Tensor records nothing, so it has no gradient to set")
        self.node.grad = value if value is None or isinstance(value, Tensor) else Tensor(value)

    def backward(self, cotangent: "Tensor | Array | None" = None) -> None:
        """Add d(self)/d(leaf), times `cotangent`, to the `grad` of every leaf below."""
        sweep.backward(self, cotangent)

    def detach(self) -> "Tensor":
        """The same data with no history: a constant to whatever uses it."""
        return Tensor(self.data)

    def to(self, device: str) -> "Tensor":
        """A Tensor without history whose data is on `device`, "cpu" or "cuda"."""
        return Tensor(to_device(self.data, device), requires_grad=self.requires_grad)

    def numpy(self) -> np.ndarray:
        return to_device(self.data, "cpu")

    def item(self) -> float:
        return self.data.item()

    def __repr__(self) -> str:
        made = f", made by {self.node.primitive.name}" if self.node and self.node.primitive else ""
        return f"Tensor({namespace(self.data).array2string(self.data, separator=', ')}{made})"

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator["Tensor"]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        return float(self.data)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __array__(self, *_args, **_kwargs):
        raise TypeError(
            f"NumPy was given a Tensor of shape {self.shape}, and would lose its gradient: use "
            "the function of the same name from autograd, or x.numpy() for the bare values"
        )

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            f"a Tensor of shape {self.shape} cannot be assigned in place ({self.node}): a value "
            "that a gradient may still need would be lost; write where(mask, value, x) or "
            "concatenate the parts"
        )

    def __getitem__(self, index: Any) -> "Tensor":
        return ops.getitem(self, index=index)

    def __neg__(self) -> "Tensor":
        return ops.neg(self)

    def __abs__(self) -> "Tensor":
        return ops.abs(self)

    def __add__(self, other: Any) -> "Tensor":
        return ops.add(self, other)

    def __radd__(self, other: Any) -> "Tensor":
        return ops.add(other, self)

    def __sub__(self, other: Any) -> "Tensor":
        return ops.sub(self, other)

    def __rsub__(self, other: Any) -> "Tensor":
        return ops.sub(other, self)

    def __mul__(self, other: Any) -> "Tensor":
        return ops.mul(self, other)

    def __rmul__(self, other: Any) -> "Tensor":
        return ops.mul(other, self)

    def __truediv__(self, other: Any) -> "Tensor":
        return ops.div(self, other)

    def __rtruediv__(self, other: Any) -> "Tensor":
        return ops.div(other, self)

    def __pow__(self, other: Any) -> "Tensor":
        return ops.power(self, other)

    def __rpow__(self, other: Any) -> "Tensor":
        return ops.power(other, self)

    def __matmul__(self, other: Any) -> "Tensor":
        return ops.matmul(self, other)

    def __rmatmul__(self, other: Any) -> "Tensor":
        return ops.matmul(other, self)

    def __eq__(self, other: Any) -> Array:
        return self.data == bare(other)

    def __ne__(self, other: Any) -> Array:
        return self.data != bare(other)

    def __lt__(self, other: Any) -> Array:
        return self.data < bare(other)

    def __le__(self, other: Any) -> Array:
        return self.data <= bare(other)

    def __gt__(self, other: Any) -> Array:
        return self.data > bare(other)

    def __ge__(self, other: Any) -> Array:
        return self.data >= bare(other)

    # The methods that arrays have too, so that one rule serves both.

    @property
    def T(self) -> "Tensor":
        return ops.transpose(self)

    def transpose(self, axes: Sequence[int] | None = None) -> "Tensor":
        return ops.transpose(self, axes=axes)

    def reshape(self, *shape: Any) -> "Tensor":
        """To a shape given as numbers or as one tuple."""
        return ops.reshape(self, shape=shape[0] if type(shape[0]) is tuple else shape)

    def astype(self, dtype: Any) -> "Tensor":
        return ops.astype(self, dtype=dtype)

    def sum(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return ops.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return ops.mean(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return ops.max(self, axis=axis, keepdims=keepdims)


def bare(value: Any) -> Any:
    """The array of a Tensor; anything else as it is."""
    return value.data if type(value) is Tensor else value


from autograd import ops, sweep  # noqa: E402 -- both are written in terms of Tensor
