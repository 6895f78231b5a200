"""Writing a file whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from models.errors import Failure, UsageError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write to, which becomes `path` at the end; until then `path` is as it was.

    Raises Failure for what the operating system refuses (a full disk, a folder that is not there)
    and leaves nothing half-written.
    """
    if not path.name:
        raise UsageError(f"{path} is a folder: name a file")
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        kept = ", what was there before is kept" if path.exists() else ""
        reason = error.strerror or error
        raise Failure(
            f"could not write {path}: {reason}{kept}; make room or name another"
        ) from error
    finally:
        with suppress(OSError):
            unfinished.unlink()


def refuse_unless_file(path: Path) -> None:
    """Raises UsageError where no file can be: in a folder that is not there, or over a device."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is a device: name a file")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} to write {path.name} in")
