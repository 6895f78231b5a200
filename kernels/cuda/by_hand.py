"""Launching by hand: a kernel is loaded once, and a launch is one call of the driver.

Numba takes 40 to 125 microseconds for a launch: it finds out the type of each argument, and makes
objects of it for the driver. Here numbers are written one after another to a buffer, as Numba's
compiler wants them:

    an array    0, 0, size, bytes of an element, address, shape, strides in bytes
    a tuple     its elements
    a number    itself; Python's ints as 32 bits

The kernel is a cubin, machine code for one architecture, that Numba has compiled for the types of
these arguments. It is kept on the disk (`kernels/disk.py`): where it is found nothing is compiled.
"""

import ctypes
import struct
import sys
import threading
from collections.abc import Sequence
from importlib.metadata import version
from types import FunctionType
from typing import Any

import numpy as np
from numba import float32, float64, from_dtype, int32, int64, types, uint32, uint64

from kernels import machine
from kernels.disk import CheckedCache, report_no_folder

NUMBERS = {
    int: int32,
    bool: int32,
    float: float64,
    np.int32: int32,
    np.uint32: uint32,
    np.int64: int64,
    np.uint64: uint64,
    np.float32: float32,
    np.float64: float64,
}
CODES = {int32: "i", uint32: "I", int64: "q", uint64: "Q", float32: "f", float64: "d"}
"""Of the module `struct`."""


class _Launchers(threading.local):
    """By kernel, device and kinds of arguments; of each thread, since they have a buffer."""

    def __init__(self) -> None:
        self.known: dict[tuple, Launcher] = {}


_launchers = _Launchers()
_kept: list[Any] = []  # a graph may outlive the thread that loaded its kernels


def start(kernel: Any, grid: Any, block: Any, *args: Any) -> None:
    """Start kernel[grid, block](*args) on CuPy's current device and stream.

    Nothing here waits, sends or allocates on the device, so that CUDA can capture it in a graph;
    but the first launch of its kind loads the kernel.
    """
    cuda = sys.modules["cupy"].cuda
    kinds: list[Any] = [kernel, cuda.get_device_id()]
    words: list[Any] = []
    _flatten(args, kinds, words)
    key = tuple(kinds)
    launcher = _launchers.known.get(key)
    if launcher is None:
        cc = cuda.Device().compute_capability
        launcher = _launchers.known[key] = Launcher(cuda, kernel, signature_of(args), cc)
    launcher.layout.pack_into(launcher.buffer, 0, *words)
    sizes = *_three(grid), *_three(block)
    stream = cuda.get_current_stream().ptr
    cuda.driver.launchKernel(launcher.function.ptr, *sizes, 0, stream, launcher.addresses, 0)


def _flatten(args: Sequence[Any], kinds: list[Any], words: list[Any]) -> None:
    """Append the numbers of the arguments to `words`, and what their types depend on to `kinds`."""
    for a in args:
        kind = type(a)
        if kind in NUMBERS:
            kinds.append(kind)
            words.append(a)
        elif kind is tuple:
            inner = tuple(map(type, a))
            kinds.append(inner)
            if inner[0] in NUMBERS:  # and so all are
                words += a
            else:
                _flatten(a, kinds, words)
        else:
            size, itemsize, strides = a.size, a.itemsize, a.strides
            if strides == (itemsize,):  # flat, as nearly all are
                kinds.append(a.dtype)
                words += 0, 0, size, itemsize, a.data.ptr, size, itemsize
            else:
                kinds.append((a.dtype, a.ndim, a.flags.c_contiguous))
                words += 0, 0, size, itemsize, a.data.ptr, *a.shape, *strides


def _three(sizes: Any) -> tuple[int, ...]:
    return (*sizes, 1, 1)[:3] if isinstance(sizes, tuple) else (sizes, 1, 1)


def signature_of(args: Sequence[Any]) -> tuple:
    """Numba's types of the arguments."""
    return tuple(map(_type, args))


def _type(a: Any) -> Any:
    if isinstance(a, tuple):
        return types.Tuple(signature_of(a))
    if type(a) in NUMBERS:
        return NUMBERS[type(a)]
    return types.Array(from_dtype(a.dtype), a.ndim, "C" if a.flags.c_contiguous else "A")


class Launcher:
    """A kernel, loaded for arguments of these types, and the buffer that they are written to."""

    def __init__(self, cuda: Any, kernel: Any, signature: tuple, cc: str):
        name, cubin = cubin_of(kernel, signature, cc)
        module = cuda.Module()
        module.load(cubin)
        self.function = module.get_function(name)
        _kept.append(self.function)
        codes = codes_of(signature)
        self.layout = struct.Struct(codes)  # each at a multiple of its size
        self.buffer = ctypes.create_string_buffer(self.layout.size)
        start = ctypes.addressof(self.buffer)
        ends = (struct.calcsize(codes[: n + 1]) for n in range(len(codes)))
        places = [start + end - struct.calcsize(code) for end, code in zip(ends, codes)]
        self.table = (ctypes.c_void_p * len(codes))(*places)
        self.addresses = ctypes.addressof(self.table)


def codes_of(signature: Sequence[Any]) -> str:
    """A letter of the module `struct` for each number that a kernel takes."""
    codes = ""
    for kind in signature:
        if isinstance(kind, types.BaseTuple):
            codes += codes_of(tuple(kind))
        elif isinstance(kind, types.Array):
            codes += "PPnnP" + "n" * (2 * kind.ndim)
        else:
            codes += CODES[kind]
    return codes


def cubin_of(kernel: Any, signature: tuple, cc: str) -> tuple[str, bytes]:
    """Its name in the cubin, and the cubin, for an architecture: from the disk, or compiled."""
    files = None
    if not machine.LEAVE_PROCESS:
        try:
            files = CheckedCache(kernel.py_func)
        except RuntimeError:
            report_no_folder()
    kind = _made_of(kernel), signature, cc, version("numba-cuda")
    content = files.read(path := files.path(kind, "cubin")) if files else None
    if content is None:
        compiled = kernel.compile(signature)
        content = compiled.entry_name.encode() + b"\n" + compiled.library.get_cubin().code
        if files:
            files.write(path, content)
    name, _, cubin = content.partition(b"\n")
    return name.decode(), cubin


def _made_of(value: Any) -> Any:
    """What tells a function from others of the sources: its place, options and closure."""
    if isinstance(value, tuple):
        return tuple(map(_made_of, value))
    function = getattr(value, "py_func", value)
    if not isinstance(function, FunctionType):
        return value
    values = tuple(cell.cell_contents for cell in function.__closure__ or ())
    options = dict(getattr(value, "targetoptions", {}))
    options.pop("lto", None)  # whether nvJitLink is installed
    return function.__module__, function.__code__.co_firstlineno, options, _made_of(values)
