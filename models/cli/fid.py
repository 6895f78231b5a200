"""`chainrule fid`: how far images in a folder or an array are from those of a data set."""

from pathlib import Path
from typing import Any

import numpy as np

from models import metrics
from models.data import load
from models.data.own import read_images


def measure(
    data: str, samples: Path, features: str | None, seed: int, data_dir: str | None = None
) -> dict[str, Any]:
    """The numbers of `metrics.quality`, of the files in `samples` beside the data set `data`.

    They are read in the size and the colour of `data`, whose images train the network of the
    features and are those that the samples are compared with. Raises what reading them raises.
    """
    real = load(data, data_dir)
    network = metrics.features_for(real, features, data_dir=data_dir)
    images = read_images(samples, real).images / np.float32(real.levels - 1)
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
