"""Distributions of codes, as samples of them: what an adversarial autoencoder can be matched to."""

import math

import numpy as np

from autograd import Rng

RADIUS, TURNS, NOISE = 3.0, 2, 0.1  # of the roll, in units of the code
ANGLE = 2 * math.pi * TURNS


def gaussian(n: int, latent: int, rng: Rng) -> np.ndarray:
    """N(0, I): (n, latent)."""
    return rng.standard_normal((n, latent), dtype=np.float32)


def roll(share: np.ndarray) -> np.ndarray:
    """The middle of the roll, from its centre at 0 to its end at 1: (n,) to (n, 2).

    It is Archimedes' spiral r = a theta with theta = ANGLE sqrt(share). A step of theta is about
    r long, so that equal shares are about equally long.
    """
    theta = ANGLE * np.sqrt(share)
    r = RADIUS * theta / ANGLE
    return np.stack([r * np.cos(theta), r * np.sin(theta)], axis=1)


def swiss_roll(n: int, latent: int, rng: Rng) -> np.ndarray:
    """Points evenly along the roll, each with a little Gaussian noise: (n, 2)."""
    middle = roll(rng.random(n))
    return (middle + NOISE * rng.standard_normal((n, latent))).astype(np.float32)


PRIORS = {"gaussian": gaussian, "swiss-roll": swiss_roll}
"""p(z) by name: (n, latent, rng) to codes (n, latent), in float32."""
