"""A pretend CuPy: arrays in ordinary memory that refuse what CuPy's refuse.

It takes CuPy's place where there is no GPU, so that code which mixes the two kinds of array, or
leans on what CuPy lacks, fails in a test and not on a GPU. Imitated are these rules of CuPy 14.2:

- an array becomes NumPy's by `get()` only, and a number by `item()`, `float()`, `int()`, `bool()`;
- beside it an operand is another such array, or a scalar of Python's or NumPy's: never a NumPy
  array, not even one without dimensions. Only an index may be one;
- a result without dimensions is an array, not a scalar;
- NumPy's functions, and the ufuncs of `scipy.special`, reach CuPy's by `__array_ufunc__` and
  `__array_function__`, and are missing where CuPy has none;
- functions and methods take the keywords that CuPy's take.

What CuPy would have the GPU do is told to `tell`, and that is how it is counted. While a stream
captures nothing is done, and a new array holds garbage until the graph is launched. What CuPy
refuses then is refused: a wait, an array from the host, cuBLAS and cuSOLVER.

Functions that nothing has needed are missing too: look in CuPy before adding one to `FUNCTIONS`.
Not imitated are streams beside each other, rounding, the sums of duplicates in another order and
indices out of range (CuPy wraps them around).
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from scipy import linalg, special

METHODS = {
    "all": "axis out keepdims",
    "any": "axis out keepdims",
    "argmax": "axis dtype out keepdims",
    "argmin": "axis dtype out keepdims",
    "argsort": "axis",
    "astype": "order casting subok copy",
    "clip": "out",
    "copy": "order",
    "cumsum": "axis dtype out",
    "diagonal": "offset axis1 axis2",
    "max": "axis out keepdims",
    "mean": "axis dtype out keepdims",
    "min": "axis out keepdims",
    "reshape": "order",
    "round": "out",
    "squeeze": "axis",
    "std": "axis dtype out ddof keepdims",
    "sum": "axis dtype out keepdims",
    "transpose": "",
}
"""Methods of an array, with their keywords."""

FUNCTIONS = {
    "array2string": "separator",
    "ascontiguousarray": "dtype",
    "broadcast_to": "",
    "clip": "out",
    "concatenate": "axis out dtype casting",
    "diagonal": "offset axis1 axis2",
    "full_like": "dtype order shape",
    "ones_like": "dtype order shape",
    "pad": "mode constant_values",
    "result_type": "",
    "sliding_window_view": "axis",
    "stack": "axis out dtype casting",
    "tensordot": "axes",
    "tile": "",
    "where": "",
    "zeros_like": "dtype order shape",
}
"""Functions whose first argument is an array, or arrays, of the device."""

LINALG = ("cholesky", "eigvalsh", "slogdet", "solve")

BY_LIBRARY = (
    np.matmul,
    np.tensordot,
    linalg.solve_triangular,
    *(getattr(np.linalg, name) for name in LINALG),
)
"""By cuBLAS or cuSOLVER."""

CREATING = ("arange", "empty", "eye", "indices", "ones", "tri", "zeros")

UFUNCS = """
    absolute add arctan bitwise_and bitwise_or cos divide equal exp expm1 greater greater_equal
    invert isfinite isnan less less_equal log log1p logaddexp matmul maximum minimum multiply
    negative not_equal power rint sign sin sqrt subtract tanh
