"""A distance of two sets of points."""

import numpy as np
import scipy  # imports its parts at their first use


def energy_distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| by the points x (n, D) and y (m, D), two or more of each.

    It is 0 where both have one distribution and greater otherwise (Szekely & Rizzo 2013, "Energy
    statistics"), in units of |x|. What comes back are n numbers, a share of each x, of which the
    mean is the distance: an unbiased estimate, so that it may be below 0.
    """
    across = 2 * scipy.spatial.distance.cdist(x, y).mean(1)
    return across - _within(x) - _within(y).mean()


def _within(x: np.ndarray) -> np.ndarray:
    """The mean distance of each point from the others."""
    return scipy.spatial.distance.cdist(x, x).sum(1) / max(len(x) - 1, 1)
