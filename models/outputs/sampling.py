"""Samples, as many as are wanted."""

from typing import Any

import numpy as np

from models.data import batches
from models.errors import UsageError
from models.outputs.given import BATCH, ModelWithData, classes_of


def sample(run: ModelWithData, n: int, labels: Any = None, seed: int = 0) -> np.ndarray:
    """Images (n, *shape) in [0, 1], or points (n, 2).

    They are without the noise of p(x|z), where a model has it; `run.model.sample` has it. `labels`
    are a class for all of them, by its number or its name, or (n,) numbers; without them a
    conditional model makes each class in turn. Raises UsageError for a class that it has not.
    """
    check_count(n)
    rng = np.random.default_rng(seed)
    classes = classes_in_turn(run, n, labels)
    parts = []
    for part in batches(n, BATCH):
        own = None if classes is None else classes[part]
        parts.append(run.model.sample_means(min(BATCH, n - part.start), rng, own))
    return np.concatenate(parts)


def check_count(n: Any) -> None:
    """Raises UsageError unless it is a whole number from 1."""
    if not isinstance(n, int | np.integer) or n < 1:
        raise UsageError(f"n={n}: a whole number from 1")


def classes_in_turn(run: ModelWithData, n: int, labels: Any = None) -> np.ndarray | None:
    """`labels` as `sample` takes them, for n samples: (n,), or None for a model without classes."""
    return run.model.classes_of(n, None) if labels is None else classes_of(run, n, labels)
