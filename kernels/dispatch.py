"""Which implementation of a kernel runs: the arrays' type decides, unless `use` names one."""

import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np

Array = Any
"""A `numpy.ndarray` or a `cupy.ndarray`."""

DEVICES = ("cpu", "cuda")
"""Where arrays are: NumPy's, CuPy's."""

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
DTYPES = {"reference": (SINGLE, DOUBLE), "cpu": (SINGLE, DOUBLE), "cuda": (SINGLE,)}
"""The dtypes that each implementation takes."""

KERNELS = (
    "conv2d",
    "group_norm",
    "logsumexp",
    "masked_conv2d",
    "matmul",
    "optimizer",
    "pointwise",
    "reparameterize",
)
JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")  # off for debugging
CPU = "cpu" if JIT else "reference"

_chosen: ContextVar[Mapping[str, Any]] = ContextVar("_chosen", default=MappingProxyType({}))


@contextmanager
def use(name: str | None = None, /, **kernels: Any) -> Iterator[None]:
    """In the `with` block, in this thread, run kernels by the implementation that is named.

    "reference" is the definition, "cpu" the default for NumPy arrays, "cuda" that for CuPy arrays;
    with NumPy arrays "cuda" works only in Numba's simulator. use("reference") is for every kernel,
    use(conv2d="reference") for one, and use(conv2d=mine) takes a module of your own: any object
    that has the functions of kernels/conv2d/reference.py that are called, with the same parameters.
    Its functions are called with the arrays as they are, of any type and layout.
    """
    chosen = dict.fromkeys(KERNELS, name) if name is not None else {}
    chosen |= kernels
    for kernel, own in chosen.items():
        if kernel not in KERNELS:
            raise ValueError(f"no kernel {kernel!r}: choose one of {', '.join(KERNELS)}")
        if isinstance(own, str) and own not in DTYPES:
            raise ValueError(f"no implementation {own!r}: choose one of {', '.join(DTYPES)}")
        if own == "cpu" != CPU:
            raise ValueError("no implementation 'cpu' where NUMBA_DISABLE_JIT is set: unset it")
    token = _chosen.set({**_chosen.get(), **chosen})
    try:
        yield
    finally:
        _chosen.reset(token)


def implementation(kernel: str, *arrays: Array) -> Any:
    """The module kernels.<kernel>.<implementation> for these arrays, or what `use` was given.

    Raises TypeError for arrays on two devices, and for a dtype that the implementation does not
    take: float32 and float64 on the CPU, float32 on CUDA.
    """
    chosen = _chosen.get().get(kernel)
    if chosen is not None and not isinstance(chosen, str):
        return chosen
    on_device = is_on_device(arrays[0])
    name = chosen or ("cuda" if on_device else CPU)
    for a in arrays:
        if is_on_device(a) != on_device:
            raise TypeError(f"{kernel} of {describe(arrays)}, on two devices: move one")
        if a.dtype not in DTYPES[name]:
            dtypes = " or ".join(dtype.name for dtype in DTYPES[name])
            raise TypeError(f"{kernel} by {name} takes {dtypes}, not {describe(arrays)}")
    if name == "cuda" and not on_device and os.environ.get("NUMBA_ENABLE_CUDASIM") != "1":
        raise TypeError(f"{kernel} by cuda takes CuPy's arrays, not {describe(arrays)}")
    return _module(kernel, name)


@cache  # since Python's own look-up is slow beside a small kernel
def _module(kernel: str, name: str) -> ModuleType:
    return importlib.import_module(f"kernels.{kernel}.{name}")


def describe(arrays: Sequence[Array]) -> str:
    return " and ".join(f"{a.dtype}{a.shape} of {type(a).__module__}" for a in arrays)


def is_on_device(array: Array) -> bool:
    if type(array) is np.ndarray:
        return False
    cupy = sys.modules.get("cupy")  # without that import there is no CuPy array
    return cupy is not None and isinstance(array, cupy.ndarray)


def namespace(array: Array) -> Any:
    """The module, `numpy` or `cupy`, whose functions take `array`."""
    return sys.modules["cupy"] if is_on_device(array) else np
