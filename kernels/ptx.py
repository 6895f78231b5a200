"""What Numba has no spelling for: wide loads and stores, asynchronous copies, a launch on CuPy.

The operations are those of the PTX instruction set (NVIDIA, "Parallel Thread Execution ISA",
sections ld, st and cp.async), each a Numba intrinsic with a twin in plain Python for Numba's
simulator (NUMBA_ENABLE_CUDASIM=1). Arrays are flat float32 arrays, and an index counts elements.
Index with `uint32`, or a sum of it and constants: a signed index costs Numba's check for negative
ones, and keeps its loads apart.

Take `cuda` from here, `from kernels.ptx import cuda`: it is `numba.cuda`, made to work first.
"""

from collections.abc import Iterable
from contextlib import nullcontext
from functools import cache

import numpy as np
from numba import config

from kernels.dispatch import Array, namespace

if not hasattr(np, "row_stack"):  # NumPy 2.5 has taken the name away, and numba.cuda looks for it
    np.row_stack = np.vstack

from numba import cuda

# Numba would wait for the device once for each CuPy array of a launch. A kernel here runs on
# CuPy's own stream, so the order is right without waiting.
config.CUDA_ARRAY_INTERFACE_SYNC = 0
config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # a small map makes a small grid

SIMULATED = bool(config.ENABLE_CUDASIM)

LARGEST = 2**31 - 1
MOST_BLOCKS = (2**31 - 1, 65_535, 65_535)

ALIGNED = None if SIMULATED else 16
"""For `cuda.shared.array(size, float32, ALIGNED)`: a shared array begins at a multiple of 16 bytes,
as wide loads and copies need. Without it, 4 are promised. The simulator takes no alignment.
Import it by name: Numba takes `ptx.ALIGNED` for a number that is known only at run time."""


def jit_for(threads: int, blocks: int = 1):
    """`cuda.jit` for blocks of at most `threads`, of which `blocks` shall fit a multiprocessor.

    So the compiler knows how many of its 65,536 registers each thread can have.
    """
    return cuda.jit if SIMULATED else cuda.jit(launch_bounds=(threads, blocks))


def launch(kernel, grid, block, *args) -> None:
    """Start kernel[grid, block](*args), on CuPy's current stream; nothing for an empty grid.

    Plain ints among `args`, and in tuples among them, are passed as 32 bits, not Numba's 64. Raises
    ValueError for an array whose elements 31 bits cannot count, since kernels index with 32, and
    for a grid that is larger than CUDA's.
    """
    sizes = grid if isinstance(grid, tuple) else (grid,)
    if any(size > most for size, most in zip(sizes, MOST_BLOCKS)):
        raise ValueError(f"a grid of {sizes} blocks is more than {MOST_BLOCKS[: len(sizes)]}")
    for array in args:
        if getattr(array, "ndim", 0) and array.size > LARGEST:
            raise ValueError(f"an array of {array.size:,} elements: CUDA kernels take {LARGEST:,}")
    if 0 not in sizes:
        start(kernel, grid, block, *map(_int32, args))


def _int32(value):
    if isinstance(value, tuple):
        return tuple(map(_int32, value))
    return np.int32(value) if isinstance(value, int) else value


def on_device_of(x: Array, numbers: Iterable[int]) -> Array:
    """The numbers, of 32 bits, where x is; they are sent there once."""
    xp = namespace(x)
    return _sent(xp, 0 if xp is np else x.device.id, tuple(map(int, numbers)))


@cache
def _sent(xp, device: int, numbers: tuple[int, ...]) -> Array:
    with nullcontext() if xp is np else xp.cuda.Device(device):
        return xp.asarray(np.array(numbers, np.int32))


def start(kernel, grid, block, *args) -> None:
    if SIMULATED:
        kernel[grid, block](*args)
        return
    import cupy

    kernel[grid, block, _stream(cupy.cuda.get_current_stream().ptr)](*args)


@cache
def _stream(pointer: int):
    return cuda.external_stream(pointer)


if SIMULATED:
    import sys
    import threading

    from numba.cuda.simulator.kernelapi import FakeCUDAShared

    sys.setswitchinterval(1e-5)  # each CUDA thread is a thread of Python: two to four times faster
    _allocating = threading.Lock()

    def _shared_array(self, shape, dtype, alignment=None):
        """The array of this line, NaN until it is written.

        Numba's own knows no alignment, and without a lock, once in a hundred runs, gives two
        threads an array each.
        """
        caller = sys._getframe(1)
        line = caller.f_code.co_filename, caller.f_lineno
        with _allocating:
            if line not in self._allocations:
                name = str(dtype)
                empty = np.nan if name.startswith("float") else 0
                self._allocations[line] = np.full(shape, empty, name)
            return self._allocations[line]

    FakeCUDAShared.array = _shared_array

    def divide(a, b):
        return a // b

    _thread = threading.local()  # the simulator runs each CUDA thread as a thread of Python

    def load4(array, i):
        assert i % 4 == 0, f"a 128-bit load from element {i}"
        return array[i], array[i + 1], array[i + 2], array[i + 3]

    def store4(array, i, a, b, c, d):
        assert i % 4 == 0, f"a 128-bit store to element {i}"
        array[i], array[i + 1], array[i + 2], array[i + 3] = a, b, c, d

    def _groups() -> list[list]:
        """The copies of this thread that have not been waited for; the last group is open."""
        if not hasattr(_thread, "groups"):
            _thread.groups = [[]]
        return _thread.groups

    def copy4_async(destination, i, source, j, valid):
        _groups()[-1].append((destination, i, source, j, valid))

    def copy16_async(destination, i, source, j, valid):
        assert i % 4 == 0 and (j % 4 == 0 or not valid), f"a 128-bit copy from {j} to {i}"
        for k in range(4):
            copy4_async(destination, i + k, source, j + k, valid)

    def commit_group():
        _groups().append([])

    def wait_group(pending):
        # A copy happens here as late as it may on the hardware: a wait too few is seen.
        groups = _groups()
        while len(groups) > pending + 1:
            for destination, i, source, j, valid in groups.pop(0):
                destination[i] = source[j] if valid else 0.0

