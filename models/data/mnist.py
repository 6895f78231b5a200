"""MNIST, Fashion-MNIST and Larochelle's binary MNIST."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from models.data.dataset import Dataset
from models.data.sources import FILES, READ_ERRORS, Source, check_md5, download, find
from models.errors import Failure


def grey(name: str, folder: Path | None) -> Dataset:
    """60,000 training and 10,000 test images of 28 x 28 pixels and 256 levels, with labels."""
    arrays: dict[str, Any] = {}
    for part, source in FILES[name].items():
        path = find(name, source.file, folder) or download(
            name, f"{source.file}.gz", source.gzip_md5
        )
        arrays[part] = read_idx(path, source)
    return Dataset(name, 256, **arrays, ink=True)


def binary(name: str, folder: Path | None) -> Dataset:
    """Larochelle's fixed binarisation of MNIST: 50,000 and 10,000 images of 28 x 28 bits.

    From `binarized_mnist.npz` (bits packed by np.packbits), or from his text files.
    """
    archive = find(name, "binarized_mnist.npz", folder)
    arrays: dict[str, Any] = {}
    for part, source in FILES[name].items():
        path = archive or find(name, source.file, folder) or download(name, source.file, None)
        try:
            if archive:
                with archive.open("rb") as file:
                    packed = np.load(file, allow_pickle=False)[part]
            else:
                packed = np.packbits(np.loadtxt(path, dtype=np.uint8), axis=1)
        except READ_ERRORS as error:
            raise Failure(f"{path} cannot be read ({error}); download it again") from error
        check_md5(path, packed.tobytes(), source.content_md5)
        arrays[part] = np.unpackbits(packed, axis=1).reshape(-1, 28, 28)
    return Dataset(name, 2, **arrays, ink=True)


def read_idx(path: Path, source: Source) -> np.ndarray:
    """The array of bytes in an IDX file, gzipped or not (LeCun's format).

    Two zero bytes, 8 for unsigned bytes, the number of axes, each length as a big-endian 32-bit
    integer, and the elements. Raises Failure for anything else, and for a wrong checksum.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}") from error
    zipped = raw[:2] == b"\x1f\x8b"
    try:
        content = gzip.decompress(raw) if zipped else raw
    except (EOFError, OSError, zlib.error) as error:
        raise Failure(f"{path} is truncated or damaged ({error}); download it again") from error
    axes = content[3] if len(content) >= 4 and content[:3] == b"\0\0\x08" else 0
    if axes == 0:
        raise Failure(f"{path} is not an IDX file of unsigned bytes; download it again")
    start = 4 + 4 * axes
    shape = struct.unpack(f">{axes}I", content[4:start].ljust(4 * axes, b"\0"))
    if len(content) != start + math.prod(shape):
        raise Failure(
            f"{path} is truncated: {len(content):,} bytes, and its header {shape} needs "
            f"{start + math.prod(shape):,}; download it again"
        )
    if zipped and not source.content_md5:
        check_md5(path, raw, source.gzip_md5)
    check_md5(path, content, source.content_md5)
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
