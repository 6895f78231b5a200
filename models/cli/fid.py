"""`chainrule fid`: how far images in a folder or an array are from those of a data set."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from models import metrics
from models.data import Reading, load, read_images
from models.errors import Caution

FEW = 100  # images, fewer than which are worth a warning


def measure(
    data: str,
    reading: Reading,
    samples: Path,
    features: str | None,
    seed: int,
    data_dir: str | None = None,
) -> dict[str, Any]:
    """The numbers of `metrics.quality`, of the files in `samples` beside the data set `data`.

    They are read in the size and the colour of `data`, whose training images train the network of
    the features, and whose test images are those that the samples are compared with. Warns if
    there are few. Raises what reading them raises.
    """
    real = load(data, data_dir, reading)
    network = metrics.features_for(real, features, data_dir=data_dir)
    images = read_images(samples, real, reading).images / np.float32(real.levels - 1)
    if (n := min(len(images), len(real.test))) < FEW:
        warnings.warn(
            f"{n} images of each are too few: FID then says more of their number than of how near "
            f"they are; use {FEW} or more ({real.name} has {len(real.test):,} to test)",
            Caution,
            stacklevel=2,
        )
    return metrics.quality(images, real, "levels", network, np.random.default_rng(seed))


def as_table(numbers: dict[str, Any]) -> str:
    """A line for each number, and below them what they depend on."""
    rows = [("FID", f"{numbers['fid']:.2f}{_interval(numbers, 'fid')}")]
    rows += [(f"  {name}", f"{numbers[name]:.2f}") for name in ("floor", "ceiling")]
    if "is" in numbers:
        rows.append(("inception score", f"{numbers['is']:.2f}{_interval(numbers, 'is')}"))
    rows += [(name, f"{numbers[name]:.2f}") for name in ("precision", "recall")]
    lines = [f"{name:17}{value}" for name, value in rows]
    source = f"{numbers['images']:,} images each, features of {numbers['features']}"
    return "\n".join([*lines, f"{source} ({numbers['fingerprint']}), 95% bootstrap intervals"])


def _interval(numbers: dict[str, Any], key: str) -> str:
    low, high = numbers[f"{key}_interval"]
    return f" ({low:.2f} to {high:.2f})"
