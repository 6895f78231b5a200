"""The commands that give back numbers of images: their likelihood, and their class by Bayes."""

import argparse
import csv
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from models.cli.runs import Given, given_images, refuse_unless_new, run_to_sample
from models.data import Points
from models.errors import Caution, UsageError
from models.files import replacing
from models.outputs import image_files, likelihood
from models.outputs.given import as_floats
from models.progress import bar
from models.training.run import Run

LEAST_LIKELY = 5  # images that `score` names
SIMPLER = 0.9  # of the space: so much less is worth a warning
COMPRESSED = 1000  # images, of which the size as PNG is measured


def score(options: argparse.Namespace) -> None:
    if options.out:
        refuse_unless_new(options.out, ".csv", "a table")
    run = run_to_sample(options)
    sets = {str(options.images or "test images"): given_images(options, run)}
    if options.against:
        sets[str(options.against)] = given_images(options, run, source=options.against)
        if len(sets) == 1:
            raise UsageError(f"--against {options.against}: these are the images themselves")
    kind, scores = "exact" if run.model.nll_is_exact else "bound", {}
    for name, given in sets.items():
        with bar(f"{run.config.model}: {name}"):
            scores[name] = run.score(given.images, given.classes, options.seed or 0)
    for name, nats in scores.items():
        _print_scores(run, name, nats, sets[name].names, kind)
    if options.out:
        _write_table(
            options.out,
            ("set", "image", "nll", "bits_per_dim", "kind"),
            (
                (name, image, f"{nll:.6g}", f"{likelihood.bits_per_dim(run, nll):.6g}", kind)
                for name, nats in scores.items()
                for image, nll in zip(sets[name].names, nats)
            ),
        )
    if options.against:
        _print_auroc(run, sets, scores)


def classify(options: argparse.Namespace) -> None:
    if options.out:
        refuse_unless_new(options.out, ".csv", "a table")
    run = run_to_sample(options)
    images, _, labels, names = given_images(options, run)
    with bar(f"{run.config.model}: classifying"):
        log_p = likelihood.log_posterior(run, images, options.seed or 0)
    found = log_p.argmax(axis=1)
    text = f"{len(images):,} images classified by log p(x|c) + log p(c)"
    if labels is not None:
        text += f": accuracy {np.mean(found == labels):.1%}"
    print(text)
    if options.out:
        called = run.data.class_name
        known = [""] * len(found) if labels is None else [called(label) for label in labels]
        probabilities = np.exp(log_p.max(axis=1))
        _write_table(
            options.out,
            ("image", "class", "predicted", "probability"),
            (
                (name, own, called(c), f"{p:.6g}")
                for name, own, c, p in zip(names, known, found, probabilities)
            ),
        )


def _print_scores(run: Run, name: str, nats: np.ndarray, names: Sequence[str], kind: str) -> None:
    error = 1.96 * nats.std() / np.sqrt(len(nats))
    bits = ""
    if not isinstance(run.data, Points):
        bits = f", {likelihood.bits_per_dim(run, nats).mean():.3f} bits/dim"
    print(
        f"{name}: -log p(x) {nats.mean():.2f} ± {error:.2f} nats{bits} ({kind}), n = {len(nats):,}"
    )
    least = np.argsort(-nats, kind="stable")[:LEAST_LIKELY]
    print("  least likely:", ", ".join(f"{names[i]} {nats[i]:.2f}" for i in least))


def _print_auroc(run: Run, sets: dict[str, Given], scores: dict[str, np.ndarray]) -> None:
    """How well -log p(x) tells the sets apart; a Caution where it is known to mislead."""
    inside, outside = scores.values()
    area = likelihood.auroc(inside, outside)
    first, second = sets
    print(
        f"AUROC {area:.3f}: of an image of {second} and one of {first}, that of {second} has the "
        f"larger -log p(x) in {area:.0%} of all pairs"
    )
    if isinstance(run.data, Points):
        return
    sizes = [
        likelihood.complexity(image_files.as_bytes(as_floats(run.data, given.images[:COMPRESSED])))
        for given in sets.values()
    ]
    share = sizes[1] / sizes[0]
    if area < 0.5 or share < SIMPLER:
        warnings.warn(
            "a likelihood does not tell what an image shows, and simple images have a high one "
            f"(Nalisnick et al. 2019): as PNG files those of {second} take {share:.0%} of the "
            f"space of those of {first}",
            Caution,
            stacklevel=2,
        )


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with replacing(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    print(path)


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    command.__name__: command for command in (score, classify)
}
