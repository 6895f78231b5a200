"""Tests on a GPU, or else in Numba's simulator: NUMBA_ENABLE_CUDASIM=1, in its own process.

A module here calls `needs_cuda()` first, before it imports an implementation.
"""

import os

import numpy as np
import pytest

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"


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