"""
UFUNC_KEYWORDS = "out dtype casting where"


def tell(kind: str, name: str, *arrays: Any) -> None:
    """Called for what CuPy's function `name` does with the GPU and the memory of these arrays.

    It is a "launch" of a kernel, which makes or changes an array; a "wait" of the host, to read a
    number or an array; or a "send" of one from the host. This one does nothing: put a counter in
    its place.
    """


class CUDARuntimeError(RuntimeError):
    pass


_captured: list[Callable[[], Any]] | None = None
"""What a stream captures, in order; None while none does."""


def perform(write: Callable[[], Any]) -> None:
    """write(), which changes arrays: now, or in each launch of the graph that is captured."""
    write() if _captured is None else _captured.append(write)


def _made(compute: Callable[[], Any], result: np.ndarray) -> None:
    """The new array `result` of compute() holds garbage, in a capture."""
    if _captured is not None:
        result.fill(77 if result.dtype.kind == "f" else 0)
        _captured.append(lambda: np.copyto(result, compute()))


def _told(kind: str, name: str, *arrays: Any) -> None:
    if _captured is not None and kind != "launch":
        raise CUDARuntimeError(f"{name}, a {kind}, is not permitted when stream is capturing")
    tell(kind, name, *arrays)


class ndarray(NDArrayOperatorsMixin):
    def __init__(self, memory: np.ndarray):
        self.memory = memory  # which stands for the GPU's

    dtype = property(lambda self: self.memory.dtype)
    shape = property(lambda self: self.memory.shape)
    ndim = property(lambda self: self.memory.ndim)
    size = property(lambda self: self.memory.size)
    T = property(lambda self: ndarray(self.memory.T))
    device = SimpleNamespace(id=0)
    data = property(lambda self: SimpleNamespace(ptr=self.memory.ctypes.data))
    strides = property(lambda self: self.memory.strides)
    astype: Any  # as all of METHODS

    @property
    def flags(self) -> SimpleNamespace:
        flags = self.memory.flags
        return SimpleNamespace(c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous)

    def get(self) -> np.ndarray:
        _told("wait", "get", self.memory)
        return self.memory.copy()

    def set(self, array: np.ndarray, stream: Any = None) -> None:
        _told("send", "set", array)
        self.memory[...] = array

    def view(self, dtype: Any) -> "ndarray":
        return ndarray(self.memory.view(dtype))

    def item(self) -> Any:
        return self.get().item()

    def __float__(self) -> float:
        return float(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __bool__(self) -> bool:
        return bool(self.get())

    def __len__(self) -> int:
        return len(self.memory)

    def __repr__(self) -> str:
        return repr(self.memory)

    def __getitem__(self, index: Any) -> "ndarray":
        _tell_of_index("getitem", index)
        result = self.memory[_index(index)]
        if isinstance(result, np.generic):
            parts = index if isinstance(index, tuple) else (index,)
            result = self.memory[(*_index(parts), ...)]  # an array without dimensions: a view
        if not np.may_share_memory(result, self.memory):
            _told("launch", "getitem", self.memory, result)
            _made(lambda: self.memory[_index(index)], result)
        return ndarray(result)

    def __setitem__(self, index: Any, value: Any) -> None:
        _tell_of_index("setitem", index)
        value, index = _in_memory(value), _index(index)
        _told("launch", "setitem", value, self.memory[index])
        perform(lambda: self.memory.__setitem__(index, value))

    def __array__(self, *_args: Any, **_keywords: Any) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed: use `.get()`")

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        if "out" in keywords:
            (keywords["out"],) = keywords["out"]
        function = globals().get(ufunc.__name__)
        if method != "__call__" or function is None:  # CuPy would take some of ufunc.at, not all
            return NotImplemented
        return function(*inputs, **keywords)

    def __array_function__(self, function, types, arguments, keywords):
        if function.__name__ not in (*FUNCTIONS, *LINALG, "eye"):  # eye, by its `like`
            return NotImplemented
        return globals()[function.__name__](*arguments, **keywords)


def _giving_way(operator: Any) -> Any:
    """To an operand of a higher `__array_priority__` than CuPy's, 100."""

    def checked(self: ndarray, other: Any) -> Any:
        higher = getattr(other, "__array_priority__", 0) > 100
        return NotImplemented if higher else operator(self, other)

    return checked


for _name in ("add", "sub", "mul", "truediv", "pow", "matmul"):
    _operator = getattr(NDArrayOperatorsMixin, f"__{_name}__")
    setattr(ndarray, f"__{_name}__", _giving_way(_operator))


