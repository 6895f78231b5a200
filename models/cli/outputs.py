"""The commands that give back images and codes of a trained model."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from models import metrics, pictures
from models.cli import grids
from models.cli.runs import given_images, numbered, refuse_unless_new, run_to_sample
from models.data import Labels, Points, in_form, read_images
from models.errors import UsageError
from models.files import refuse_existing, refuse_unless_file
from models.outputs import image_files
from models.outputs.given import as_floats, classes_of
from models.outputs.masks import REGIONS, missing_pixels
from models.outputs.sampling import classes_in_turn
from models.pictures.figure import FORMATS
from models.progress import bar
from models.report import CLASSES_SHOWN
from models.training.run import Run

MAX_IN_PICTURE = 2500  # images


def sample(options: argparse.Namespace) -> None:
    path = _target(options)
    run, seed = run_to_sample(options), options.seed or 0
    few = run.model.classes if run.model.classes <= CLASSES_SHOWN else 0
    n = options.n or 6 * few or 64
    labels = classes_in_turn(run, n, options.label)
    with bar(f"{run.config.model}: making samples"):
        if path.suffix.lower() in FORMATS:
            print(pictures.save(run.report.sample_figure(n, options.label, seed), path))
            return
        samples = run.sample(n, labels, seed)
    _write(run, path, samples, labels)


def encode(options: argparse.Namespace) -> None:
    refuse_unless_new(options.out, ".npz", "codes")
    run = run_to_sample(options)
    given = given_images(options, run)
    with bar(f"{run.config.model}: encoding"):
        codes = run.encode(given.images, given.classes, options.seed or 0)
    known = {} if given.labels is None else {"labels": given.labels}
    arrays = {"codes": codes, "names": np.array(given.names), **known}
    image_files.write_arrays(options.out, arrays)
    print(options.out)


def decode(options: argparse.Namespace) -> None:
    path = _target(options)
    run = run_to_sample(options)
    arrays = image_files.read_arrays(options.codes, "codes")
    codes = arrays["codes"][: options.n]
    labels = options.label
    if labels is None and run.model.classes and "labels" in arrays:
        labels = arrays["labels"][: options.n]
    with bar(f"{run.config.model}: decoding"):
        images = run.decode(codes, labels, options.seed or 0)
    classes = classes_of(run, len(images), labels)
    _write(run, path, images, classes, lambda: grids.stacked(run, {"": images}, "decoded codes"))


def reconstruct(options: argparse.Namespace) -> None:
    path = _target(options)
    run = run_to_sample(options)
    images, classes, labels, _ = given_images(options, run, path)
    with bar(f"{run.config.model}: reconstructing"):
        found = run.reconstruct(images, classes, options.seed or 0)
    whole, pixels = as_floats(run.data, images), run.model.pixels
    rows = {"image": whole}
    if pixels == "fixed" and run.data.levels > 2:  # what the model saw is another image
        rows["binarised"] = in_form(whole, pixels)
    rows["reconstruction"] = found
    _write(
        run, path, found, classes, lambda: grids.stacked(run, rows, "images and reconstructions")
    )
    if not isinstance(run.data, Points):
        print(_faithfulness(run, in_form(whole, pixels), found, labels))


def _faithfulness(run: Run, images: np.ndarray, found: np.ndarray, labels: Labels) -> str:
    numbers = metrics.faithfulness(run.data, images, found, labels)
    line = (
        f"{len(images)} reconstructions: squared error {numbers['squared_error']:.2f} an image, "
        f"{numbers['sharpness']:.0%} as sharp"
    )
    if "same_class" in numbers:
        line += f", {numbers['same_class']:.0%} with the class of their image"
    return line


def interpolate(options: argparse.Namespace) -> None:
    path = _target(options)
    run, seed, ends = run_to_sample(options), options.seed or 0, None
    if options.ends:
        if len(options.ends) != 2:
            raise UsageError("name two images, or none: the ends are then samples of the prior")
        if options.n:
            raise UsageError("-n is for samples of the prior: between two images there is one way")
        ends = np.stack([_end(run, end) for end in options.ends])
    n = options.n or (1 if ends is not None or path.suffix == "" else 4)
    with bar(f"{run.config.model}: interpolating"):
        a, b = (None, None) if ends is None else ends
        ways = run.interpolate(a, b, options.steps, options.way, options.label, seed, n)
    images = ways.reshape(-1, *run.model.shape)
    labels = classes_in_turn(run, n, options.label)
    labels = None if labels is None else labels.repeat(options.steps)
    between = "two images" if options.ends else f"samples of the prior, seed {seed}"
    title = f"between {between}: {grids.WAYS[options.way]}"
    shown = None if ends is None else as_floats(run.data, ends)
    _write(run, path, images, labels, lambda: grids.ways(run, ways, shown, title))


def complete(options: argparse.Namespace) -> None:
    path = _target(options)
    run, times = run_to_sample(options), options.times
    images, classes, _, _ = given_images(options, run, path)
    missing = options.missing
    if missing not in REGIONS:
        if not missing.lower().endswith(tuple(image_files.SUFFIXES)):
            raise UsageError(
                f"--missing {missing}: choose one of {', '.join(REGIONS)}, or name a picture "
                "that is white where pixels are missing"
            )
        missing = image_files.read_mask(Path(missing), run.model.shape)
    with bar(f"{run.config.model}: completing"):
        again = None if classes is None else classes.repeat(times)
        found = run.complete(images.repeat(times, 0), missing, again, options.seed or 0)
    whole = as_floats(run.data, images)
    seen = in_form(whole, run.model.pixels)
    given = grids.masked(seen, missing_pixels(missing, len(images), run.model.shape))
    done = {f"completed{f' ({i + 1})' * (times > 1)}": found[i::times] for i in range(times)}
    rows = {"given": given, **done, "image": whole}
    _write(run, path, found, again, lambda: grids.stacked(run, rows, "missing parts completed"))


def _target(options: argparse.Namespace) -> Path:
    """Where images go: a new folder, a .npz, or a picture, by default a PNG in the run's directory.

    Raises UsageError for what is there already, and for more images than a picture holds.
    """
    path = options.out or options.directory / f"{options.command}.png"
    suffix = path.suffix.lower()
    if suffix not in ("", ".npz", *FORMATS):
        raise UsageError(
            f"{path}: name a folder, an array something.npz, or a picture something.png, .svg "
            "or .pdf"
        )
    if options.out:
        refuse_existing(path)
        refuse_unless_file(path)
    if suffix in FORMATS and (options.n or 0) > MAX_IN_PICTURE:
        raise UsageError(
            f"-n {options.n}: one picture holds at most {MAX_IN_PICTURE:,}; a folder or a .npz "
            "(--out) holds any number"
        )
    return path


def _end(run: Run, text: str) -> np.ndarray:
    """The image (1, *shape) that a number of the test set, or else a path, stands for."""
    test = run.data.test
    if not (text.isascii() and text.isdigit()):
        if not Path(text).exists():
            raise UsageError(f"there is no {text}: name an image, or the number of a test image")
        return read_images(Path(text), run.data, run.config.reading)[0][:1]
    if len(text) > 9 or int(text) >= len(test):
        raise UsageError(f"test image {text[:20]}: they are 0 to {len(test) - 1}")
    return test[int(text)][None]


def _write(
    run: Run,
    path: Path,
    images: np.ndarray,
    labels: Labels,
    figure: Callable[[], Figure] | None = None,
) -> None:
    """Images in [0, 1], or points, as the suffix of the path says; classes have folders."""
    suffix = path.suffix.lower()
    if figure and suffix in FORMATS:
        pictures.save(figure(), path)
    elif suffix == ".npz":
        points = isinstance(run.data, Points)
        arrays = {"points": images} if points else {"images": image_files.as_bytes(images)}
        known = {} if labels is None else {"labels": labels}
        image_files.write_arrays(path, {**arrays, **known})
    elif isinstance(run.data, Points):
        raise UsageError(f"{run.data.name} has points, and no image files: name F.npz")
    else:
        names = numbered(len(images))
        if labels is not None:
            folders = _folders(run)
            names = [f"{folders[c]}/{name}" for c, name in zip(labels, names)]
        image_files.write_folder(path, image_files.as_bytes(images), names)
    print(path)


def _folders(run: Run) -> list[str]:
    """The folder of each class: its name, if all names can be folders of their own, or a number."""
    names = [run.data.class_name(label) for label in range(run.model.classes)]
    plain = all(re.fullmatch(r"\w[\w .-]{0,98}[\w-]|\w", name) for name in names)
    unique = len({name.casefold() for name in names}) == len(names)
    return names if plain and unique else [str(label) for label in range(len(names))]


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    command.__name__: command
    for command in (sample, encode, decode, reconstruct, interpolate, complete)
}
