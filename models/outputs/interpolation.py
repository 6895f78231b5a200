"""Two ways from one code to another: the straight line, and the great arc."""

from collections.abc import Callable

import numpy as np


def lerp(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """The straight line from a to b: (latent,) twice to (steps, latent)."""
    t = np.linspace(0, 1, steps)[:, None]
    return (1 - t) * a + t * b


def slerp(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """The great arc from a to b (Shoemake 1985; White 2016), its length going from |a| to |b|.

    Samples of N(0, I) lie near a sphere of radius sqrt(latent). A straight line cuts through its
    inside, where the decoder was hardly trained. Where there is no single arc (equal or opposite
    directions, or a point at the origin) this is the line.
    """
    norm_a, norm_b = np.linalg.norm(a), np.linalg.norm(b)
    if min(norm_a, norm_b) == 0:
        return lerp(a, b, steps)
    unit_a, unit_b = a / norm_a, b / norm_b
    omega = np.arccos(np.clip(unit_a @ unit_b, -1, 1))
    if np.sin(omega) < 1e-6:
        return lerp(a, b, steps)
    t = np.linspace(0, 1, steps)[:, None]
    direction = (np.sin((1 - t) * omega) * unit_a + np.sin(t * omega) * unit_b) / np.sin(omega)
    return direction * ((1 - t) * norm_a + t * norm_b)


WAYS: dict[str, Callable[..., np.ndarray]] = {"slerp": slerp, "lerp": lerp}
