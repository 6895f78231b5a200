"""Writing a file whole or not at all, and a directory by one process at a time."""

import os
import platform
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from models.errors import Failure, UsageError

LOCK = "chainrule.lock"


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


def claim(lock: FileLock) -> None:
    """Keep the directory of the file `lock` to this process, and clear up after a killed one.

    It is kept until `release`, or until the process ends, however it ends: a file that was left
    behind is no obstacle. Raises Failure if another process has it, or if it cannot be written to.
    """
    path = Path(lock.lock_file)
    if lock.is_locked:
        return
    try:
        lock.acquire(blocking=False)
        path.write_text(f"process {os.getpid()} on {platform.node()}")
        for unfinished in path.parent.glob("*.unfinished"):
            unfinished.unlink()
    except Timeout as error:
        holder = (path.exists() and path.read_text()) or "another process"
        raise Failure(f"{path.parent} is in use: {holder} trains it; wait, or end that") from error
    except OSError as error:
        raise Failure(f"cannot write to {path.parent}: {error.strerror or error}") from error


def release(lock: FileLock) -> None:
    if lock.is_locked:
        with suppress(OSError):
            Path(lock.lock_file).unlink()  # while it is held: no other can have taken it
        lock.release()


def refuse_unless_free(directory: Path, inside: Collection[str] = ()) -> None:
    """Raises UsageError if there is something in `directory`, so that nothing is overwritten.

    What a run killed before its config.json left is nothing; nor is what has a name of `inside`.
    """
    if not directory.exists():
        return
    names = {path.name for path in directory.iterdir()} if directory.is_dir() else {""}
    left = {name for name in names if re.fullmatch(r"config\.json\..*unfinished", name)}
    if names - left - {LOCK, *inside}:
        raise UsageError(f"{directory} exists: choose another --out, or go on with it by --resume")


def refuse_unless_file(path: Path) -> None:
    """Raises UsageError where no file can be: in a folder that is not there, or over a device."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is a device: name a file")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} to write {path.name} in")
