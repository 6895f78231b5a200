"""Compilation of the CPU kernels."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable, **options: Any) -> Callable:
    """By Numba, without the interpreter's lock, and kept on disk where a place can be written.

    What is on disk is made anew when the function's own file changes, but not for a change in
    another file from which it takes a function: then delete `__pycache__`.
    """
    try:
        return njit(nogil=True, cache=True, **options)(function)
    except RuntimeError:  # Numba's, for no such place
        return njit(nogil=True, **options)(function)
