"""A person's own pictures as a Dataset: read as a Reading says, and decoded once."""

import dataclasses
import hashlib
import json
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from models.data.collection import Collection, collect
from models.data.dataset import Dataset, Labels
from models.data.listing import listing
from models.data.picture import Unreadable, fitted, in_mode
from models.data.reading import AS_IT_IS, COLOURS, LARGE_SIDE, Reading
from models.data.store import About, stored, write
from models.errors import Caution, Failure, UsageError, printable
from models.progress import bar

RECIPE = 2  # increase it when files are read in another way: older caches are then ignored
MOST_TEST = 10_000  # images, where a tenth is chosen to test on
MOST_WARNINGS = 10
DARK = 32  # of 255: where no pixel is as bright, 255 is hardly the white that was meant


class Images(NamedTuple):
    """Levels (n, *shape), uint8; labels (n,) or None; names of files, or indices in an array."""

    images: np.ndarray
    labels: Labels
    names: tuple[str, ...]


class _InColour(Exception):
    """A file is in colour, and all before it were grey."""


def own(path: str | Path, reading: Reading = AS_IT_IS) -> Dataset:
    """The images of a folder, a .npz or a .npy, in an order that `reading.split_seed` makes.

    They are decoded again only if a file has another path, size or time of change. Raises Failure
    for a file that cannot be read, UsageError for what is no set of images of one size.
    """
    path = Path(path).absolute()
    name = printable(path.name or path)
    files = listing(path)
    place = _digest(RECIPE, str(path), dataclasses.asdict(reading))
    images, about = stored(
        place, _digest(files), lambda file: _decode(name, collect(path, files), reading, file)
    )
    _warn_of_skipped(about["skipped"])
    if about["brightest"] < DARK:
        _warn(
            f"the brightest pixel of {name} is {about['brightest']}, where 255 is white: if it has "
            "other levels, save them as an array of floats in [0, 1]"
        )
    split = about["train"]
    labels = None if about["labels"] is None else np.array(about["labels"])
    return Dataset(
        name,
        reading.levels,
        images[:split],
        images[split:],
        None if labels is None else labels[:split],
        None if labels is None else labels[split:],
        tuple(about["class_names"]),
        origin=reading.describe(),
        known_checksum=about["checksum"],
        test_names=tuple(about["test_names"]),
    )


def read_images(path: str | Path, data: Dataset, reading: Reading = AS_IT_IS) -> Images:
    """The images of a file, a folder, a .npz or a .npy, in the shape and the levels of `data`.

    `reading` says how, where `data` does not. Labels are classes of `data`: those of an array, or
    those of the folders if each is called as a class of `data`, and else None. Raises what `own`
    raises.
    """
    path = Path(path)
    name = printable(path.name or path)
    if len(data.image_shape) == 1:
        raise UsageError(f"{data.name} has points of the plane, and {name} images")
    collection = collect(path, listing(path))
    height, width = data.image_shape[:2]
    colour = COLOURS[data.channels == 3]
    reading = dataclasses.replace(reading, size=(height, width), colour=colour, levels=data.levels)
    skipped: list[str] = []
    found = dict(_images(name, collection, range(len(collection.names)), reading, skipped))
    _warn_of_skipped(skipped)
    if not found:
        raise Failure(f"none of the images of {name} can be read")
    labels = collection.labels
    if labels is not None and collection.class_names:
        classes = {data.class_name(label): label for label in range(data.classes)}
        known = [classes.get(class_name, -1) for class_name in collection.class_names]
        labels = None if -1 in known else np.array(known)[labels]
    kept = list(found)
    return Images(
        np.stack(list(found.values())),
        None if labels is None else labels[kept],
        tuple(printable(collection.names[i]) for i in kept),
    )


def _decode(name: str, collection: Collection, reading: Reading, file: BinaryIO) -> About:
    """Write the images, those to train on first; returns what else is known of them."""
    try:
        return _write(name, collection, reading, file)
    except _InColour:
        file.seek(0)
        file.truncate()
        return _write(name, collection, dataclasses.replace(reading, colour="rgb"), file)


