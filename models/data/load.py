"""The data sets, by name."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.data import mnist
from models.data.colour_sets import cifar10, svhn
from models.data.dataset import Dataset
from models.data.own import own
from models.data.patches import patches
from models.data.reading import AS_IT_IS, Reading
from models.data.ring import ring
from models.errors import UsageError
from models.progress import bar


def load(name: str, data_dir: str | Path | None = None, reading: Reading = AS_IT_IS) -> Dataset:
    """The data set of that name, or a person's own images in the folder or file of that path.

    Own images are read as `reading` says (models.data.own). Those that have a name are in files in
    `data_dir` (or $CHAINRULE_DATA), or in a folder of that name inside it, else a download to the
    user's cache, once. Raises UsageError for an unknown name, Failure for a file that is missing,
    unreadable or truncated, or that has a wrong checksum. (No checksum is published for the
    unzipped files of Fashion-MNIST, so those are not checked.)
    """
    if (name := resolved(name)) not in DATASETS:
        return own(name, reading)
    data_dir = data_dir or os.environ.get("CHAINRULE_DATA") or None
    with bar(f"reading {name}"):
        return DATASETS[name](None if data_dir is None else Path(data_dir))


def resolved(data: str | Path) -> str:
    """The name of a data set as it is, a path absolute. Raises UsageError for an unknown name."""
    if data in DATASETS:
        return str(data)
    path = Path(data).expanduser()
    if not str(data) or (path.name == str(data) and not path.exists()):
        raise UsageError(
            f"unknown data set {str(data)!r}: choose one of {', '.join(DATASETS)}, or name a "
            "folder of images, a .npz or a .npy"
        )
    return str(path.resolve())


def digits() -> Dataset:
    """1,797 digits of 8 x 8 pixels and 17 levels, shipped with scikit-learn (Alpaydin & Kaynak)."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8).astype(np.uint8)
    parts = images[:1500], images[1500:], labels[:1500], labels[1500:]
    return Dataset("digits", 17, *parts, ink=True)


DATASETS: dict[str, Callable[[Path | None], Dataset]] = {
    "digits": lambda folder: digits(),
    "mnist": lambda folder: mnist.grey("mnist", folder),
    "fashion-mnist": lambda folder: mnist.grey("fashion-mnist", folder),
    "binarized-mnist": lambda folder: mnist.binary("binarized-mnist", folder),
    "cifar10": cifar10,
    "svhn": svhn,
    "patches": lambda folder: patches(),
    "ring": lambda folder: ring(),
}
"""Functions of the folder with the data set's files, which may be None."""

PICTURES = ("cifar10", "svhn", "patches")
"""The data sets that have the settings of a person's own pictures."""
