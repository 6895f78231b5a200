"""Images to learn from: where they come from, and what a model is shown of them.

A pixel is one of `levels` integers. A likelihood model needs data that its likelihood describes,
so what is shown is one of four, and every reported nat says which:

- fixed: each pixel is 0 or 1, the same each time;
- dynamic: each pixel is a Bernoulli draw with its grey value as probability, new each time;
- grey: the levels as they are, level / (levels - 1);
- dequantised: (level + u) / levels with uniform noise u ~ U[0, 1), for a density model.
"""

import dataclasses
import gzip
import hashlib
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from models.errors import Failure, UsageError

WITHOUT_FILES = ("digits", "ring")  # data sets that nobody has to fetch
BINARISATIONS = ("fixed", "dynamic", "none")  # as a setting: "none" is one of the last two


@dataclass(frozen=True, repr=False)
class Dataset:
    """Images as integers 0 .. levels - 1, uint8, (N, height, width); labels (N,), or None.

    Raises UsageError for arrays that are anything else.
    """

    name: str
    levels: int
    train: np.ndarray
    test: np.ndarray
    train_labels: np.ndarray | None = None
    test_labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()  # without them a class is called by its number

    def __post_init__(self) -> None:
        if not 2 <= self.levels <= 256:
            raise UsageError(f"{self.name}: levels={self.levels}: a pixel has 2 to 256 values")
        for part, images in (("train", self.train), ("test", self.test)):
            if images.dtype != np.uint8:
                raise UsageError(
                    f"{self.name}, {part}: pixels of {images.dtype}: they are whole levels, uint8; "
                    f"from floats in [0, 1]: np.rint(x * {self.levels - 1}).astype(np.uint8)"
                )
            if images.ndim != 3 or images.size == 0:
                raise UsageError(
                    f"{self.name}, {part}: images of shape {images.shape}: they are grey, "
                    "(N, height, width); from colour (N, height, width, 3): "
                    "np.rint(x.mean(axis=-1)).astype(np.uint8)"
                )
            if (most := images.max()) >= self.levels:
                raise UsageError(
                    f"{self.name}, {part}: a pixel is {most}, and {self.levels} levels "
                    f"are 0 to {self.levels - 1}: give as many levels as there are"
                )
        if self.train.shape[1:] != self.test.shape[1:]:
            raise UsageError(
                f"{self.name}: images of {self.train.shape[1:]} to train on "
                f"and of {self.test.shape[1:]} to test: they are of one size"
            )
        self._check_labels()
        if self.class_names and len(self.class_names) < self.classes:
            raise UsageError(
                f"{self.name}: {len(self.class_names)} class_names for {self.classes} classes"
            )

    def _check_labels(self) -> None:
        if (self.train_labels is None) != (self.test_labels is None):
            raise UsageError(f"{self.name}: labels are for both training and test images, or none")
        for part, images, labels in (
            ("train", self.train, self.train_labels),
            ("test", self.test, self.test_labels),
        ):
            if labels is None:
                continue
            if labels.shape != (len(images),):
                raise UsageError(
                    f"{self.name}, {part}: labels of shape {labels.shape} "
                    f"for {len(images):,} images: one of each, ({len(images)},)"
                )
            if labels.dtype.kind not in "iu" or labels.min() < 0:
                raise UsageError(
                    f"{self.name}, {part}: labels of {labels.dtype} from {labels.min()}: "
                    "they are whole numbers from 0"
                )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.name!r}: {len(self.train):,} to train on and "
            f"{len(self.test):,} to test, of shape {self.image_shape}, {self.levels} levels, "
            f"{self.classes} classes)"
        )

    @property
    def image_shape(self) -> tuple[int, ...]:
        return self.train.shape[1], self.train.shape[2]

    @property
    def classes(self) -> int:
        """How many labels there are; 0 where images have none."""
        if self.train_labels is None or self.test_labels is None:
            return 0
        return int(max(self.train_labels.max(), self.test_labels.max())) + 1

    def class_name(self, label: int) -> str:
        return self.class_names[label] if self.class_names else str(label)

    @property
    def checksum(self) -> str:
        """SHA-256 of the training and the test images."""
        return hashlib.sha256(self.train.tobytes() + self.test.tobytes()).hexdigest()

    def first(self, count: int) -> Self:
        """The first `count` images, of those to train on and of those to test."""
        labels = (self.train_labels, self.test_labels)
        train, test = (None if some is None else some[:count] for some in labels)
        return dataclasses.replace(
            self,
            train=self.train[:count],
            test=self.test[:count],
            train_labels=train,
            test_labels=test,
        )

    def observe(self, images: np.ndarray, how: str, rng: np.random.Generator) -> np.ndarray:
        """What a model is shown: (N, height, width) of levels to (N, pixels) float32 in [0, 1].

        `how` is one of the four that the module names.
        """
        flat = images.reshape(len(images), -1)
        if how == "grey":
            return flat.astype(np.float32) / (self.levels - 1)
        if how == "fixed":
            return (2 * flat.astype(np.float32) > self.levels - 1).astype(np.float32)
        noise = rng.random(flat.shape, dtype=np.float32)
        if how == "dynamic":
            return (noise * (self.levels - 1) < flat).astype(np.float32)
        return ((flat + noise) / self.levels).astype(np.float32)

    def describe(self, how: str) -> str:
        """`how`, in the words to print beside a number of nats."""
        return {
            "fixed": "fixed binarisation "
            + ("(Larochelle's)" if self.levels == 2 else "(pixel > 1/2)"),
            "dynamic": "dynamic binarisation",
            "grey": f"{self.levels} grey levels",
            "dequantised": f"{self.levels} grey levels, uniformly dequantised",
        }[how]


