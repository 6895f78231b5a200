"""All that importing `kernels` changes in the process and on the disk, and the switch.

- At the import: Linux's C library keeps up to 2 GiB of freed memory for the next arrays; and NumPy
  has `row_stack`, also where NumPy has removed it.
- At the first convolution: BLAS has one thread, for the rest of the process.
- When a kernel is compiled: Numba's cache on the disk keeps its machine code, in the folder
  NUMBA_CACHE_DIR or in __pycache__ (`disk.py`).
- At the first import of a CUDA kernel: two settings of Numba.

CHAINRULE_LEAVE_PROCESS=1 in the environment turns all of it off. No result changes. The CPU kernels
then run on one core, and kernels are compiled again in each process. The functions below give the
reason of each change.
"""

import ctypes
import os
from contextlib import suppress

import numpy as np
from threadpoolctl import threadpool_limits

LEAVE_PROCESS = os.environ.get("CHAINRULE_LEAVE_PROCESS", "0") not in ("", "0")

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def keep_freed_memory() -> None:
    """Let the C library keep freed memory, up to 2 GiB, but no array of more than 32 MiB.

    The result of an operation is a new array, and to get its memory from the system takes longer
    than most operations: to sample 400,000 numbers and differentiate took 11 ms without this and
    2.3 ms with it, and a PixelCNN spent half of its training step on it. Linux only.
    """
    if LEAVE_PROCESS:
        return
    with suppress(AttributeError, OSError, TypeError):  # other systems have no mallopt
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_MMAP_THRESHOLD, 2**25)


def restore_row_stack() -> None:
    """Name np.vstack `np.row_stack` again: numba-cuda needs the name, and NumPy 2.5 removed it.

    Without it, `numba.cuda` cannot be imported beside NumPy 2.5.
    """
    if not LEAVE_PROCESS and not hasattr(np, "row_stack"):
        np.row_stack = np.vstack


def limit_blas() -> bool:
    """Limit every BLAS library that is loaded by then to one thread; whether that was done.

    BLAS's threads and the kernels' both spin for some milliseconds after their work, and a thread
    that meets a spinning one shares its core: a step of perceptrons took thirty times as long. A
    large matrix product is slower on one thread.
    """
    if not LEAVE_PROCESS:
        threadpool_limits(limits=1, user_api="blas")
    return not LEAVE_PROCESS


def configure_numba_cuda() -> None:
    """Let Numba start CUDA kernels without waiting, and without warnings about small grids.

    By default Numba waits for the device once for each CuPy array of a launch. Our kernels run on
    CuPy's own stream, which keeps the order without waiting. And a small map makes a small grid.
    """
    from numba import config  # half a second, which NumPy's arrays need not pay at the import

    if not LEAVE_PROCESS:
        config.CUDA_ARRAY_INTERFACE_SYNC = 0
        config.CUDA_LOW_OCCUPANCY_WARNINGS = 0
