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

What CuPy would have the GPU do is told to `tell`, and that is how it is counted.

Functions that nothing has needed are missing too: look in CuPy before adding one to `FUNCTIONS`.
Not imitated are streams, rounding, the sums of duplicates in another order and indices out of range
(CuPy wraps them around).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
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


class ndarray(NDArrayOperatorsMixin):
    def __init__(self, memory: np.ndarray):
        self.memory = memory  # which stands for the GPU's

    dtype = property(lambda self: self.memory.dtype)
    shape = property(lambda self: self.memory.shape)
    ndim = property(lambda self: self.memory.ndim)
    size = property(lambda self: self.memory.size)
    T = property(lambda self: ndarray(self.memory.T))
    device = SimpleNamespace(id=0)
    data = SimpleNamespace(ptr=0)
    astype: Any  # as all of METHODS

    @property
    def flags(self) -> SimpleNamespace:
        flags = self.memory.flags
        return SimpleNamespace(c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous)

    def get(self) -> np.ndarray:
        tell("wait", "get", self.memory)
        return self.memory.copy()

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
        _tell_unless_view("getitem", result, self.memory)
        return _on_device(result)

    def __setitem__(self, index: Any, value: Any) -> None:
        _tell_of_index("setitem", index)
        tell("launch", "setitem", _in_memory(value), self.memory[_index(index)])
        self.memory[_index(index)] = _in_memory(value)

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
            tell("send", name, part)
        if isinstance(part, ndarray) and part.dtype == bool and name == "getitem":
            tell("wait", name, part.memory)


def _tell_unless_view(name: str, result: Any, *operands: Any) -> None:
    """A kernel makes what is no view of an operand, and no dtype or text."""
    arrays = [x for x in operands if isinstance(x, np.ndarray)]
    if isinstance(result, np.ndarray | np.generic | tuple) and not any(
        np.may_share_memory(result, x) for x in arrays
    ):
        tell("launch", name, *arrays, result)


def _on_device(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_on_device, value))
    return ndarray(np.asarray(value)) if isinstance(value, np.ndarray | np.generic) else value


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
        out = keywords.get("out")
        inputs, keywords = _in_memory(arguments), {k: _in_memory(v) for k, v in keywords.items()}
        with np.errstate(all="ignore"):  # CuPy never warns
            result = self.function(*inputs, **keywords)
        if name in ("concatenate", "stack"):  # copies up to eight parts one by one
            for part in inputs[0] if len(inputs[0]) <= 8 else inputs[:1]:
                tell("launch", name, part, part)
        elif out is not None:
            tell("launch", name, *inputs, result)
        else:
            _tell_unless_view(name, result, *inputs)
        return _on_device(result) if out is None else out

    def at(self, array: ndarray, index: Any, values: Any) -> None:
        _tell_of_index("at", index)
        tell("launch", f"{self.function.__name__}.at", array.memory, _in_memory(values))
        self.function.at(array.memory, _index(index), _in_memory(values))


def _method(name: str, keywords: str) -> Any:
    function = _Function(getattr(np.ndarray, name), keywords, True)
    return lambda self, *arguments, **keywords: function(self, *arguments, **keywords)


def _creating(function: Any) -> Any:
    def make(*arguments: Any, **keywords: Any) -> ndarray:
        result = function(*arguments, **keywords)
        if function is not np.empty:
            tell("launch", function.__name__, result)
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
    tell("send", "asarray", result)
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


class CUDARuntimeError(RuntimeError):
    pass


cuda = SimpleNamespace(
    Device=lambda number: nullcontext(),
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
