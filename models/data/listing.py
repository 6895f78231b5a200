"""The files of a folder that are images by their names, and how to tell that one has changed.

Names that begin with a dot, and those of JUNK, are passed over. Links are followed, also out of the
folder. What has another name is not read, and a warning says so.
"""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from models.data.picture import SUFFIXES
from models.errors import Caution, Failure, UsageError, printable

JUNK = ("thumbs.db", "desktop.ini", "__macosx")
ARRAYS = (".npz", ".npy")


class File(NamedTuple):
    path: str  # in the folder, with / between its parts
    size: int
    modified: int  # nanoseconds


def listing(path: Path) -> list[File]:
    """The images in a folder, in the order of their paths; or `path` alone, if it is a file.

    Raises UsageError if there is nothing to read, Failure if the operating system refuses.
    """
    try:
        if path.is_dir():
            files = list(_images(path))
        elif path.is_file():
            files = [File(path.name, path.stat().st_size, path.stat().st_mtime_ns)]
        else:
            raise UsageError(
                f"there is no {printable(path)}: name a folder of images, a .npz or a .npy"
            )
    except OSError as error:
        where = printable(error.filename or path)
        raise Failure(f"cannot read {where}: {error.strerror}") from error
    if not files:
        raise UsageError(f"{printable(path)} has no images: name a folder of PNG or JPEG files")
    return files


def _images(root: Path) -> Iterator[File]:
    others: list[str] = []
    found = sorted(_below(str(root), "", {_identity(str(root))}, others))
    yield from found
    if found and others:
        warnings.warn(
            f"not read, since they are not named as images: {len(others):,} of the files in "
            f"{printable(root)}: {printable(', '.join(others[:3]))}{', ...' * (len(others) > 3)}",
            Caution,
            stacklevel=2,
        )


def _below(
    folder: str, inside: str, above: set[tuple[int, int]], others: list[str]
) -> Iterator[File]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in JUNK:
                continue
            path = inside + entry.name
            if entry.is_dir():
                if (identity := _identity(entry.path)) in above:
                    raise UsageError(
                        f"{printable(entry.path)} is a link to a folder that it is in: remove it"
                    )
                yield from _below(entry.path, f"{path}/", above | {identity}, others)
            elif os.path.splitext(path)[1].lower() not in SUFFIXES:
                others.append(path)
            elif entry.is_file():
                found = entry.stat()
                yield File(path, found.st_size, found.st_mtime_ns)
            elif entry.is_symlink():  # to nothing: an image that cannot be read
                yield File(path, -1, -1)
            else:  # a pipe or a device
                others.append(path)


def _identity(folder: str) -> tuple[int, int]:
    found = os.stat(folder)
    return found.st_dev, found.st_ino
