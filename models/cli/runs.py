"""The run that a command is for, and the images that it is given."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import models
from models.cli.assignments import with_assignments
from models.data import DATASETS, Labels, load, read_images, resolved
from models.data.sources import FILES
from models.errors import UsageError
from models.files import refuse_existing, refuse_unless_file
from models.outputs.given import classes_of
from models.pictures.figure import FORMATS
from models.settings import declarations
from models.training.config import Config
from models.training.run import Run

IN_PICTURE = 12  # images, unless -n says how many


def trained_run(options: argparse.Namespace, directory: Path) -> Run:
    """Raises UsageError for a directory that is no run, Failure for a run that is not trained."""
    places = data_places(options, Config.read(directory))
    return models.load(directory, device=options.device or "cpu", **places)


def data_places(options: argparse.Namespace, config: Config) -> dict[str, str | None]:
    """Where the data of a run are: where they were, or in --data-dir.

    For a person's own images that is where they are now; a checksum says if they are the same.
    """
    if options.data_dir and config.data not in DATASETS:
        return {"data": resolved(options.data_dir)}
    return {"data_dir": data_dir_of(options, config.data, config.data_dir)}


def data_dir_of(options: argparse.Namespace, data: str, default: str | None) -> str | None:
    """The folder of --data-dir, absolute, so that a run finds it from any working directory.

    Raises UsageError for data that are not read from files.
    """
    if options.data_dir is None:
        return default
    if data not in DATASETS:
        raise UsageError(
            f"--data-dir {options.data_dir}: name the folder of your own images with --data alone"
        )
    if data not in FILES:
        raise UsageError(
            f"--data-dir {options.data_dir}: {data} is not read from files; "
            f"name the data that are, with --data: {', '.join(FILES)}"
        )
    return str(options.data_dir.resolve())


def run_to_sample(options: argparse.Namespace) -> Run:
    """The run, with the settings of sampling that --set names."""
    run = trained_run(options, options.directory)
    declared = declarations(run.model.settings_type)
    keys = [name for name, declaration in declared.items() if declaration.sampling]
    run.model.settings = with_assignments(run.config.settings, options.set, keys)
    return run


class Given(NamedTuple):
    """Images (n, *shape), levels of the run's data.

    `classes` are those that a conditional model is given, `labels` those that are known.
    """

    images: np.ndarray
    classes: Labels
    labels: Labels
    names: Sequence[str]


def given_images(
    options: argparse.Namespace, run: Run, path: Path | None = None, source: Path | None = None
) -> Given:
    """The images of `source`, or of --images, or else the test images.

    They are the first -n; or 12 if `path`, where they go, is a picture. --class is that of all.
    """
    images, labels = run.data.test, run.data.test_labels
    names: Sequence[str] = run.data.test_names or numbered(len(images))
    if source := source or options.images:
        images, labels, names = _read(source, run)
    in_picture = path is not None and path.suffix.lower() in FORMATS
    n = options.n or (IN_PICTURE if in_picture else None)
    images, labels, names = images[:n], None if labels is None else labels[:n], names[:n]
    classes = labels if run.model.classes else None
    if options.label is not None:
        classes = classes_of(run, len(images), options.label)
    return Given(images, classes, labels, names)


def _read(source: Path, run: Run) -> tuple[np.ndarray, Labels, Sequence[str]]:
    """The images of a path, or the test images of a data set by its name."""
    if str(source) not in DATASETS or source.exists():
        return read_images(source, run.data, run.config.reading)
    images = load(str(source), run.config.data_dir).test
    return images, None, numbered(len(images))


def numbered(count: int) -> list[str]:
    """Names for images that have none."""
    return [f"{i:05d}" for i in range(count)]


def refuse_unless_new(path: Path, suffix: str, what: str) -> None:
    """Raises UsageError unless the file has that suffix, can be written and is not there yet."""
    if path.suffix.lower() != suffix:
        raise UsageError(f"--out {path}: name {what} something{suffix}")
    refuse_existing(path)
    refuse_unless_file(path)
