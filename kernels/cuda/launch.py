"""How a CUDA kernel is compiled and started on CuPy's arrays."""

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import cache
from importlib.util import find_spec

import numpy as np
from numba import config, cuda

from kernels import machine
from kernels.cuda import by_hand
from kernels.dispatch import Array, namespace

machine.configure_numba_cuda()

SIMULATED = bool(config.ENABLE_CUDASIM)
HAS_COMPILER = find_spec("numba_cuda") is not None

BY_HAND = os.environ.get("CHAINRULE_LAUNCH") != "numba"
"""Whether kernels are started by `by_hand.py`, or by Numba as its manual says."""

MULTIPROCESSORS = 132
"""Of an H100 or H200. A constant, so that the order of a sum that is split among blocks, and with
it every bit of the result, is the same on every device."""

MAX_SIZE = 2**31 - 1
"""Elements of an array: kernels count them with 32 bits."""

MAX_GRID = (2**31 - 1, 65_535, 65_535)
"""Blocks along each axis, CUDA's limits."""

ALIGNED = None if SIMULATED else 16
"""For `cuda.shared.array(size, float32, ALIGNED)`: the array begins at a multiple of 16 bytes, as
wide loads and copies need; by default of 4. The simulator takes no alignment. Import this by name:
Numba takes `launch.ALIGNED` for a number that is known only at run time."""


def jit_for(threads: int, blocks: int | None = 1):
    """`cuda.jit` for blocks of at most `threads`, with room for `blocks` on a multiprocessor.

    The compiler gives each thread as many of the 65,536 registers as this allows. With None it
    gives as many as it thinks right.
    """
    if SIMULATED:
        return cuda.jit
    return cuda.jit(launch_bounds=(threads, blocks) if blocks else threads)


def unrolled(step: Callable, rows: int, a_pitch: int, b_pitch: int) -> Callable:
    """A device function that does `step` for `rows` rows, a power of two, one after the other.

    step(a_tile, b_tile, a_at, b_at, a, b, total) reads a row of each tile, from a_at and b_at on;
    rows are a pitch apart. Written as a loop, the compiler would not unroll so much code.
    """
    if rows == 1:
        return step
    half = unrolled(step, rows // 2, a_pitch, b_pitch)
    a_half, b_half = rows // 2 * a_pitch, rows // 2 * b_pitch

    @cuda.jit(device=True)
    def both_halves(a_tile, b_tile, a_at, b_at, a, b, total):
        half(a_tile, b_tile, a_at, b_at, a, b, total)
        a_at, b_at = a_at + a_half, b_at + b_half
        half(a_tile, b_tile, a_at, b_at, a, b, total)

    return both_halves


def launch(kernel, grid, block, *args) -> None:
    """Start kernel[grid, block](*args) on CuPy's current stream; nothing for an empty grid.

    Plain ints among `args`, and in tuples among them, are passed as 32 bits, not as Numba's 64.
    Raises ValueError for an array of more than MAX_SIZE elements and for a grid above MAX_GRID,
    ImportError where numba-cuda is not installed.
    """
    sizes = grid if isinstance(grid, tuple) else (grid,)
    if any(size > limit for size, limit in zip(sizes, MAX_GRID)):
        raise ValueError(f"a grid of {sizes} blocks is more than {MAX_GRID[: len(sizes)]}")
    for array in args:
        if getattr(array, "ndim", 0) and array.size > MAX_SIZE:
            raise ValueError(f"an array of {array.size:,} elements: CUDA kernels take {MAX_SIZE:,}")
    if 0 not in sizes:
        start(kernel, grid, block, *args)


def on_device_of(x: Array, numbers: Iterable[int]) -> Array:
    """The numbers, as int32, on the device of x. They are sent there once and kept."""
    xp = namespace(x)
    return _sent(xp, 0 if xp is np else x.device.id, tuple(map(int, numbers)))


@cache
def _sent(xp, device: int, numbers: tuple[int, ...]) -> Array:
    with nullcontext() if xp is np else xp.cuda.Device(device):
        return xp.asarray(np.array(numbers, np.int32))


def counters_on_device_of(x: Array, number: int) -> Array:
    """uint32 zeros on the device of x, which are kept: a kernel that counts leaves zeros again.

    So kernels that run one after the other share them.
    """
    xp = namespace(x)
    return _zeros(xp, 0 if xp is np else x.device.id, number)


@cache
def _zeros(xp, device: int, number: int) -> Array:
    with nullcontext() if xp is np else xp.cuda.Device(device):
        return xp.zeros(number, np.uint32)


def start(kernel, grid, block, *args) -> None:
    if not SIMULATED and not HAS_COMPILER:
        raise ImportError("CUDA needs numba-cuda: the extra cuda13, cuda12 or ptx")
    if BY_HAND and not SIMULATED:
        by_hand.start(kernel, grid, block, *args)
    else:
        start_by_numba(kernel, grid, block, *args)


def start_by_numba(kernel, grid, block, *args) -> None:
    """The same as `by_hand.start`, for reading: each launch takes ten times as long."""
    stream = () if SIMULATED else (_stream(sys.modules["cupy"].cuda.get_current_stream().ptr),)
    kernel[grid, block, *stream](*map(_int32, args))


def _int32(value):
    if isinstance(value, tuple):
        return tuple(map(_int32, value))
    return np.int32(value) if isinstance(value, int) else value


@cache
def _stream(pointer: int):
    return cuda.external_stream(pointer)
