"""One Python thread per core: Numba's nogil functions release the interpreter's lock."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(work: Callable[[int, int], T], count: int) -> list[T]:
    """What `work(start, stop)` gives for each core's share of range(count), in order."""
    shares = max(1, min(CORES, count))
    bounds = [count * i // shares for i in range(shares + 1)]
    others = [_pool().submit(work, *bounds[i : i + 2]) for i in range(1, shares)]
    return [work(*bounds[:2]), *(other.result() for other in others)]


LARGE = 2**16
"""Elements from which more threads than one pay for their start."""


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CORES)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # the child has none of its threads


def keep_blas_to_one_thread() -> None:
    """From now on, for the rest of the process, as far as BLAS is loaded.

    Its threads go on spinning for tens of milliseconds after a product, and a kernel that finds
    them at it gets half a core where it counted on one: a training step of convolutions and linear
    layers took a third longer. A large product by itself is slower for it.
    """
    threadpool_limits(limits=1, user_api="blas")
