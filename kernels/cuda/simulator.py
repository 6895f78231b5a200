"""The operations of `intrinsics.py` in plain Python, for Numba's simulator.

The simulator runs each CUDA thread as a thread of Python. It is patched here in two places: shared
arrays, and how often Python changes from one thread to the next.
"""

import sys
import threading
from collections import defaultdict
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numba.cuda.simulator.kernelapi import FakeCUDAShared

from kernels.cuda import tf32

sys.setswitchinterval(1e-5)  # seconds: two to four times faster, since threads wait for each other
_allocating = threading.Lock()


def _shared_array(self, shape, dtype, alignment=None):
    """The shared array of the line that calls this, NaN until it is written.

    Numba's own takes no alignment. It also has no lock, so that two threads may get an array each:
    seen in one of a hundred runs.
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


def load4(array, i):
    assert i % 4 == 0, f"a 128-bit load from element {i}"
    return array[i], array[i + 1], array[i + 2], array[i + 3]


def store4(array, i, a, b, c, d):
    assert i % 4 == 0, f"a 128-bit store to element {i}"
    array[i], array[i + 1], array[i + 2], array[i + 3] = a, b, c, d


_thread = threading.local()


def _groups() -> list[list]:
    """The copies that this thread has not waited for; the last group is still open."""
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
    # A copy happens as late as the hardware allows, so that a missing wait gives wrong results.
    groups = _groups()
    while len(groups) > pending + 1:
        for destination, i, source, j, valid in groups.pop(0):
            destination[i] = source[j] if valid else 0.0


def nearest_tf32(x):
    return tf32.nearest(x)


class _Warp:
    """Where the 32 threads of a warp meet to multiply: the last to come does it for all."""

    def __init__(self):
        self.given = [(0.0,) * 10] * 32
        self.barrier = threading.Barrier(32, self.multiply, timeout=60)

    def multiply(self):
        a, b, c = np.empty((3, 16, 8), np.float32)
        for lane, (a0, a1, a2, a3, b0, b1, *of_c) in enumerate(self.given):
            group, member = divmod(lane, 4)
            a[group, member], a[group + 8, member] = a0, a1
            a[group, member + 4], a[group + 8, member + 4] = a2, a3
            b[member, group], b[member + 4, group] = b0, b1
            c[group, 2 * member : 2 * member + 2] = of_c[:2]
            c[group + 8, 2 * member : 2 * member + 2] = of_c[2:]
        self.sums = tf32.multiply_add(a, b[:8], c)


_warps: WeakKeyDictionary = WeakKeyDictionary()  # of each block


def mma(*given):
    thread: Any = threading.current_thread()
    with _allocating:
        warps = _warps.setdefault(thread._manager, defaultdict(_Warp))
        warp = warps[thread.thread_id // 32]
    lane = thread.thread_id % 32
    warp.given[lane] = given
    warp.barrier.wait()
    group, column = lane // 4, lane % 4 * 2
    return (*warp.sums[group, column : column + 2], *warp.sums[group + 8, column : column + 2])
