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
from kernels.cpu.symbols import callees, define_again, kernels
from kernels.disk import CheckedCache, report_no_folder


def njit_cached(function: Callable, **options: Any) -> Any:
    """Numba's njit, without the interpreter's lock and with the cache."""
    kernel = numba.njit(nogil=True, no_cfunc_wrapper=True, **options)(function)
    if numba.config.DISABLE_JIT or machine.LEAVE_PROCESS:
        return kernel
    kernels[function.__module__, function.__qualname__] = kernel
    try:
        kernel._cache = _Cache(function)
    except RuntimeError:  # Numba's, where no folder can be written
        kernel._cache = _NoFolder()
    return kernel


njit_kernel = partial(njit_cached, no_cpython_wrapper=True)
"""Compiles what compiled code alone calls, a task or by a symbol: a call from Python would crash.

Code that reads Python's objects takes as long to compile as a small kernel.
"""

njit_exact = partial(njit_kernel, error_model="numpy")
"""Compiles a kernel whose bits are NumPy's: no product is fused with a sum."""


class _Cache(CheckedCache):
    def load_overload(self, sig, target_context):
        target_context.refresh()
        content = self.read(self._path(sig, target_context.codegen()))
        if not content:
            return None
        called, code = pickle.loads(content)
        for kernel in called:
            define_again(*kernel)
        return self._impl.rebuild(target_context, code)

    def save_overload(self, sig, data):
        if self._impl.check_cachable(data):
            content = list(callees(data.library)), self._impl.reduce(data)
            self.write(self._path(sig, data.codegen), dumps(content))

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
