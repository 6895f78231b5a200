"""Tensor: a value, and how it was made."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd.array import FLOATS, Array, as_array, namespace, to_device
from autograd.memory import clock
from autograd.origin import Origin, caller, source_line


class Node:
    """How a value was made: the primitive, the nodes of its inputs, and what the rules need.

    A node refers to its inputs and never to its output. So a graph has no reference cycle, and is
    freed by reference count. `order` numbers the nodes in order of creation, so an input has a
    lower number than what is made of it. A leaf, which no primitive made, has `primitive=None`, and
    its `grad` is the gradient that `backward` accumulates.
    """

    __slots__ = (
        "code", "dtype", "grad", "instruction", "order", "parents", "primitive", "saved", "shape"
    )  # fmt: skip

    def __init__(self, value: Array, primitive=None, parents=(), saved=()):
        self.primitive = primitive
        self.parents: Sequence[Node | None] = parents
        self.saved: Sequence | None = saved  # None once a sweep has used and freed it
        shape = value.shape
        for parent in parents:
            if parent is not None and parent.shape == shape:
                shape = parent.shape  # one tuple for both, which most nodes can share
        self.shape: tuple[int, ...] = shape
        self.dtype: np.dtype = value.dtype
        self.order = next(clock)
        self.grad: Tensor | None = None
        self.code, self.instruction = caller()

    @property
    def origin(self) -> Origin:
        return self.code, self.instruction

    def __repr__(self) -> str:
        name = self.primitive.name if self.primitive else "leaf"
        return f"{name} of shape {self.shape}, made at {source_line(self.origin)}"


MAX_PRINTED = 100  # elements of an array that are printed; of a larger one, its extremes


class Tensor:
    """An array, and the node that made it (None where nothing is recorded).

    `data` is a NumPy or CuPy array. Only float32 and float64 can have a gradient. `requires_grad`
    is True for a leaf made with it, and for every value that is made of one and recorded. A copy is
    a new leaf, without the gradient.
    """

    __slots__ = ("_data", "node")
    __array_priority__ = 1000  # so that `array * tensor` calls Tensor.__rmul__
    __hash__ = object.__hash__  # by identity, although == compares the elements

    def __init_subclass__(cls) -> None:
        raise TypeError("Tensor has no subclasses, since operations give Tensors: keep one inside")

    def __init__(self, data: Any, requires_grad: bool = False, node: Node | None = None):
        self._data: Array = data if type(data) is np.ndarray else as_array(data)
        self.node = node
        if requires_grad:
            if self.dtype not in FLOATS:
                raise TypeError(
                    f"a Tensor of {self.dtype} and shape {self.shape} cannot have a gradient: "
                    "float32 and float64 can, for example x.astype(np.float32)"
                )
            self.node = Node(self._data)

    @property
    def data(self) -> Array:
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        """Gradients take its dtype. Raises ValueError for another shape, if this Tensor records."""
        value = as_array(value)
        if self.node is not None:
            if value.shape != self.shape or value.dtype not in FLOATS:
                raise ValueError(
                    f"data of {value.dtype}{value.shape} for {self.node}: it keeps its shape, in "
                    "float32 or float64; for others make a new Tensor"
                )
            self.node.dtype = value.dtype
        self._data = value

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def dtype(self) -> np.dtype:
        return self._data.dtype

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def size(self) -> int:
        return self._data.size

    @property
    def requires_grad(self) -> bool:
        return self.node is not None

    @property
    def grad(self) -> "Tensor | None":
        """The gradient that `backward` has accumulated. Only leaves keep theirs."""
        if self.node and self.node.primitive:
            raise RuntimeError(f"no gradient is kept of {self.node}: grad(loss, x) gives it")
        return self.node.grad if self.node else None

    @grad.setter
    def grad(self, value: "Tensor | Array | None") -> None:
        if self.node is None:
            raise ValueError("this Tensor records nothing, so it has no gradient to set")
        if value is not None and value.shape != self.shape:
            raise ValueError(f"a gradient of shape {value.shape} for {self.node}")
        self.node.grad = value if value is None or isinstance(value, Tensor) else Tensor(value)

    def detach(self) -> "Tensor":
        """The same data without a history: a constant."""
        return Tensor(self.data)

    def to(self, device: str) -> "Tensor":
        """A constant or a leaf whose data is on `device`, "cpu" or "cuda"."""
        self._refuse_history("moved")
        return Tensor(to_device(self.data, device), requires_grad=self.requires_grad)

    def numpy(self) -> np.ndarray:
        return to_device(self.data, "cpu")

    def item(self) -> float:
        return self.data.item()

    def __repr__(self) -> str:
        made = f", made by {self.node.primitive.name}" if self.node and self.node.primitive else ""
        if self.size > MAX_PRINTED:
            extremes = f"{self.data.min().item():.3g} to {self.data.max().item():.3g}"
            return f"Tensor({self.dtype}, {self.shape}, {extremes}{made})"
        return f"Tensor({namespace(self.data).array2string(self.data, separator=', ')}{made})"

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator["Tensor"]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        return float(self._unrecorded())

    def __int__(self) -> int:
        return int(self._unrecorded())

    def __index__(self) -> int:
        return self._unrecorded().item().__index__()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._unrecorded(), dtype, copy=copy)

    def __array_function__(self, function: Callable, types: Any, args: Any, keywords: Any) -> Any:
        self._unrecorded()
        raise TypeError(f"np.{function.__name__} takes arrays: give it x.numpy()")

    def _unrecorded(self) -> Array:
        """The data, for conversion to NumPy or to a number, which would lose the gradient."""
        if self.requires_grad:
            raise TypeError(
                f"a plain number or array made of {self.node}, would lose its gradient: use the "
                "functions of autograd, or x.item() or x.numpy() for the values alone"
            )
        return self.data

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __reduce__(self) -> tuple:
        self._refuse_history("copied")
        return Tensor, (self.data, self.requires_grad)

    def _refuse_history(self, done: str) -> None:
        if self.node and self.node.primitive:
            raise TypeError(f"{self.node}, cannot be {done} with its history: detach() it first")

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            f"a Tensor of shape {self.shape} cannot be assigned in place ({self.node}): a value "
            "that a gradient may still need would be lost; write where(mask, value, x) or "
            "concatenate the parts"
        )

    def argmax(self, axis: int | None = None) -> Array:
        return self.data.argmax(axis)

    def argmin(self, axis: int | None = None) -> Array:
        return self.data.argmin(axis)

    if TYPE_CHECKING:  # `operators` adds these methods, which need ops and sweep

        def __add__(self, other: Any) -> "Tensor": ...
        def __neg__(self) -> "Tensor": ...
        def __eq__(self, other: Any) -> Array: ...
        def sum(self, *arguments: Any, **keywords: Any) -> "Tensor": ...
        def backward(self, cotangent: Any = None, retain_graph: bool = False) -> None: ...

        T: "Tensor"
        __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __matmul__ = __rmatmul__ = __add__
        __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __getitem__ = __add__
        __pos__ = __abs__ = __neg__
        __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__
        mean = max = min = transpose = reshape = squeeze = astype = sum


Values = Array | Tensor
"""An array or a Tensor: most functions take both, and return a Tensor if one is among them."""


def array_of(value: Any) -> Any:
    """The array of a Tensor; anything else as it is."""
    return value._data if type(value) is Tensor else value
