"""Images of which a part is missing, completed."""

from typing import Any

import numpy as np

from autograd import to_device
from models.data import Points
from models.errors import UsageError
from models.outputs.given import ModelWithData, observed
from models.outputs.masks import missing_pixels


def complete(
    run: ModelWithData,
    images: Any = None,
    missing: Any = "lower",
    labels: Any = None,
    seed: int = 0,
) -> np.ndarray:
    """Images (N, *shape) in [0, 1], what is missing sampled given the rest, which stays.

    `missing` is a region of `masks.REGIONS`, or an array of bools, (height, width) or (N, height,
    width), True where a pixel is missing. Images and labels are as in `encode`. Raises UsageError
    for another mask, and for a model that cannot complete.
    """
    if isinstance(run.data, Points):
        raise UsageError(f"a point of {run.data.name} has no part that could be missing")
    rng = np.random.default_rng(seed)
    parts = [(to_device(x, "cpu"), own) for x, own in observed(run, images, labels, rng)]
    given = np.concatenate([x for x, _ in parts]).reshape(-1, *run.model.shape)
    classes = np.concatenate([own for _, own in parts]) if run.model.classes else None
    known = ~missing_pixels(missing, len(given), run.model.shape)
    return run.model.complete(given, known, rng, classes)
