"""Compilation of the CPU kernels, whose machine code is kept on the disk."""

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import NullCache
from numba.core.serialize import dumps

from kernels import machine
from kernels.disk import CheckedCache, report_no_folder


def njit_cached(function: Callable, prepare: Callable | None = None, **options: Any) -> Callable:
    """Numba's njit, without the interpreter's lock and with the cache.

    `prepare` is called with the types of the arguments before code for them is read from the cache.
    """
    kernel = numba.njit(nogil=True, **options)(function)
    if numba.config.DISABLE_JIT or machine.LEAVE_PROCESS:
        return kernel
    try:
        kernel._cache = _Cache(function, prepare)
    except RuntimeError:  # Numba's, where no folder can be written
        kernel._cache = _NoFolder()
    return kernel


njit_exact = partial(njit_cached, error_model="numpy")
"""Compiles a kernel whose bits are NumPy's: no product is fused with a sum."""


class _Cache(CheckedCache):
    def __init__(self, function, prepare=None):
        super().__init__(function)
        self._prepare = prepare

    def load_overload(self, sig, target_context):
        target_context.refresh()
        if self._prepare:
            self._prepare(sig)
        code = self.read(self._path(sig, target_context.codegen()))
        return code and self._impl.rebuild(target_context, pickle.loads(code))

    def save_overload(self, sig, data):
        if self._impl.check_cachable(data):
            self.write(self._path(sig, data.codegen), dumps(self._impl.reduce(data)))

    def _path(self, sig, codegen) -> Path:
        return self.path((sig, codegen.magic_tuple()), "nbc")


class _NoFolder(NullCache):
    def save_overload(self, sig, data):
        report_no_folder()


def cache_folder() -> Path | None:
    """Where the machine code of a function of this folder is kept; None if nowhere."""
    try:
        return Path(_Cache(njit_cached)._cache_path)
    except RuntimeError:
        return None
