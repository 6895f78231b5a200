"""Images that were decoded once: kept in the user's cache, beside what else is known of them.

images/KEY/images.npy    the images, read through a memory map
images/KEY/about.json    their checksum, labels and so on
"""

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

About = dict[str, Any]


def stored(place: str, state: str, make: Callable[[BinaryIO], About]) -> tuple[np.ndarray, About]:
    """The images and what is known of them, from the cache; else `make` writes them, as an .npy.

    `place` says what was read, `state` in which state it was: another state is removed. The cache
    is filled whole or not at all, also by several processes at once. Where it cannot be, such as on
    a full disk, the images are in memory.
    """
    import pooch

    cache = Path(pooch.os_cache("chainrule")) / "images"
    folder = cache / f"{place}-{state}"
    try:
        return _read(folder)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, EOFError, LookupError, TypeError):  # damaged, or changed
        shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, ignore_cleanup_errors=True) as name:
            unfinished = Path(name)
            with (unfinished / "images.npy").open("wb") as file:
                about = make(file)
                file.flush()
                os.fsync(file.fileno())
            content = {"about": about, "digest": _digest(about, unfinished / "images.npy")}
            (unfinished / "about.json").write_text(json.dumps(content), "utf-8")
            with suppress(OSError):  # if another process was faster
                unfinished.rename(folder)
        for other in cache.glob(f"{place}-*"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
        return _read(folder)
    memory = io.BytesIO()
    about = make(memory)
    memory.seek(0)
    return npy.read_array(memory), about


def _read(folder: Path) -> tuple[np.ndarray, About]:
    content = json.loads((folder / "about.json").read_text("utf-8"))
    if content["digest"] != _digest(content["about"], folder / "images.npy"):
        raise ValueError("the cache has changed since it was filled")
    return np.asarray(np.load(folder / "images.npy", mmap_mode="r")), content["about"]


def _digest(about: About, images: Path) -> str:
    """Of what is known of the images, and of the size and the time of change of their file."""
    found = images.stat()
    known = json.dumps([about, found.st_size, found.st_mtime_ns], sort_keys=True)
    return hashlib.sha256(known.encode()).hexdigest()


def write(file: BinaryIO, images: Iterator[np.ndarray]) -> tuple[int, ...]:
    """Write uint8 images of one shape as an .npy, one by one; returns the shape of all.

    None is written, and () returned, if there are none.
    """
    count, shape = 0, ()
    for image in images:
        if count == 0:
            _write_header(file, (0, *image.shape))
        file.write(image.tobytes())
        count, shape = count + 1, image.shape
    if count:
        file.seek(0)
        _write_header(file, (count, *shape))  # NumPy leaves room in it for any number
    return (count, *shape) if count else ()


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
