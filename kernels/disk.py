"""The cache of machine code on the disk, for both devices: in files that are checked.

Numba's own cache runs any file it finds. Here there is a file for each kernel, types of its
arguments and processor: the SHA-256 of the rest, then that of the sources and versions which made
the code, then the code. A file of other sources or versions is replaced in silence. For one that is
damaged, or cannot be read or written, there is a message, and the kernel is compiled.
"""

import os
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path

import numba
import numpy as np
from numba.core.caching import FunctionCache

PACKAGE = Path(__file__).parent
DIGEST = sha256().digest_size


class CheckedCache(FunctionCache):
    """The files of a function. RuntimeError, which is Numba's, where no folder can be written."""

    def path(self, kind: object, ending: str) -> Path:
        """`kind` is all that the code depends on besides sources and versions, and has a repr."""
        digest = sha256(repr(kind).encode()).hexdigest()
        return Path(self._cache_path) / f"{self._impl.filename_base}.{digest[:16]}.{ending}"

    def read(self, path: Path) -> bytes | None:
        try:
            content = path.read_bytes()
            owner = path.stat().st_uid
        except FileNotFoundError:
            return None
        except OSError as error:
            return report(f"{error}: compiled again")
        if owner not in (0, getattr(os, "getuid", int)()):
            return report(f"{path} is another user's: compiled again")
        if _digest(path, content[DIGEST:]) != content[:DIGEST]:
            return report(f"{path} is damaged: compiled again")
        return content[2 * DIGEST :] if content[DIGEST : 2 * DIGEST] == _made_by() else None

    def write(self, path: Path, code: bytes) -> None:
        content = _made_by() + code
        try:
            self._impl.locator.ensure_cache_path()
            with self._cache_file._open_for_write(path) as file:  # all of it, or nothing
                file.write(_digest(path, content) + content)
        except OSError as error:
            report(f"{error}: compiled for this process only")


def report_no_folder() -> None:
    report(
        "no folder for the cache can be written: compiled for this process only "
        "(NUMBA_CACHE_DIR names one)"
    )


def _digest(path: Path, content: bytes) -> bytes:
    return sha256(path.name.encode() + content).digest()


@cache
def _made_by() -> bytes:
    """The SHA-256 of the versions and of all sources, since kernels use functions of each other."""
    sources = [path.read_bytes() for path in sorted(PACKAGE.rglob("*.py"))]
    return sha256(repr((sys.version, np.__version__, numba.__version__, sources)).encode()).digest()


@cache
def report(message: str) -> None:
    if report.cache_info().currsize == 0:  # the first message only
        print(f"chainrule: the kernels' cache: {message}", file=sys.stderr)
