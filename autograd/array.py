"""Arrays of NumPy and of CuPy: the first part of the engine, beneath `tensor`."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from kernels.dispatch import DEVICES, Array, namespace

Rng = np.random.Generator
"""A seeded source of random numbers."""

Axis = int | tuple[int, ...] | None
"""The axes of a reduction; None is all of them."""


def as_array(value: Any) -> Array:
    """`value` as a plain array: lists, numbers and NumPy's scalars become NumPy arrays.

    Raises TypeError for values without a derivative: complex numbers, objects and text; and for
    masked arrays, which would lose their mask.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError("a masked array would lose its mask: give x.filled(0), and the mask apart")
    if isinstance(value, np.generic) or namespace(value) is np:
        value = np.asarray(value)
    if value.dtype.kind not in "fiub":
        raise TypeError(
            f"an array of {value.dtype} and shape {value.shape} is no input: it takes real "
            "numbers, integers and booleans (the parts of complex ones, x.real and x.imag)"
        )
    return value


FLOATS = np.dtype(np.float32), np.dtype(np.float64)
"""The dtypes that can have a gradient."""

PLAIN = {np.ndarray, float, int, bool, type(None), np.float32, np.float64}
"""The types that a primitive takes as they are, beside a Tensor."""


def scipy_for(array: Array, module: str) -> Any:
    """A module of SciPy, or of its counterpart in CuPy; imported where it is first needed."""
    return import_module(f"{'' if namespace(array) is np else 'cupyx.'}scipy.{module}")


def array_or_number(value: Any) -> Any:
    """A NumPy scalar as it is, since it keeps float32 float32; any other value as an array."""
    is_number = isinstance(value, np.generic) and value.dtype.kind in "fiub"
    return value if is_number else as_array(value)


def describe(arrays: Sequence) -> str:
    """The dtypes and shapes, for messages."""
    kinds = [getattr(x, "dtype", type(x).__name__) for x in arrays]
    return " and ".join(f"{kind}{getattr(x, 'shape', ())}" for kind, x in zip(kinds, arrays))


def to_device(array: Array, device: str) -> Array:
    """`array` in the memory of `device`, "cpu" or "cuda"; itself if it is there already.

    Raises ValueError for another name, RuntimeError where there is no CuPy or no GPU.
    """
    if device == "cpu":
        return np.asarray(array) if namespace(array) is np else array.get()
    if device != "cuda":
        raise ValueError(f"unknown device {device!r}: choose one of {', '.join(DEVICES)}")
    try:
        import cupy

        cupy.cuda.runtime.getDevice()
    except ImportError as error:
        raise RuntimeError("device cuda needs CuPy, which is not installed; use cpu") from error
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise RuntimeError(f"device cuda: no usable GPU ({error}); use cpu") from error
    return cupy.asarray(array)
