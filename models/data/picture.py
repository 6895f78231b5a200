"""One file of a picture, as it is meant to be seen: whatever Pillow reads, grey or RGB of 8 bits.

Turned as its EXIF data say; over white where it is transparent; the first frame if it moves; the
upper eight of sixteen bits.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from models.errors import Failure, printable

Image.init()
NEED_OTHER_PROGRAMS = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
FORMATS = [name for name in Image.ID if name not in NEED_OTHER_PROGRAMS]
SUFFIXES = {end for end, name in Image.registered_extensions().items() if name in FORMATS}
MOST_PIXELS = 89_478_485  # Pillow's own limit, beyond which it only warns
GREY = ("1", "L", "LA", "La")
DEEP = {"I": 65535, "I;16": 65535, "I;16L": 65535, "I;16B": 65535, "F": 1.0}  # the mode's white


class Unreadable(Failure):
    """A file, or an image of an array, that cannot be read: it may be skipped."""


def picture(path: Path) -> Image.Image:
    """Of mode L or RGB. Raises Unreadable, which names the file."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"{image.width:,} x {image.height:,} pixels are too many")
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return _plain(image)
    except MemoryError:
        raise
    except Exception as error:  # decoders meet damaged files with errors of every kind
        reason = getattr(error, "strerror", None) or error
        if isinstance(error, UnidentifiedImageError):
            reason = "it is no image"
        raise Unreadable(f"{printable(path)} cannot be read ({printable(reason)})") from error


def _plain(image: Image.Image) -> Image.Image:
    if image.mode in DEEP:
        return of_8_bits(np.asarray(image, np.float64) / DEEP[image.mode])
    mode = "L" if image.mode in GREY else "RGB"
    if image.has_transparency_data:
        behind = Image.new("RGBA", image.size, "white")
        behind.alpha_composite(image.convert("RGBA"))
        image = behind
    return in_mode(image, mode)


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    """In mode L or RGB; without a copy, if it is already."""
    return image if image.mode == mode else image.convert(mode)


def of_8_bits(values: np.ndarray) -> Image.Image:
    """An image of floats in [0, 1]. Raises ValueError for other values."""
    least, most = values.min(), values.max()
    if not 0 <= least <= most <= 1:  # nor NaN
        raise ValueError(f"pixels from {least:g} to {most:g}: they must be in [0, 1]")
    return Image.fromarray(np.rint(values * 255).astype(np.uint8))


def fitted(image: Image.Image, size: tuple[int, int], fit: str) -> Image.Image:
    """Scaled to (height, width), and cropped at the centre or padded with white."""
    if image.size == size[::-1]:
        return image
    if fit == "crop":
        return ImageOps.fit(image, size[::-1])
    return ImageOps.pad(image, size[::-1], color="white")
