"""Points of the plane to learn from: a density that can be seen whole.

Eight Gaussians on a ring show what a generator leaves out (Metz et al. 2017, "Unrolled GANs",
section 3.1): a sample far from all of them is a bad one, and a Gaussian without samples is a mode
that was dropped. Points are real numbers, so a model gets them as they are.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from models.data.dataset import Dataset
from models.errors import UsageError

GOOD_RADIUS = 3.0  # a sample within so many sigma of the nearest mode is a good one
COVERED_SHARE = 0.1  # of 1/K of all samples, that must be good ones of a mode to cover it


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
                    f"{self.name}: points of shape {points.shape}: they must be (N, 2) and finite"
                )
        self._check_labels()

    def observe(self, images: np.ndarray, pixels: str, rng: np.random.Generator) -> np.ndarray:
        """The points (N, 2) themselves, whatever `pixels` is."""
        return images.astype(np.float32)

    def describe(self, pixels: str) -> str:
        radius = float(np.linalg.norm(self.modes, axis=1).max())
        return f"{len(self.modes)} Gaussians on a ring of radius {radius:g}, sigma {self.sigma:g}"

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each of `points` (N, 2) the index of its nearest mode, and whether it is good.

        Good is within GOOD_RADIUS sigma of that mode: 1 - e^(-9/2) = 98.9 % of a Gaussian are.
        """
        distances = np.linalg.norm(points[:, None] - self.modes, axis=2)
        return distances.argmin(1), distances.min(1) <= GOOD_RADIUS * self.sigma

    def share_of_good(self, points: np.ndarray) -> float:
        """The share of good ones among `points` (N, 2).

        Srivastava et al. 2017, "VEEGAN", call them high quality samples.
        """
        return float(self.nearest(points)[1].mean())

    def modes_covered(self, points: np.ndarray, at_least: float = COVERED_SHARE) -> int:
        """How many of the K modes have `at_least` that part of N / K good samples.

        Srivastava et al. 2017 require one good sample of 2,500 (`at_least` = 0.003 here), which
        uniform points reach by chance.
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
    """The data set "ring": equally likely Gaussians, evenly spaced on a circle."""
    rng = np.random.default_rng(seed)
    angles = 2 * math.pi * np.arange(modes) / modes
    centers = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    labels = rng.integers(modes, size=train + test)
    noise = sigma * rng.standard_normal((train + test, 2))
    points = (centers[labels] + noise).astype(np.float32)
    parts = points[:train], points[train:], labels[:train], labels[train:]
    return Points("ring", 0, *parts, modes=centers, sigma=sigma)
