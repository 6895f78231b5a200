"""The pictures of the commands that give back images: rows of them under a title.

Points of the plane have no rows: they are plotted where they are.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from models import pictures
from models.data import Points
from models.training.run import Run

COLUMNS = 12
WAYS = {"slerp": "along the great arc", "lerp": "along the straight line"}
MISSING = 0.5  # the grey of a missing pixel: neither black nor white


def stacked(run: Run, rows: Mapping[str, np.ndarray], title: str) -> Figure:
    """Rows of images (n, *shape) under each other by name; as often again as a row is full."""
    if isinstance(run.data, Points):
        return pictures.scatter(run.data, rows, f"{run.report.title}\n{title}")
    n = len(next(iter(rows.values())))
    columns = COLUMNS if len(rows) > 1 else pictures.across(n)
    blocks = range(0, n, columns)
    images = [row[start : start + columns] for start in blocks for row in rows.values()]
    labels = [*rows] * len(blocks) if len(rows) > 1 else []
    whole = f"{run.report.title}\n{title}"
    return pictures.rows(images, whole, labels, ink=run.data.ink)


def ways(run: Run, between: np.ndarray, ends: np.ndarray | None, title: str) -> Figure:
    """Ways (n, steps, *shape), a row each, between the images `ends` (2, n, *shape) if given."""
    if isinstance(run.data, Points):
        points = between.reshape(-1, 2)
        return pictures.scatter(run.data, {"": points}, f"{run.report.title}\n{title}")
    rows = list(between)
    if ends is not None:
        paper = np.full((1, *run.model.shape), 0.0 if run.data.ink else 1.0)
        rows = [
            np.concatenate([a[None], paper, way, paper, b[None]])
            for a, way, b in zip(ends[0], between, ends[1])
        ]
    return pictures.rows(rows, f"{run.report.title}\n{title}", ink=run.data.ink)


def masked(images: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Images (n, *shape) in [0, 1] with the missing pixels in grey."""
    hidden = np.broadcast_to(missing, images.shape[:3]).reshape(
        *images.shape[:3], *[1] * (images.ndim - 3)
    )
    return np.where(hidden, MISSING, images)
