"""The cores that the CPU kernels run on."""

import os
from threading import Lock
from typing import Any

from kernels import machine
from kernels.cpu.tasks import caller, loop

MAX_CORES = (
    len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
)
"""Cores that the process may use."""

CORES = 1
"""Cores that the kernels use: one, until they take the others from BLAS."""

MIN_SHARED_SIZE = 2**14
"""Elements from which several cores are faster than one."""

_one_at_a_time = Lock()  # without OpenMP, Numba's own threads must not be called from two threads


def run(kernel: Any, count: int, *arguments: Any) -> None:
    """Call kernel(*arguments, start, stop), compiled, on each core for its share of range(count).

    The threads are OpenMP's, which spin for some milliseconds before they sleep; waking a thread
    costs as much as a small convolution. The arguments are arrays and numbers. On one core there is
    no loop, which would have to be compiled.
    """
    shares = min(CORES, count)
    if shares == 1:
        caller(kernel)(0, 1, count, *arguments)
    elif shares:
        with _one_at_a_time:
            caller(kernel)(loop(), shares, count, *arguments)


def run_if_large(kernel: Any, size: int, count: int, *arguments: Any) -> None:
    """`run`, but on the calling core alone if there are fewer elements than MIN_SHARED_SIZE."""
    if size >= MIN_SHARED_SIZE:
        run(kernel, count, *arguments)
    elif size:
        caller(kernel)(0, 1, count, *arguments)


def take_cores_from_blas() -> None:
    """Use every core from now on, and limit BLAS to one thread (see `machine.limit_blas`).

    The cores are BLAS's until there are convolutions, and the kernels' from then on.
    """
    global CORES
    if machine.limit_blas():
        CORES = MAX_CORES


def _use_one_core() -> None:
    global CORES, MAX_CORES, _one_at_a_time
    CORES, MAX_CORES, _one_at_a_time = 1, 1, Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_use_one_core)  # the child has none of the threads
