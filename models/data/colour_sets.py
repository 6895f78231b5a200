"""CIFAR-10 and SVHN: images in colour, of 32 x 32 pixels and 256 levels, in ten classes."""

import tarfile
from pathlib import Path

import numpy as np

from models.data.dataset import Dataset
from models.data.sources import FILES, READ_ERRORS, Source, check_md5, download, find
from models.errors import Failure

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
CIFAR10_FILES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")


def cifar10(folder: Path | None) -> Dataset:
    """50,000 training and 10,000 test images of objects (Krizhevsky 2009).

    A file has a byte for the label and 3,072 for the planes R, G and B, image after image.
    """
    path = _file("cifar10", FILES["cifar10"]["archive"], folder)
    try:
        with tarfile.open(path) as archive:
            members = [archive.extractfile(f"cifar-10-batches-bin/{n}") for n in CIFAR10_FILES]
            parts = [
                np.frombuffer(member.read(), np.uint8).reshape(-1, 1 + 3 * 32 * 32)
                for member in members
                if member
            ]
    except READ_ERRORS as error:
        raise Failure(f"{path} cannot be read ({error}); download it again") from error
    train, test = np.concatenate(parts[:-1]), parts[-1]
    train_images, test_images = (
        np.ascontiguousarray(part[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        for part in (train, test)
    )
    labels = train[:, 0], test[:, 0]
    return Dataset("cifar10", 256, train_images, test_images, *labels, CIFAR10_CLASSES)


def svhn(folder: Path | None) -> Dataset:
    """73,257 training and 26,032 test images of house numbers (Netzer et al. 2011).

    The class is the digit in the middle; a 0 has the label 10 in the files.
    """
    from scipy.io import loadmat

    images, labels = [], []
    for part in ("train", "test"):
        path = _file("svhn", FILES["svhn"][part], folder)
        try:
            content = loadmat(path)
            images.append(np.ascontiguousarray(content["X"].transpose(3, 0, 1, 2)))
            labels.append(content["y"].ravel() % 10)
        except (*READ_ERRORS, NotImplementedError) as error:
            raise Failure(f"{path} cannot be read ({error}); download it again") from error
    return Dataset("svhn", 256, images[0], images[1], labels[0], labels[1])


def _file(name: str, source: Source, folder: Path | None) -> Path:
    """The path of the file, whose checksum is right."""
    found = find(name, source.file, folder)
    if found is None:
        return download(name, source.file, source.content_md5)
    check_md5(found, found.read_bytes(), source.content_md5)
    return found
