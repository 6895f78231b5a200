"""MNIST, Fashion-MNIST and Larochelle's binary MNIST, from files that are checked.

The files are looked for in a folder, or else downloaded to the user's cache, once.
"""

import gzip
import hashlib
import math
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.data.dataset import Dataset
from models.errors import Failure


@dataclass(frozen=True)
class Source:
    """A file: its name, and the MD5 of its content, or else of the official gzipped file."""

    file: str
    content_md5: str | None
    gzip_md5: str | None = None


FILES = {
    "mnist": {
        "train": Source("train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb",
                        "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        "train_labels": Source("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624",
                               "d53e105ee54ea40749a09fcbcd1e9432"),
        "test": Source("t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea",
                       "9fb629c4189551a2d022fa330f9573f3"),
        "test_labels": Source("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637",
                              "ec29112dd5afa0611ce80d1b7f02629c"),
    },
    "fashion-mnist": {  # only the checksums of the gzipped files are published
        "train": Source("train-images-idx3-ubyte", None, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        "train_labels": Source("train-labels-idx1-ubyte", None, "25c81989df183df01b3e8a0aad5dffbe"),
        "test": Source("t10k-images-idx3-ubyte", None, "bef4ecab320f06d8554ea6380940ec79"),
        "test_labels": Source("t10k-labels-idx1-ubyte", None, "bb300cfdad3c16e7a12a480ee83cd310"),
    },
    "binarized-mnist": {  # the checksums are of the pixels, packed by np.packbits
        "train": Source("binarized_mnist_train.amat", "309a57a5f57edf7dfa1a0d2118daedf9"),
        "test": Source("binarized_mnist_test.amat", "50aa7f0ccbdaba86f6a8aeabd1fecfed"),
    },
}  # fmt: skip
MIRRORS = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "fashion-mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "binarized-mnist": "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",
}
READ_ERRORS = (ValueError, LookupError, OSError, EOFError, zlib.error, zipfile.BadZipFile)


def grey(name: str, folder: Path | None) -> Dataset:
    """60,000 training and 10,000 test images of 28 x 28 pixels and 256 levels, with labels."""
    arrays: dict[str, Any] = {}
    for part, source in FILES[name].items():
        path = _find(name, source.file, folder) or _download(
            name, f"{source.file}.gz", source.gzip_md5
        )
        arrays[part] = read_idx(path, source)
    return Dataset(name, 256, **arrays, ink=True)


def binary(name: str, folder: Path | None) -> Dataset:
    """Larochelle's fixed binarisation of MNIST: 50,000 and 10,000 images of 28 x 28 bits.

    From `binarized_mnist.npz` (bits packed by np.packbits), or from his text files.
    """
    archive = _find(name, "binarized_mnist.npz", folder)
    arrays: dict[str, Any] = {}
    for part, source in FILES[name].items():
        path = archive or _find(name, source.file, folder) or _download(name, source.file, None)
        try:
            if archive:
                with archive.open("rb") as file:
                    packed = np.load(file, allow_pickle=False)[part]
            else:
                packed = np.packbits(np.loadtxt(path, dtype=np.uint8), axis=1)
        except READ_ERRORS as error:
            raise Failure(f"{path} cannot be read ({error}); download it again") from error
        _check_md5(path, packed.tobytes(), source.content_md5)
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
        _check_md5(path, raw, source.gzip_md5)
    _check_md5(path, content, source.content_md5)
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _find(name: str, file: str, folder: Path | None) -> Path | None:
    """`file`, gzipped or not, in `folder`; None if no folder is given, or if an .npz is absent."""
    if folder is None:
        return None
    folders = [folder, folder / name, folder / name.replace("-", "_")]
    candidates = [place / f"{file}{end}" for place in folders for end in ("", ".gz")]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None and not file.endswith(".npz"):
        raise Failure(
            f"no {file} (or {file}.gz) in {folder} or {folder / name}; "
            "name the folder that has it, or leave out --data-dir to download it"
        )
    return found


def _download(name: str, file: str, md5: str | None) -> Path:
    import pooch

    pooch.get_logger().setLevel("WARNING")  # there is a progress bar
    try:
        path = pooch.retrieve(
            MIRRORS[name] + file,
            known_hash=f"md5:{md5}" if md5 else None,
            fname=file,
            path=pooch.os_cache("chainrule") / name,
            progressbar=True,
        )
        return Path(path)
    except (OSError, ValueError) as error:  # no connection, a full disk, a wrong checksum
        line = str(error).splitlines()[0]
        reason = line if len(line) < 100 else type(error).__name__
        raise Failure(
            f"could not download {MIRRORS[name]}{file} ({reason}); "
            "put the file in a folder, and name the folder with --data-dir"
        ) from error


def _check_md5(path: Path, content: bytes, expected: str | None) -> None:
    if expected and expected != (found := hashlib.md5(content).hexdigest()):
        raise Failure(
            f"{path} has checksum {found}, not {expected}: it is damaged or another data set's; "
            "name another folder, or download the file again"
        )
