"""Collection: pictures as a person has them, each of its own size; from a folder, or from arrays.

photos/*.png                          images without classes
photos/cat/*.png  photos/dog/*.png    two classes
photos/train/...  photos/test/...     with a test set, and classes in it or none
photos.npz                            arrays: NAMES says which
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from models.data.dataset import Labels
from models.data.listing import ARRAYS, File
from models.data.picture import Unreadable, of_8_bits, picture
from models.errors import Caution, Failure, UsageError, printable

PARTS, VALIDATION = {"train", "test"}, {"val", "valid", "validation"}
NAMES = {
    "train": ("train", "images", "x_train", "train_images"),
    "test": ("test", "x_test", "test_images"),
    "train_labels": ("train_labels", "labels", "y_train"),
    "test_labels": ("test_labels", "y_test"),
}
"""The arrays of an .npz: what each is, and what it may be called."""


@dataclass(frozen=True)
class Collection:
    """`picture(i)` is the i-th, grey or RGB; it raises Unreadable. `tests` (N,) is True for those
    of the test set; None if there is none.
    """

    names: Sequence[str]
    picture: Callable[[int], Image.Image]
    labels: Labels = None
    class_names: tuple[str, ...] = ()
    tests: np.ndarray | None = None


def collect(path: Path, files: list[File]) -> Collection:
    """The pictures in `path`, of which `files` is the listing."""
    if path.suffix.lower() in ARRAYS and path.is_file():
        return _of_arrays(path)
    if path.is_file():
        return Collection([path.name], lambda i: picture(path))
    return _of_folder(path, files)


def _of_folder(root: Path, files: list[File]) -> Collection:
    paths = [file.path.split("/") for file in files]
    folders = {path[0] for path in paths if len(path) > 1}
    tests = None
    if folders >= PARTS:
        kept = [path[0] in PARTS and len(path) > 1 for path in paths]
        if others := [file.path for file, keep in zip(files, kept) if not keep]:
            warnings.warn(
                f"{len(others):,} images beside train/ and test/ in {printable(root)} are not read,"
                f" such as {printable(others[0])}",
                Caution,
                stacklevel=2,
            )
        files = [file for file, keep in zip(files, kept) if keep]
        paths = [path[1:] for path, keep in zip(paths, kept) if keep]
        tests = np.array([file.path.startswith("test/") for file in files])
    elif "train" in folders and folders <= {"train"} | VALIDATION:
        raise UsageError(
            f"{printable(root)} has a folder train and no folder test: call the other one test, or "
            f"name {printable(root / 'train')}"
        )
    classes = [path[0] for path in paths if len(path) > 1]
    if classes and len(classes) < len(paths):
        beside = next(path[0] for path in paths if len(path) == 1)
        raise UsageError(
            f"{printable(root)} has images in folders, which are classes, and {printable(beside)} "
            "beside them: move it into the folder of its class"
        )
    index = {name: label for label, name in enumerate(sorted(set(classes)))}
    names = [file.path for file in files]
    return Collection(
        names,
        lambda i: picture(root / names[i]),
        np.array([index[name] for name in classes]) if classes else None,
        tuple(printable(name) for name in index),
        tests,
    )


def _of_arrays(path: Path) -> Collection:
    try:
        if path.suffix.lower() == ".npy":
            arrays = {"train": np.load(path, mmap_mode="r", allow_pickle=False)}
        else:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                arrays = _by_role(path, archive)
        if wrong := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
            raise ValueError(f"{wrong[0]} is no array")
    except (UsageError, MemoryError):
        raise
    except Exception as error:  # damaged archives meet errors of every kind
        objects = any(word in str(error) for word in ("Object arrays", "Python objects", "pickled"))
        reason = "it holds no numbers, but Python objects or text" if objects else printable(error)
        raise Failure(f"{printable(path)} cannot be read ({reason}); save it again") from error
    parts = [arrays[part] for part in ("train", "test") if part in arrays]
    for images in parts:
        _check(path, images)
    labels = [arrays[f"{part}_labels"] for part in ("train", "test") if f"{part}_labels" in arrays]
    if labels and len(labels) < len(parts):
        raise UsageError(f"{printable(path)} has labels for a part of the images only: add those")
    labels = [one[:, 0] if one.ndim == 2 and one.shape[1] == 1 else one for one in labels]
    for images, of_them in zip(parts, labels):
        if of_them.shape != images.shape[:1] or of_them.dtype.kind not in "iu":
            raise UsageError(
                f"{printable(path)}: labels of {of_them.dtype}, {of_them.shape}, for "
                f"{len(images):,} images: they must be integers, one for each image"
            )
    first = len(parts[0])
    whole = sum(map(len, parts))

    def one(i: int) -> Image.Image:
        images, place = (parts[0], i) if i < first else (parts[1], i - first)
        try:
            return _as_picture(images[place])
        except ValueError as error:
            raise Unreadable(f"{printable(path)}, image {i:,}: {error}") from error

    return Collection(
        [str(i) for i in range(whole)],
        one,
        np.concatenate(labels).astype(np.int64) if labels else None,
        tuple(printable(name) for name in np.atleast_1d(arrays.get("class_names", []))),
        np.arange(whole) >= first if len(parts) == 2 else None,
    )


def _by_role(path: Path, archive: np.lib.npyio.NpzFile) -> dict[str, np.ndarray]:
    """The arrays of an .npz by what they are."""
    if len(archive.files) == 1:
        return {"train": archive[archive.files[0]]}
    names = {role: [n for n in known if n in archive] for role, known in NAMES.items()}
    if not names["train"]:
        known = " or ".join(NAMES["train"])
        raise UsageError(
            f"{printable(path)} has arrays {printable(', '.join(archive.files))}: call that of the "
            f"images {known}"
        )
    arrays = {role: archive[found[0]] for role, found in names.items() if found}
    if "class_names" in archive:
        arrays["class_names"] = archive["class_names"]
    return arrays


def _check(path: Path, images: np.ndarray) -> None:
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] != 3) or not images.size:
        hint = ""
        if images.ndim == 4 and images.shape[1] in (1, 3):
            hint = "; move the channels: x.transpose(0, 2, 3, 1)"
        if (images.ndim == 4 and images.shape[3] == 1) or images.shape[1:2] == (1,):
            hint = "; leave out the axis of length 1: x.squeeze()"
        raise UsageError(
            f"{printable(path)}: an array of shape {images.shape}: images are (N, height, width), "
            f"or (N, height, width, 3) in colour{hint}"
        )
    if images.dtype.kind not in "biuf":
        raise UsageError(
            f"{printable(path)}: an array of {images.dtype}: pixels are integers from 0 to 255, "
            "floats in [0, 1], or booleans"
        )


def _as_picture(values: np.ndarray) -> Image.Image:
    """Integers from 0 to 255, floats in [0, 1], or booleans. Raises ValueError for others."""
    if values.dtype.kind in "bf":
        return of_8_bits(values.astype(np.float64))
    least, most = values.min(), values.max()
    if not 0 <= least <= most <= 255:
        raise ValueError(
            f"pixels from {least} to {most}: integers are 0 to 255; divide by the largest, to have "
            "floats in [0, 1]"
        )
    return Image.fromarray(values.astype(np.uint8))