def load(name: str, data_dir: str | Path | None = None) -> Dataset:
    """The data set of that name; from files in `data_dir` (or $CHAINRULE_DATA), else a download.

    The files may lie in `data_dir` itself or in a folder of the data set's name. A download goes
    to the user's cache, once. Raises UsageError for an unknown name, Failure for a file that is
    missing, unreadable, truncated, or not what its checksum says. (No checksum is known for the
    files of Fashion-MNIST once they are unzipped: those are taken as they are.)
    """
    if name not in DATASETS:
        raise UsageError(f"unknown data set {name!r}: choose one of {', '.join(DATASETS)}")
    data_dir = data_dir or os.environ.get("CHAINRULE_DATA") or None
    return DATASETS[name](name, None if data_dir is None else Path(data_dir))


def _digits(name: str, data_dir: Path | None) -> Dataset:
    """1,797 digits of 8 x 8 pixels and 17 levels, shipped with scikit-learn (Alpaydin & Kaynak)."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8).astype(np.uint8)
    return Dataset(name, 17, images[:1500], images[1500:], labels[:1500], labels[1500:])


@dataclass(frozen=True)
class Source:
    """A file: its name, and the MD5 of its content, or else of the official gzipped file."""

    file: str
    content_md5: str | None
    gzip_md5: str | None = None


MNIST = {
    "train": Source(
        "train-images-idx3-ubyte",
        "6bbc9ace898e44ae57da46a324031adb",
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    ),
    "train_labels": Source(
        "train-labels-idx1-ubyte",
        "a25bea736e30d166cdddb491f175f624",
        "d53e105ee54ea40749a09fcbcd1e9432",
    ),
    "test": Source(
        "t10k-images-idx3-ubyte",
        "2646ac647ad5339dbf082846283269ea",
        "9fb629c4189551a2d022fa330f9573f3",
    ),
    "test_labels": Source(
        "t10k-labels-idx1-ubyte",
        "27ae3e4e09519cfbb04c329615203637",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
}
FASHION_MNIST = {
    "train": Source("train-images-idx3-ubyte", None, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
    "train_labels": Source("train-labels-idx1-ubyte", None, "25c81989df183df01b3e8a0aad5dffbe"),
    "test": Source("t10k-images-idx3-ubyte", None, "bef4ecab320f06d8554ea6380940ec79"),
    "test_labels": Source("t10k-labels-idx1-ubyte", None, "bb300cfdad3c16e7a12a480ee83cd310"),
}
BINARIZED_MNIST = {  # of the pixels packed eight to a byte, as np.packbits has them
    "train": Source("binarized_mnist_train.amat", "309a57a5f57edf7dfa1a0d2118daedf9"),
    "test": Source("binarized_mnist_test.amat", "50aa7f0ccbdaba86f6a8aeabd1fecfed"),
}
MIRRORS = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "fashion-mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "binarized-mnist": "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",
}


def _idx_dataset(sources: dict[str, Source]) -> Callable[[str, Path | None], Dataset]:
    """60,000 training and 10,000 test images of 28 x 28 pixels and 256 levels, with labels."""

    def read(name: str, data_dir: Path | None) -> Dataset:
        arrays: dict[str, Any] = {}
        for part, source in sources.items():
            path = _find(name, source.file, data_dir) or _download(
                name, f"{source.file}.gz", source.gzip_md5
            )
            arrays[part] = read_idx(path, source)
        return Dataset(name, 256, **arrays)

    return read


def read_idx(path: Path, source: Source) -> np.ndarray:
    """The array of bytes in an IDX file, gzipped or not (LeCun's format).

    Two zero bytes, 8 for unsigned bytes, the number of axes, each length as a big-endian 32-bit
    integer, and the elements. Raises Failure for anything else, and for a wrong checksum.
    """
    raw = _read(path)
    zipped = raw[:2] == b"\x1f\x8b"
    try:
        content = gzip.decompress(raw) if zipped else raw
    except (EOFError, OSError, zlib.error) as error:
        raise Failure(f"{path} is truncated or damaged ({error}); fetch it again") from error
    axes = content[3] if len(content) >= 4 and content[:3] == b"\0\0\x08" else 0
    if axes == 0:
        raise Failure(f"{path} is not an IDX file of unsigned bytes; fetch it again")
    start = 4 + 4 * axes
    shape = struct.unpack(f">{axes}I", content[4:start].ljust(4 * axes, b"\0"))
    if len(content) != start + math.prod(shape):
        raise Failure(
            f"{path} is truncated: {len(content):,} bytes, and its header {shape} needs "
            f"{start + math.prod(shape):,}; fetch it again"
        )
    if source.content_md5:
        _check_md5(path, content, source.content_md5)
    elif zipped and source.gzip_md5:
        _check_md5(path, raw, source.gzip_md5)
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


UNREADABLE = (ValueError, LookupError, OSError, EOFError, zlib.error, zipfile.BadZipFile)


def _binarized_mnist(name: str, data_dir: Path | None) -> Dataset:
    """Larochelle's fixed binarisation of MNIST: 50,000 and 10,000 images of 28 x 28 bits.

    From `binarized_mnist.npz` (bits packed by np.packbits), or his text files.
    """
    archive = _find(name, "binarized_mnist.npz", data_dir)
    parts: dict[str, Any] = {}
    for part, source in BINARIZED_MNIST.items():
        path = archive or _find(name, source.file, data_dir) or _download(name, source.file, None)
        try:
            if archive:
                with archive.open("rb") as file:
                    packed = np.load(file, allow_pickle=False)[part]
            else:
                packed = np.packbits(np.loadtxt(path, dtype=np.uint8), axis=1)
        except UNREADABLE as error:
            raise Failure(f"{path} cannot be read ({error}); fetch it again") from error
        _check_md5(path, packed.tobytes(), source.content_md5 or "")
        parts[part] = np.unpackbits(packed, axis=1).reshape(-1, 28, 28)
    return Dataset(name, 2, **parts)


def _find(name: str, file: str, data_dir: Path | None) -> Path | None:
    """`file`, gzipped or not, in `data_dir`; None if no folder was given, to download it."""
    if data_dir is None:
        return None
    folders = [data_dir, data_dir / name, data_dir / name.replace("-", "_")]
    candidates = [folder / f"{file}{end}" for folder in folders for end in ("", ".gz")]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None and not file.endswith(".npz"):
        raise Failure(
            f"no {file} (or {file}.gz) in {data_dir} or {data_dir / name}; "
            "name the folder that has it, or leave out --data-dir to download it"
        )
    return found


def _download(name: str, file: str, md5: str | None) -> Path:
    import pooch

    pooch.get_logger().setLevel("WARNING")  # the progress bar says enough
    try:
        return Path(
            pooch.retrieve(
                MIRRORS[name] + file,
                known_hash=f"md5:{md5}" if md5 else None,
                fname=file,
                path=pooch.os_cache("chainrule") / name,
                progressbar=True,
            )
        )
    except (OSError, ValueError) as error:  # no connection, a full disk, a wrong checksum
        reason = str(error).splitlines()[0]
        reason = reason if len(reason) < 100 else type(error).__name__
        raise Failure(
            f"could not fetch {MIRRORS[name]}{file} ({reason}); "
            "put the file in a folder and name that with --data-dir"
        ) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}") from error


def _check_md5(path: Path, content: bytes, expected: str) -> None:
    found = hashlib.md5(content).hexdigest()
    if found != expected:
        raise Failure(
            f"{path} has checksum {found}, not {expected}: it is damaged or another data set's; "
            "name another folder, or fetch the file again"
        )


def _ring(name: str, data_dir: Path | None) -> Dataset:
    from models.data.ring import ring  # which is written in terms of Dataset

    return ring()


DATASETS: dict[str, Callable[[str, Path | None], Dataset]] = {
    "digits": _digits,
    "mnist": _idx_dataset(MNIST),
    "fashion-mnist": _idx_dataset(FASHION_MNIST),
    "binarized-mnist": _binarized_mnist,
    "ring": _ring,
}
