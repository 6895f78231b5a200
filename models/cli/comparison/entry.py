"""A trained model to compare: its numbers, and how good its samples are."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models import metrics
from models.data import Points, in_form, load
from models.errors import UsageError
from models.progress import bar
from models.training.run import Run

Given = Callable[[np.ndarray], np.ndarray] | str | None
"""Features that a person brings: a function, or "module:function"."""


@dataclass
class Entry:
    """A trained model, its numbers, and its samples (n, *shape)."""

    run: Run
    numbers: dict[str, Any]
    samples: np.ndarray
    sample_seconds: float  # for 1,000

    @property
    def name(self) -> str:
        return self.run.directory.name


def examine_all(runs: Sequence[Run], n: int, seed: int, given: Given) -> list[Entry]:
    """Raises UsageError for images of unequal size, or points beside images."""
    shapes = dict.fromkeys((run.data.name, run.data.image_shape) for run in runs)
    if len({shape for _, shape in shapes}) > 1:
        sizes = ", ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in shapes)
        raise UsageError(f"images of unequal size cannot be compared: {sizes}")
    if given and isinstance(runs[0].data, Points):
        raise UsageError(f"--features are of images, and {runs[0].data.name} has points")
    return [examine(run, n, seed, given) for run in runs]


def examine(run: Run, n: int, seed: int, given: Given = None) -> Entry:
    """The run's numbers, and how good `n` samples of it are."""
    rng = np.random.default_rng(seed)
    name, data = run.directory.name, run.data
    with bar(f"{name}: making {n:,} samples"):
        run.model.sample(2, rng)  # compiles the kernels
        started = time.perf_counter()
        samples = run.model.sample(n, rng)
        seconds = (time.perf_counter() - started) * 1000 / n
    if isinstance(data, Points):
        quality = {"modes": data.modes_covered(samples), "good": data.share_of_good(samples)}
        return Entry(run, run.evaluate() | quality, samples, seconds)
    samples = in_form(samples, run.model.pixels)
    config = run.config
    all_data = load(config.data, config.data_dir, config.reading) if config.limit else data
    features = metrics.features_for(all_data, given, data_dir=config.data_dir)
    with bar(f"{name}: measuring {n:,} samples"):
        fresh = np.random.default_rng(seed)  # the same real images for every run
        quality = metrics.quality(samples, data, run.model.pixels, features, fresh)
    return Entry(run, run.evaluate() | quality, samples, seconds)
