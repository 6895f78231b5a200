"""Which implementation of a kernel runs: the arrays' type decides, unless `use` forces one."""

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

Array = Any
"""A `numpy.ndarray` or a `cupy.ndarray`."""

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
DTYPES = {"reference": (SINGLE, DOUBLE), "cpu": (SINGLE, DOUBLE), "cuda": (SINGLE,)}
"""What each implementation takes."""

_forced: str | None = None


@contextmanager
def use(name: str) -> Iterator[None]:
    """Run every kernel by its implementation `name`, in the whole process, whatever the arrays.

    "reference" is the definition, "cpu" what NumPy arrays get by themselves, "cuda" what CuPy
    arrays get; with NumPy arrays "cuda" works only in Numba's simulator.
    """
    global _forced
    if name not in DTYPES:
        raise ValueError(f"no implementation {name!r}: choose one of {', '.join(DTYPES)}")
    before, _forced = _forced, name
    try:
        yield
    finally:
        _forced = before


def implementation(kernel: str, *arrays: Array) -> ModuleType:
    """The module kernels.<kernel>.<implementation> for these arrays.

    Raises TypeError for arrays on two devices, and for a dtype that the implementation does not
    take: float32 and float64 on the CPU, float32 on CUDA.
    """
    on_device = {is_on_device(a) for a in arrays}
    if len(on_device) > 1:
        raise TypeError(f"{kernel} of {describe(arrays)}, on two devices: move one to the other")
    name = _forced or ("cuda" if True in on_device else "cpu")
    if any(a.dtype not in DTYPES[name] for a in arrays):
        dtypes = " or ".join(dtype.name for dtype in DTYPES[name])
        raise TypeError(f"{kernel} by {name} takes {dtypes}, not {describe(arrays)}")
    if name == "cuda" and True not in on_device and os.environ.get("NUMBA_ENABLE_CUDASIM") != "1":
        raise TypeError(f"{kernel} by cuda takes CuPy's arrays, not {describe(arrays)}")
    return importlib.import_module(f"kernels.{kernel}.{name}")


def describe(arrays: Sequence[Array]) -> str:
    return " and ".join(f"{a.dtype}{a.shape} of {type(a).__module__}" for a in arrays)


def is_on_device(array: Array) -> bool:
    cupy = sys.modules.get("cupy")  # an array of CuPy's exists only where CuPy was imported
    return cupy is not None and isinstance(array, cupy.ndarray)


def namespace(array: Array) -> Any:
    """The module, `numpy` or `cupy`, whose functions take `array`."""
    return sys.modules["cupy"] if is_on_device(array) else np
