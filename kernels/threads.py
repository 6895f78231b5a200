"""One Python thread per core, each with a BLAS of one thread.

A kernel that splits a batch itself must keep BLAS from splitting every product again: two pools
of threads that spin for the same cores cost several times the work. NumPy's copies and products
and Numba's nogil functions release the interpreter's lock, so Python threads are enough.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

T = TypeVar("T")

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(work: Callable[[int, int], T], count: int) -> list[T]:
    """What `work(start, stop)` gives for each core's share of range(count), in order."""
    shares = max(1, min(CORES, count))
    bounds = [count * i // shares for i in range(shares + 1)]
    with _blas().limit(limits=1):
        others = [_pool().submit(work, *bounds[i : i + 2]) for i in range(1, shares)]
        return [work(*bounds[:2]), *(other.result() for other in others)]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CORES)


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
