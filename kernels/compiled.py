"""Compilation of the CPU kernels, and the machine code that is kept on disk."""

import os
import pickle
import sys
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core.caching import FunctionCache, NullCache
from numba.core.serialize import dumps

DIGEST = sha256().digest_size


def compiled(function: Callable, **options: Any) -> Callable:
    """By Numba, without the interpreter's lock, and kept on disk where a place can be written."""
    kernel = numba.njit(nogil=True, **options)(function)
    if numba.config.DISABLE_JIT:
        return kernel  # the function itself
    try:
        kernel._cache = _Cache(function)
    except RuntimeError:  # Numba's, for no such place
        kernel._cache = _Nowhere()
    return kernel


class _Cache(FunctionCache):
    """Numba's cache, which runs whatever it finds, but with files that are checked.

    There is one for each kernel, types of its arguments and processor. It begins with the SHA-256
    of the rest, then comes that of what the code was made by, then the code. What is stale is
    compiled anew without a word, what is damaged, or can't be read or written, with one.
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
            return _say(f"{error}: compiled anew")
        if owner not in (0, getattr(os, "getuid", int)()):
            return _say(f"{path} is another user's: compiled anew")
        if _digest(path, content[DIGEST:]) != content[:DIGEST]:
            return _say(f"{path} is damaged: compiled anew")
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
            with self._cache_file._open_for_write(path) as file:  # in one piece, or not at all
                file.write(_digest(path, content) + content)
        except OSError as error:
            _say(f"{error}: compiled for this time only")

    def _path(self, sig, codegen) -> Path:
        kind = sha256(repr((sig, codegen.magic_tuple())).encode()).hexdigest()
        return Path(self._cache_path) / f"{self._impl.filename_base}.{kind[:16]}.nbc"


class _Nowhere(NullCache):
    def save_overload(self, sig, data):
        _say("no folder for the cache can be written (NUMBA_CACHE_DIR names one): compiled anew")


def _digest(path: Path, content: bytes) -> bytes:
    return sha256(path.name.encode() + content).digest()


@cache
def _made_by() -> bytes:
    """Versions, and all files of the kernels, since they use functions of each other's."""
    package = Path(__file__).parent
    sources = [path.read_bytes() for path in sorted(package.rglob("*.py"))]
    return sha256(repr((sys.version, np.__version__, numba.__version__, sources)).encode()).digest()


@cache
def _say(what: str) -> None:
    if _say.cache_info().currsize == 0:  # once is enough
        print(f"chainrule: the kernels' cache: {what}", file=sys.stderr)