def _write(name: str, collection: Collection, reading: Reading, file: BinaryIO) -> About:
    tests = _chosen_tests(name, collection, reading.split_seed)
    shuffled = np.random.default_rng([reading.split_seed, 1]).permutation(len(tests))
    order = shuffled[np.argsort(tests[shuffled], kind="stable")].tolist()
    kept: list[int] = []
    skipped: list[str] = []
    brightest, checksum = 0, hashlib.sha256()

    def images() -> Iterator[np.ndarray]:
        nonlocal brightest
        with bar(f"reading {name}", len(order), "image") as progress:
            for i, image in _images(name, collection, order, reading, skipped):
                kept.append(i)
                brightest = max(brightest, int(image.max()))
                checksum.update(image.tobytes())
                yield image
                progress.update()

    shape = write(file, images())
    train = len(kept) - int(tests[kept].sum())
    if not 0 < train < len(kept):
        raise Failure(f"none of the images of {name} to {'test' if train else 'train'} on is read")
    labels = None if collection.labels is None else collection.labels[kept].tolist()
    about = {"train": train, "labels": labels, "class_names": collection.class_names}
    checksum.update(json.dumps([shape, reading.levels, about]).encode())
    return about | {
        "checksum": checksum.hexdigest(),
        "skipped": skipped,
        "test_names": [printable(collection.names[i]) for i in kept[train:]],
        "brightest": 255 * brightest // (reading.levels - 1),
    }


def _images(
    name: str, collection: Collection, order: Iterable[int], reading: Reading, skipped: list[str]
) -> Iterator[tuple[int, np.ndarray]]:
    """The i-th image of the collection in levels, for each i; names of others go to `skipped`."""
    levels = np.rint(np.arange(256) * ((reading.levels - 1) / 255)).astype(np.uint8)
    mode = "RGB" if reading.colour == "rgb" else "L"
    first = None
    for i in order:
        try:
            picture = collection.picture(i)
        except Unreadable as error:
            if not reading.skip_unreadable:
                hint = "remove it, or skip such files with --skip-unreadable"
                raise Failure(f"{error}; {hint}") from error
            skipped.append(str(error))
            continue
        if reading.colour is None and picture.mode == "RGB":
            raise _InColour
        if reading.size:
            picture = fitted(picture, reading.size, reading.fit)
        size, file = picture.size, collection.names[i]
        if first is None:
            first = size, file
            if max(size) > LARGE_SIDE and not reading.size:
                raise UsageError(
                    f"{printable(file)} in {name} has {size[1]} x {size[0]} pixels: say to which "
                    "size to scale the images, such as --size 32"
                )
        if size != first[0]:
            raise UsageError(
                f"{printable(file)} in {name} has {size[1]} x {size[0]} pixels and "
                f"{printable(first[1])} {first[0][1]} x {first[0][0]}: say to which size to scale "
                "the images, such as --size 32"
            )
        image = np.asarray(in_mode(picture, mode))
        yield i, image if reading.levels == 256 else levels[image]


def _chosen_tests(name: str, collection: Collection, seed: int) -> np.ndarray:
    """Which pictures (N,) are the test set; without one a tenth, but at most MOST_TEST."""
    if collection.tests is not None:
        return collection.tests
    count = len(collection.names)
    if count < 2:
        raise UsageError(f"{name} has one image: at least two are needed, to train and to test on")
    chosen = np.random.default_rng([seed, 0]).permutation(count)
    tests = np.zeros(count, bool)
    tests[chosen[: min(max(1, count // 10), MOST_TEST)]] = True
    return tests


def _warn_of_skipped(skipped: list[str]) -> None:
    for text in skipped[:MOST_WARNINGS]:
        _warn(f"skipped: {text}")
    if more := len(skipped[MOST_WARNINGS:]):
        _warn(f"skipped: {more:,} more files that cannot be read")


def _warn(text: str) -> None:
    warnings.warn(text, Caution, stacklevel=3)


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
