"""Points of the plane to learn from: a density that can be seen whole.

Eight Gaussians on a ring are where a generator shows what it leaves out (Metz et al. 2017,
"Unrolled GANs", section 3.1): a sample near none of them is bad, a Gaussian without samples is a
mode that was dropped. Points are any real numbers, so they are shown to a model as they are.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from models.data.dataset import Dataset
from models.errors import UsageError
from models.pictures import images as figures

GOOD = 3.0  # deviations from the nearest mode within which a sample is a good one
COVERED = 0.1  # of a mode's share of the samples, that it must have as good ones


@dataclass(frozen=True, repr=False)
class Points(Dataset):
    """Points (N, 2), float32, of Gaussians of one deviation `sigma` around `modes` (K, 2).

    The label of a point is the index of its mode.
    """

    modes: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    sigma: float = 1.0

    def __post_init__(self) -> None:
        for points in (self.train, self.test):
            if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
                raise UsageError(
                    f"{self.name}: points of shape {points.shape}: finite ones, (N, 2)"
                )
        self._check_labels()

    @property
    def image_shape(self) -> tuple[int, ...]:
        return (2,)

    def observe(self, images: np.ndarray, how: str, rng: np.random.Generator) -> np.ndarray:
        """The points (N, 2) themselves: there is nothing to binarise."""
        return images.astype(np.float32)

    def describe(self, how: str) -> str:
        radius = float(np.linalg.norm(self.modes, axis=1).max())
        return f"{len(self.modes)} Gaussians on a ring of radius {radius:g}, sigma {self.sigma:g}"

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each of `points` (N, 2) the index of its nearest mode, and whether it is good.

        Good is within GOOD sigma of that mode: of a Gaussian in the plane, 1 - e^(-9/2) = 98.9 %.
        """
        distances = np.linalg.norm(points[:, None] - self.modes, axis=2)
        return distances.argmin(1), distances.min(1) <= GOOD * self.sigma

    def share_of_good(self, points: np.ndarray) -> float:
        """Of all `points` (N, 2), the "high quality samples" of Srivastava et al. 2017."""
        return float(self.nearest(points)[1].mean())

    def modes_covered(self, points: np.ndarray, at_least: float = COVERED) -> int:
        """How many modes have `at_least` that part of their share, N/K, as good samples.

        Srivastava et al. 2017, "VEEGAN", are content with one good sample of 2,500 (`at_least` of
        0.003 here), which points strewn everywhere have by chance.
        """
        mode, good = self.nearest(points)
        counts = np.bincount(mode[good], minlength=len(self.modes))
        return int((counts >= at_least * len(points) / len(self.modes)).sum())


def ring(
    modes: int = 8,
    radius: float = 2.0,
    sigma: float = 0.05,
    train: int = 10_000,
    test: int = 2_500,
    seed: int = 0,
) -> Points:
    """The data set "ring": equally likely Gaussians, equally far apart on a circle."""
    rng = np.random.default_rng(seed)
    angles = 2 * math.pi * np.arange(modes) / modes
    centers = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    labels = rng.integers(modes, size=train + test)
    noise = sigma * rng.standard_normal((train + test, 2))
    points = (centers[labels] + noise).astype(np.float32)
    parts = points[:train], points[train:], labels[:train], labels[train:]
    return Points("ring", 0, *parts, modes=centers, sigma=sigma)


def scatter(data: Points, sets: Mapping[str, np.ndarray], title: str) -> Figure:
    """Sets of points (N, 2) side by side, each under its name unless there is only one."""
    columns = min(len(sets), 3)
    rows = -(-len(sets) // columns)
    size = 2.65 * columns, 3.1 * rows + 0.25 * (title.count("\n") + 1)
    figure = figures.Picture(figsize=size)
    figure.set_layout_engine("compressed", h_pad=0.1)
    for i, (name, points) in enumerate(sets.items()):
        axes = figure.add_subplot(rows, columns, i + 1)
        draw_points(axes, data, points, name if len(sets) > 1 else "")
    figure.suptitle(title, fontsize=11)
    return figure


def draw_points(
    axes: Axes, data: Points, points: np.ndarray, title: str, reach: float = 1.6
) -> None:
    """Points (N, 2), the good ones blue, and circles around the true modes.

    The frame is `reach` times as far as the modes are; what lies outside is counted below it.
    """
    limit = reach * float(np.abs(data.modes).max())
    good = data.nearest(points)[1]
    for which, color in ((~good, "0.55"), (good, figures.COLORS[0])):
        axes.scatter(points[which, 0], points[which, 1], s=5, color=color, alpha=0.5, linewidths=0)
    for center in data.modes:
        circle = Circle(center, GOOD * data.sigma, fill=False, color=figures.COLORS[3])
        axes.add_patch(circle)
    outside = int((np.abs(points) > limit).any(axis=1).sum())
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), xticks=[], yticks=[])
    axes.set_aspect("equal")
    axes.spines[:].set_color("0.8")
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(
        f"modes {data.modes_covered(points)} of {len(data.modes)}, "
        f"{data.share_of_good(points):.0%} good" + (f", {outside} outside" if outside else "")
    )