else:
    from llvmlite import ir

    try:
        from numba.cuda import cgutils, types
        from numba.cuda.extending import intrinsic
    except ImportError as error:
        raise ImportError("CUDA needs numba-cuda: the extra cuda13, cuda12 or ptx") from error

    _FLOAT, _INT32, _INT64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
    _FLOAT4 = ir.VectorType(_FLOAT, 4)
    _SHARED, _GLOBAL = 3, 1  # address spaces
    _INDEX = types.int64

    @intrinsic
    def divide(typing_context, a, b):
        """a // b of two uint32, b not 0: Numba's own asks each time whether it is."""

        def generate(context, builder, signature, args):
            return builder.udiv(*args)

        return types.uint32(types.uint32, types.uint32), generate

    def _pointer(context, builder, array_type, array, index):
        """The address of array[index], with no check for a negative index."""
        data = context.make_array(array_type)(context, builder, array).data
        return builder.gep(data, [index])

    def _pointer4(context, builder, array_type, array, index):
        pointer = _pointer(context, builder, array_type, array, index)
        return builder.bitcast(pointer, _FLOAT4.as_pointer(pointer.type.addrspace))

    @intrinsic
    def load4(typing_context, array, i):
        """Four neighbours from array[i], by one 128-bit load. i is a multiple of 4."""

        def generate(context, builder, signature, args):
            pointer = _pointer4(context, builder, signature.args[0], *args)
            vector = builder.load(pointer, align=16)
            values = [builder.extract_element(vector, _INT32(k)) for k in range(4)]
            return context.make_tuple(builder, signature.return_type, values)

        return types.UniTuple(types.float32, 4)(array, _INDEX), generate

    @intrinsic
    def store4(typing_context, array, i, a, b, c, d):
        """array[i : i + 4] = a, b, c, d by one 128-bit store. i is a multiple of 4."""

        def generate(context, builder, signature, args):
            pointer = _pointer4(context, builder, signature.args[0], *args[:2])
            vector = cgutils.get_null_value(_FLOAT4)
            for k, value in enumerate(args[2:]):
                vector = builder.insert_element(vector, value, _INT32(k))
            builder.store(vector, pointer, align=16)
            return context.get_dummy_value()

        return types.void(array, _INDEX, *(types.float32,) * 4), generate

    def _copy_async(size, instruction):
        """cp.async of `size` bytes to shared[i] from global[j], or of zeros if not `valid`.

        It reads nothing if not `valid`, so j may then be out of bounds.
        """

        @intrinsic
        def copy(typing_context, destination, i, source, j, valid):
            def generate(context, builder, signature, args):
                to = _pointer(context, builder, signature.args[0], *args[:2])
                of = _pointer(context, builder, signature.args[2], *args[2:4])
                to = builder.addrspacecast(to, _FLOAT.as_pointer(_SHARED))
                of = builder.addrspacecast(of, _FLOAT.as_pointer(_GLOBAL))
                operands = [
                    builder.ptrtoint(to, _INT32),
                    builder.ptrtoint(of, _INT64),
                    builder.select(args[4], _INT32(size), _INT32(0)),  # bytes read, then zeros
                ]
                function = ir.FunctionType(ir.VoidType(), [_INT32, _INT64, _INT32])
                text = f"{instruction} [$0], [$1], {size}, $2;"
                assembly = ir.InlineAsm(function, text, "r,l,r,~{memory}", side_effect=True)
                builder.call(assembly, operands)
                return context.get_dummy_value()

            return types.void(destination, _INDEX, source, _INDEX, types.boolean), generate

        return copy

    copy4_async = _copy_async(4, "cp.async.ca.shared.global")
    copy16_async = _copy_async(16, "cp.async.cg.shared.global")  # .cg: past the first-level cache

    def _statement(context, builder, text):
        function = ir.FunctionType(ir.VoidType(), [])
        builder.call(ir.InlineAsm(function, text, "~{memory}", side_effect=True), [])
        return context.get_dummy_value()

    @intrinsic
    def commit_group(typing_context):
        """End a group of copies: all since the last commit, maybe none."""

        def generate(context, builder, signature, args):
            return _statement(context, builder, "cp.async.commit_group;")

        return types.void(), generate

    @intrinsic
    def wait_group(typing_context, pending):
        """Wait until at most `pending` groups of this thread are under way.

        `pending` is a number or a variable that encloses the kernel, not an expression.
        The other threads see the copies only after `cuda.syncthreads()` besides.
        """
        if not isinstance(pending, types.IntegerLiteral):
            return None

        def generate(context, builder, signature, args):
            text = f"cp.async.wait_group {pending.literal_value};"
            return _statement(context, builder, text)

        return types.void(pending), generate
