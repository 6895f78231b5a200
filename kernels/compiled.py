"""Compilation of the CPU kernels."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from numba import njit


def compiled(function: Callable, **options: Any) -> Callable:
    """By Numba, without the interpreter's lock, and kept on disk where a place can be written."""
    try:
        return njit(nogil=True, cache=True, **options)(function)
    except RuntimeError:  # Numba's, for no such place
        return njit(nogil=True, **options)(function)


def _forget_what_is_stale() -> None:
    """Numba looks for changes in a kernel's own file, but kernels use functions of other files."""
    package = Path(__file__).parent
    changed = max(source.stat().st_mtime for source in package.rglob("*.py"))
    with suppress(OSError):  # of another process that does the same, or of a read-only place
        for index in package.rglob("*.nbi"):
            if index.stat().st_mtime < changed:
                index.unlink()


_forget_what_is_stale()
