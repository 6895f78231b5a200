"""Files that are written whole or not at all; arrays in files, as safetensors.

A safetensors file is no pickle: reading one runs no code.
"""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from models.errors import Failure, UsageError

WINDOWS = os.name == "nt"
REPLACED_AGAIN = (0.05, 0.1, 0.2, 0.4, 0.8)  # seconds


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The path of a temporary file or folder, which replaces `path` at the end of the block.

    If the operating system refuses (a full disk, a missing folder), `path` stays as it was and
    nothing else is left. Raises Failure then.
    """
    if not path.name:
        raise UsageError(f"{path} is a folder: name a file")
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        yield unfinished
        _put(unfinished, path)
    except OSError as error:
        kept = ", the file from before is kept" if path.exists() else ""
        reason = error.strerror or error
        raise Failure(
            f"could not write {path}: {reason}{kept}; make room, or name another file"
        ) from error
    finally:
        if unfinished.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
        with suppress(OSError):
            unfinished.unlink()


def _put(unfinished: Path, path: Path) -> None:
    """Replace `path`. Windows refuses while a program has it open: a reader is soon done."""
    for seconds in REPLACED_AGAIN if WINDOWS else ():
        with suppress(PermissionError):
            unfinished.replace(path)
            return
        time.sleep(seconds)
    unfinished.replace(path)


def refuse_unless_file(path: Path) -> None:
    """Raises UsageError if no file can be written there: no such folder, or a folder or device."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is a device: name a file")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} to write {path.name} in")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, whole or not at all. Raises Failure if that is not possible."""
    contiguous = {name: np.array(array, order="C") for name, array in arrays.items()}
    with replacing(path) as unfinished:
        unfinished.write_bytes(save(contiguous, dict(metadata)))


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata. Raises Failure for a file that is missing or damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return arrays, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise Failure(f"cannot read the checkpoint {path} ({error})") from error


def refuse_existing(path: Path) -> None:
    """Raise UsageError if there is something at `path`."""
    if path.exists():
        raise UsageError(f"{path} exists: remove it, or name another file")