def _in_memory(value: Any) -> Any:
    """The memory of a device's array, also in tuples and lists; scalars as they are."""
    if isinstance(value, ndarray):
        return value.memory
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    return type(value)(map(_in_memory, value)) if isinstance(value, tuple | list) else value


def _index(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(map(_index, index))
    return index.memory if isinstance(index, ndarray) else index


def _tell_of_index(name: str, index: Any) -> None:
    """NumPy's arrays are sent; of a mask the host has to know how many elements it selects."""
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, np.ndarray):
            _told("send", name, part)
        if isinstance(part, ndarray) and part.dtype == bool and name == "getitem":
            _told("wait", name, part.memory)


def _arrays(values: Any) -> list[np.ndarray]:
    """Those among the values, also in tuples and lists."""
    if isinstance(values, tuple | list):
        return [array for value in values for array in _arrays(value)]
    return [values] if isinstance(values, np.ndarray) else []


def _part(compute: Callable[[], Any], i: int | None) -> Any:
    return compute() if i is None else compute()[i]


def _without_scalars(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_without_scalars, value))
    return np.asarray(value) if isinstance(value, np.generic) else value


def _on_device(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_on_device, value))
    return ndarray(value) if isinstance(value, np.ndarray) else value


class _Function:
    """A function of NumPy's, given and giving arrays of the device."""

    def __init__(self, function: Any, keywords: str, first_on_device: bool):
        self.function, self.keywords = function, keywords.split()
        self.first_on_device = first_on_device

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        name = self.function.__name__
        if unknown := keywords.keys() - set(self.keywords):
            raise TypeError(f"{name} of CuPy has no {', '.join(unknown)}")
        first = arguments[0][0] if isinstance(arguments[0], tuple | list) else arguments[0]
        if self.first_on_device and not isinstance(first, ndarray):
            raise TypeError(f"{name} of CuPy takes an array of the device first")
        in_memory = {key: _in_memory(value) for key, value in keywords.items()}
        return self.of_memory(_in_memory(arguments), in_memory, keywords.get("out"))

    def of_memory(self, inputs: Any, keywords: Any, out: Any = None) -> Any:
        name, operands = self.function.__name__, _arrays(inputs)

        def compute() -> Any:
            with np.errstate(all="ignore"):  # CuPy never warns
                result = self.function(*inputs, **keywords)
            return _without_scalars(result)

        if self.function in BY_LIBRARY and _captured is not None:
            raise NotImplementedError("calling cuBLAS or cuSOLVER API during stream capture")
        if out is not None:
            _told("launch", name, *operands, out.memory)
            perform(compute)
            return out
        result = compute()
        made = [x for x in _arrays(result) if not any(np.may_share_memory(x, y) for y in operands)]
        if name in ("concatenate", "stack"):  # copies up to eight parts one by one
            for part in operands if len(operands) <= 8 else operands[:1]:
                _told("launch", name, part, part)
        elif made:
            _told("launch", name, *operands, *made)
        for i, array in enumerate(made):
            _made(partial(_part, compute, None if array is result else i), array)
        return _on_device(result)

    def at(self, array: ndarray, index: Any, values: Any) -> None:
        _tell_of_index("at", index)
        given = array.memory, _index(index), _in_memory(values)
        _told("launch", f"{self.function.__name__}.at", *given)
        perform(lambda: self.function.at(*given))


IN_PLACE = ["sgd", "rmsprop", "adam", "average", "running_moments", "reparameterize"]


