"""Compilation of the CPU kernels."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from numba import float32, njit, vectorize


def compiled(function: Callable, **options: Any) -> Callable:
    """By Numba, without the interpreter's lock, and kept on disk where a place can be written."""
    return _kept(partial(njit, nogil=True), function, **options)


def elementwise(function: Callable) -> Callable:
    """A ufunc of float32 out of a function of scalars."""
    scalars = [float32] * len(signature(function).parameters)
    make = partial(vectorize, [float32(*scalars)], fastmath={"contract"})
    return _kept(make, function)


def _kept(make: Callable, function: Callable, **options: Any) -> Callable:
    try:
        return make(cache=True, **options)(function)
    except RuntimeError:  # Numba's, for no such place
        return make(**options)(function)


def _forget_what_is_stale() -> None:
    """Numba looks for changes in a kernel's own file, but kernels use functions of other files."""
    package = Path(__file__).parent
    changed = max(source.stat().st_mtime for source in package.rglob("*.py"))
    with suppress(OSError):  # of another process that does the same, or of a read-only place
        for index in package.rglob("*.nbi"):
            if index.stat().st_mtime < changed:
                index.unlink()


_forget_what_is_stale()
