"""Images as files: a folder of PNGs, which `--data` reads again; an array; a mask."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models.data import Shape
from models.errors import Failure, UsageError
from models.files import replacing

SUFFIXES = (".png", ".bmp", ".gif", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")  # of a mask


def as_bytes(images: np.ndarray) -> np.ndarray:
    """Images in [0, 1] as uint8, 0 to 255: 0 is black, whatever a picture shows as paper."""
    return np.rint(255 * np.clip(images, 0, 1)).astype(np.uint8)


def png(image: np.ndarray) -> bytes:
    """An image uint8, (height, width) or (height, width, 3), as the bytes of a PNG."""
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


def write_folder(path: Path, images: np.ndarray, names: Sequence[str]) -> None:
    """A new folder of images uint8 under their names, `NAME.png` or `CLASS/NAME.png`.

    It is written whole or not at all. Raises Failure if that is not possible.
    """
    with replacing(path) as unfinished:
        for name, image in zip(names, images):
            file = unfinished / f"{name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(png(image))


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """A file .npz, whole or not at all: `np.load(path)["images"]`."""
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    with replacing(path) as unfinished:
        unfinished.write_bytes(content.getvalue())


def read_arrays(path: Path, needed: str) -> dict[str, np.ndarray]:
    """The arrays of a file .npz, of which one is `needed`.

    Raises UsageError if it is not there, Failure for a file that is missing or no .npz.
    """
    try:
        arrays = {}
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.ndarray):  # which a .npy is
            with loaded:
                arrays = dict(loaded)
    except FileNotFoundError as error:
        raise Failure(f"there is no {path}") from error
    except MemoryError:
        raise
    except Exception as error:  # damaged archives meet errors of every kind
        raise Failure(f"cannot read {path}: it is no .npz file of arrays") from error
    if needed not in arrays:
        raise UsageError(f"{path} has no array {needed!r}, but {', '.join(arrays) or 'nothing'}")
    return arrays


def read_mask(path: Path, shape: Shape) -> np.ndarray:
    """A picture as a mask (height, width): True where it is white, so where a pixel is missing.

    Raises UsageError for another size, Failure for a file that is no picture.
    """
    try:
        with Image.open(path) as file:
            grey = np.asarray(file.convert("L"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise Failure(f"cannot read {path}: it is no picture") from error
    if grey.shape != shape[:2]:
        (height, width), (rows, columns) = shape[:2], grey.shape
        raise UsageError(
            f"{path} is {columns} x {rows} pixels, the images {width} x {height}: "
            "a mask has the size of the images"
        )
    return grey > 127