class Kernels:
    """The functions of kernels/<name>/reference.py, each as one launch of the device."""

    def __init__(self, name: str):
        self.module = import_module(f"kernels.{name}.reference")

    def clip(self, gs: list[ndarray], most: float) -> tuple[list[ndarray], ndarray]:
        def copies(gs: list[np.ndarray]) -> tuple[np.ndarray, ...]:
            clipped, norm = self.module.clip(gs, most)
            return *(g.copy() for g in clipped), np.float64(norm)

        *clipped, norm = _Function(copies, "", False)(gs)
        return clipped, norm

    def __getattr__(self, name: str) -> Any:
        function = getattr(self.module, name)

        def run(*arguments: Any) -> Any:
            *others, last = arguments  # which may be the taps of a mask, on the host
            inputs = [*_in_memory(others), getattr(last, "memory", last)]
            if name not in IN_PLACE:
                return _Function(function, "", False).of_memory(inputs, {})
            _told("launch", name, *_arrays(inputs))
            return perform(lambda: function(*inputs))

        return run


def _method(name: str, keywords: str) -> Any:
    function = _Function(getattr(np.ndarray, name), keywords, True)
    return lambda self, *arguments, **keywords: function(self, *arguments, **keywords)


def _creating(function: Any) -> Any:
    def make(*arguments: Any, **keywords: Any) -> ndarray:
        result = function(*arguments, **keywords)
        if function is not np.empty:
            _told("launch", function.__name__, result)
            _made(lambda: function(*arguments, **keywords), result)
        return ndarray(result)

    return make


for _name, _keywords in METHODS.items():
    setattr(ndarray, _name, _method(_name, _keywords))
for _name, _keywords in FUNCTIONS.items():
    _found = getattr(np, _name, None) or getattr(np.lib.stride_tricks, _name)
    globals()[_name] = _Function(_found, _keywords, True)
for _name in LINALG:
    globals()[_name] = _Function(getattr(np.linalg, _name), "", True)
for _name in UFUNCS.split():
    _found = getattr(np, _name, None) or getattr(special, _name)
    globals()[_name] = _Function(_found, UFUNC_KEYWORDS, False)
for _name in CREATING:
    globals()[_name] = _creating(getattr(np, _name))


def asarray(value: Any, dtype: Any = None) -> ndarray:
    if isinstance(value, ndarray):
        return value if dtype in (None, value.dtype) else value.astype(dtype)
    result = np.array(value, dtype)
    _told("send", "asarray", result)
    return ndarray(result)


def may_share_memory(a: ndarray, b: ndarray) -> bool:
    return np.may_share_memory(_in_memory(a), _in_memory(b))


scipy_linalg = SimpleNamespace(
    solve_triangular=_Function(linalg.solve_triangular, "lower check_finite", True)
)
"""In the place of cupyx.scipy.linalg."""


scipy_special = SimpleNamespace(
    **{
        f.__name__: _Function(f, "", True)
        for f in (special.erf, special.gammaln, special.psi, special.polygamma)
    }
)
"""In the place of cupyx.scipy.special."""


class Stream:
    """A stream, with cupy.cuda.Graph for what it has captured."""

    def __init__(self, non_blocking: bool = False):
        pass

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def synchronize(self) -> None:
        _told("wait", "synchronize")

    def begin_capture(self) -> None:
        global _captured
        _captured = []

    def end_capture(self) -> SimpleNamespace:
        global _captured
        captured, _captured = _captured, None
        assert captured is not None

        def launch(stream: Stream) -> None:
            _told("launch", "graph")
            for write in captured:
                write()

        return SimpleNamespace(launch=launch)


cuda = SimpleNamespace(
    Device=lambda number: nullcontext(),
    MemoryPool=lambda: SimpleNamespace(malloc=None),
    Stream=Stream,
    get_current_stream=lambda: SimpleNamespace(ptr=0),
    using_allocator=lambda malloc: nullcontext(),
    runtime=SimpleNamespace(getDevice=lambda: 0, CUDARuntimeError=CUDARuntimeError),
)


@contextmanager
def pretended() -> Iterator[None]:
    """In the `with` block this is what `import cupy` gives."""
    modules: dict[str, Any] = {
        "cupy": sys.modules[__name__],
        "cupyx.scipy.linalg": scipy_linalg,
        "cupyx.scipy.special": scipy_special,
    }
    before = {name: sys.modules[name] for name in modules if name in sys.modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]
        sys.modules.update(before)
