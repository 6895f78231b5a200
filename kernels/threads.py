"""The cores of the machine, for the CPU kernels."""

import os
from collections.abc import Callable
from functools import cache
from threading import Lock
from types import FunctionType
from typing import Any

from numba import prange
from threadpoolctl import threadpool_limits

from kernels.compiled import compiled

MACHINE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
"""Cores that the process may use."""

CORES = 1
"""Cores that the kernels use: one, until they take the others from BLAS."""


def run(kernel: Any, count: int, *arguments: Any) -> None:
    """kernel(*arguments, start, stop), which is compiled, for each core's share of range(count).

    The threads are OpenMP's, which wait awake for the next kernel, some milliseconds long: to wake
    one takes as long as a small convolution. The arguments are arrays and numbers.
    """
    with _one_at_a_time:
        _on_cores(kernel)(count, min(CORES, count), *arguments)


def run_if_large(kernel: Any, size: int, count: int, *arguments: Any) -> None:
    """`run`, but on the calling core alone where the `size` elements to be done are few."""
    if size >= LARGE:
        run(kernel, count, *arguments)
    elif size:
        kernel(*arguments, 0, count)


LARGE = 2**14
"""Elements from which more cores than one pay."""

_one_at_a_time = Lock()  # where Numba finds no OpenMP, its own threads do not serve two masters


def take_cores_from_blas() -> None:
    """From now on, for the rest of the process, BLAS keeps to one thread, as far as it is loaded.

    Its threads and the kernels' both go on spinning for a while after their work, and whoever finds
    the others at it gets half a core where it counted on one: a step of perceptrons took thirty
    times as long. So the cores are BLAS's until there are convolutions, and the kernels' from then
    on. A large product by itself is slower for it.
    """
    global CORES
    CORES = MACHINE
    threadpool_limits(limits=1, user_api="blas")


@cache
def _on_cores(kernel: Any) -> Callable:
    # Numba keeps on disk what calls a global, but not what calls an argument; it finds it by name.
    shared = FunctionType(_shared.__code__, {"kernel": kernel, "prange": prange})
    shared.__module__, shared.__qualname__ = __name__, f"{kernel.__module__}.{kernel.__qualname__}"
    return compiled(shared, parallel=True)


kernel: Any = None  # for `_shared`, of which each copy has its own


def _shared(count, shares, *arguments):
    if shares == 1:
        kernel(*arguments, 0, count)
    else:
        for i in prange(shares):
            kernel(*arguments, count * i // shares, count * (i + 1) // shares)


def _alone() -> None:
    global CORES, MACHINE, _one_at_a_time
    CORES, MACHINE, _one_at_a_time = 1, 1, Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_alone)  # the child has none of the threads
