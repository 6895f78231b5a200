"""Compilation of the CPU kernels, and the cache of their machine code on the disk."""

import os
import pickle
import sys
from collections.abc import Callable
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core.caching import FunctionCache, NullCache
from numba.core.serialize import dumps

from kernels import machine

PACKAGE = Path(__file__).parent.parent
DIGEST = sha256().digest_size


def njit_cached(function: Callable, **options: Any) -> Callable:
    """Numba's njit, without the interpreter's lock and with the cache."""
    kernel = numba.njit(nogil=True, **options)(function)
    if numba.config.DISABLE_JIT or machine.LEAVE_PROCESS:
        return kernel
    try:
        kernel._cache = _Cache(function)
    except RuntimeError:  # Numba's, where no folder can be written
        kernel._cache = _NoFolder()
    return kernel


njit_exact = partial(njit_cached, error_model="numpy")
"""Compiles a kernel whose bits are NumPy's: no product is fused with a sum."""


class _Cache(FunctionCache):
    """Numba's cache, with files that are checked: Numba's own runs any file it finds.

    There is a file for each kernel, types of its arguments and processor: the SHA-256 of the rest,
    then that of the sources and versions which made the code, then the code. A file of other
    sources or versions is replaced in silence. For one that is damaged, or cannot be read or
    written, there is a message, and the kernel is compiled.
    """

    def load_overload(self, sig, target_context):
        target_context.refresh()
        path = self._path(sig, target_context.codegen())
        try:
            content = path.read_bytes()
            owner = path.stat().st_uid
        except FileNotFoundError:
            return None
        except OSError as error:
            return _report(f"{error}: compiled again")
        if owner not in (0, getattr(os, "getuid", int)()):
            return _report(f"{path} is another user's: compiled again")
        if _digest(path, content[DIGEST:]) != content[:DIGEST]:
            return _report(f"{path} is damaged: compiled again")
        if content[DIGEST : 2 * DIGEST] != _made_by():
            return None
        return self._impl.rebuild(target_context, pickle.loads(content[2 * DIGEST :]))

    def save_overload(self, sig, data):
        if not self._impl.check_cachable(data):
            return
        path = self._path(sig, data.codegen)
        content = _made_by() + dumps(self._impl.reduce(data))
        try:
            self._impl.locator.ensure_cache_path()
            with self._cache_file._open_for_write(path) as file:  # all of it, or nothing
                file.write(_digest(path, content) + content)
        except OSError as error:
            _report(f"{error}: compiled for this process only")

    def _path(self, sig, codegen) -> Path:
        kind = sha256(repr((sig, codegen.magic_tuple())).encode()).hexdigest()
        return Path(self._cache_path) / f"{self._impl.filename_base}.{kind[:16]}.nbc"


class _NoFolder(NullCache):
    def save_overload(self, sig, data):
        _report(
            "no folder for the cache can be written: compiled for this process only "
            "(NUMBA_CACHE_DIR names one)"
        )


def cache_folder() -> Path | None:
    """Where the machine code of a function of this folder is kept; None if nowhere."""
    try:
        return Path(_Cache(njit_cached)._cache_path)
    except RuntimeError:
        return None


def _digest(path: Path, content: bytes) -> bytes:
    return sha256(path.name.encode() + content).digest()


@cache
def _made_by() -> bytes:
    """The SHA-256 of the versions and of all sources, since kernels use functions of each other."""
    sources = [path.read_bytes() for path in sorted(PACKAGE.rglob("*.py"))]
    return sha256(repr((sys.version, np.__version__, numba.__version__, sources)).encode()).digest()


@cache
def _report(message: str) -> None:
    if _report.cache_info().currsize == 0:  # the first message only
        print(f"chainrule: the kernels' cache: {message}", file=sys.stderr)
