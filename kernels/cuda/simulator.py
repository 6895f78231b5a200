"""The operations of `intrinsics.py` in plain Python, for Numba's simulator.

The simulator runs each CUDA thread as a thread of Python. It is patched here in two places: shared
arrays, and how often Python changes from one thread to the next.
"""

import sys
import threading

import numpy as np
from numba.cuda.simulator.kernelapi import FakeCUDAShared

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
