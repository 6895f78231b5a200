"""The table: a row for each model, and notes that say what its numbers mean."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models import metrics
from models.cli.comparison.entry import Entry
from models.data import Points
from models.data.ring import COVERED_SHARE, GOOD_RADIUS

SPACE = "\N{NO-BREAK SPACE}"


def title_of(entries: Sequence[Entry]) -> str:
    return f"Generative models of {' and '.join(dict.fromkeys(e.run.data.name for e in entries))}"


def row_of(entry: Entry) -> dict[str, str]:
    """The row of the table, by the names of its columns."""
    numbers = entry.numbers
    nats = bits = "none"
    if "nll" in numbers:
        sign = "" if entry.run.model.nll_is_exact else f"≤{SPACE}"
        nats = f"{sign}{numbers['nll']:.2f} ±{SPACE}{numbers['intervals']['nll']:.2f}"
        nats += f" given{SPACE}y" * bool(entry.run.model.classes)
        bits = f"{sign}{metrics.bits_per_dim(numbers['nll'], numbers['pixels']):.3f}"
    row = {
        "model": entry.name,
        "family": entry.run.config.model,
        "parameters": f"{numbers['parameters']:,}",
    }
    if isinstance(entry.run.data, Points):
        row |= {
            "nats / point": nats,
            "modes": f"{numbers['modes']} of {len(entry.run.data.modes)}",
            "good samples": f"{numbers['good']:.0%}",
        }
    else:
        row |= {
            "pixels": numbers["pixel_form"],
            "nats / image": nats,
            "bits / dim": bits,
            "FID": _with_interval(numbers, "fid"),
            "inception score": _with_interval(numbers, "is"),
            "precision": f"{numbers['precision']:.2f}",
            "recall": f"{numbers['recall']:.2f}",
        }
    return row | {
        "training, s": _seconds(numbers["train_seconds"]),
        "1,000 samples, s": _seconds(entry.sample_seconds),
    }


def _seconds(seconds: float) -> str:
    """Two digits or more, and never a power of ten."""
    if seconds >= 9.95:
        return f"{seconds:,.0f}"
    return np.format_float_positional(seconds, 2, fractional=False, trim="0")


def _with_interval(numbers: dict[str, Any], key: str) -> str:
    if key not in numbers:
        return "none"
    low, high = numbers[f"{key}_interval"]
    return f"{numbers[key]:.2f} ({low:.2f}{SPACE}to{SPACE}{high:.2f})"


def notes_of(entries: Sequence[Entry]) -> list[str]:
    """What the numbers mean; each form of the pixels of each data has its floor and ceiling."""
    if isinstance(entries[0].run.data, Points):
        return [
            "Nats: mean over the test points, of a density, so they may be below 0; ≤ marks a "
            f"bound. A sample is good within {GOOD_RADIUS:g} sigma of a mode. A mode is covered by "
            f"{COVERED_SHARE:g} of its share of good samples, or more."
        ]
    notes = [
        "Nats: mean over the test images, with the 95% interval of that mean; ≤ marks a bound. "
        "They can be compared only between models with the same form of pixels."
    ]
    forms = {(e.numbers["data"], e.numbers["pixel_form"]): e.numbers for e in entries}
    for (data, form), numbers in forms.items():
        note = (
            f"{data}, {form}: FID of training against test images (the floor) "
            f"{numbers['floor']:.2f}, of independent pixels (the ceiling) {numbers['ceiling']:.2f}"
        )
        same = [e.numbers for e in entries if e.numbers["data"] == data]
        if any("nll" in own for own in same if own["pixel_form"] == form):
            note += f"; factorised model {numbers['factorised_nll']:.2f} nats"
        notes.append(f"{note}.")
    if any("nll" in e.numbers and e.run.model.classes for e in entries):
        notes.append(
            "Given y: -log p(x|y), since the model is told the class y of each image. It may be "
            "below -log p(x) by up to -log p(y), log K of K classes that are equally likely."
        )
    for (source, fingerprint), numbers in {
        (e.numbers["features"], e.numbers["fingerprint"]): e.numbers for e in entries
    }.items():
        score = "inception score (at most the number of classes), " if "is" in numbers else ""
        notes.append(
            f"FID, {score}precision and recall{_of(numbers, entries)}: {numbers['images']:,} "
            f"images each, features of {source} ({fingerprint}), 95% bootstrap intervals."
        )
    return notes


def _of(numbers: dict[str, Any], entries: Sequence[Entry]) -> str:
    """Of which data, where the entries are of several."""
    several = len({entry.numbers["data"] for entry in entries}) > 1
    return f" on {numbers['data']}" if several else ""
