"""What runs on a GPU, or else in Numba's simulator: NUMBA_ENABLE_CUDASIM=1, in its own process.

A module here begins with `needs_cuda()`, before it imports an implementation.
"""

import os
import sys
import threading

import numpy as np
import pytest

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"

if SIMULATED:
    from numba.cuda.simulator.kernelapi import FakeCUDAShared

    sys.setswitchinterval(1e-5)  # each CUDA thread is a thread of Python: two to four times faster
    _allocating = threading.Lock()

    def _shared_array(self, shape, dtype, alignment=None):
        """The array of this line, NaN until it is written.

        Numba's own, without a lock, once in a hundred runs gives two threads an array each.
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


def needs_cuda() -> None:
    """Skip the module that calls it where there is neither the simulator nor a GPU."""
    if SIMULATED:
        return
    try:
        import cupy

        found = cupy.cuda.runtime.getDeviceCount() > 0
    except Exception:  # no CuPy, or its error for no driver
        found = False
    if not found:
        pytest.skip("no GPU, and NUMBA_ENABLE_CUDASIM is not 1", allow_module_level=True)


def on_device(array: np.ndarray):
    """A CuPy array on a GPU, and `array` itself in the simulator."""
    if SIMULATED:
        return array
    import cupy

    return cupy.asarray(array)


def to_numpy(array) -> np.ndarray:
    return array if isinstance(array, np.ndarray) else array.get()
