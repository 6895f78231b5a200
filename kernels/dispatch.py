"""Which implementation of a kernel runs: the arrays' type decides, unless `use` forces one."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

Array = Any
"""A `numpy.ndarray` or a `cupy.ndarray`."""

IMPLEMENTATIONS = ("reference", "cpu", "cuda")

_forced: str | None = None


@contextmanager
def use(name: str) -> Iterator[None]:
    """Run every kernel by its implementation `name`, in the whole process, whatever the arrays.

    "reference" is the definition, "cpu" what NumPy arrays get by themselves, "cuda" what CuPy
    arrays get; with NumPy arrays "cuda" works only in Numba's simulator.
    """
    global _forced
    if name not in IMPLEMENTATIONS:
        raise ValueError(f"no implementation {name!r}: choose one of {', '.join(IMPLEMENTATIONS)}")
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
    described = " and ".join(f"{a.dtype}{a.shape} of {type(a).__module__}" for a in arrays)
    on_device = {is_on_device(a) for a in arrays}
    if len(on_device) > 1:
        raise TypeError(f"{kernel} of arrays on two devices, {described}: move one to the other")
    name = _forced or ("cuda" if on_device == {True} else "cpu")
    dtypes = ("float32",) if name == "cuda" else ("float32", "float64")
    if any(a.dtype.name not in dtypes for a in arrays):
        raise TypeError(f"{kernel} by {name} takes {' or '.join(dtypes)}, not {described}")
    return importlib.import_module(f"kernels.{kernel}.{name}")


def is_on_device(array: Array) -> bool:
    cupy = sys.modules.get("cupy")  # an array of CuPy's exists only where CuPy was imported
    return cupy is not None and isinstance(array, cupy.ndarray)


def namespace(array: Array) -> Any:
    """The module, `numpy` or `cupy`, whose functions take `array`."""
    return sys.modules["cupy"] if is_on_device(array) else np
