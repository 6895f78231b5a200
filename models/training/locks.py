"""A run's directory, which one process at a time trains in."""

import os
import platform
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from models.errors import Failure, UsageError

LOCK = "chainrule.lock"


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
        with suppress(PermissionError):  # Windows: what is locked is not written to
            path.write_text(f"process {os.getpid()} on {platform.node()}", "utf-8")
        for unfinished in path.parent.glob("*.unfinished"):
            unfinished.unlink()
    except Timeout as error:
        holder = ""
        with suppress(OSError):  # it is released by now; or Windows: what is locked is not read
            holder = path.read_text("utf-8")
        holder = holder or "another process"
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
