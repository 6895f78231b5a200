"""Sampling from N(mu, sigma^2) as the paper writes it, in NumPy.

    z = mu + sigma eps        with sigma = e^(logvar / 2) and eps from N(0, 1)
    kl = sum over the last axis of (mu^2 + sigma^2 - 1 - logvar) / 2

(Kingma & Welling 2014, section 2.4 and appendix B). The noise comes from Philox's words, by Box and
Muller's transform: two words a and b give the point of the plane at the angle 2 pi b / 2^32 and the
distance sqrt(-2 ln u) with u = (a + 1/2) / 2^32. Its two coordinates are independent and normal ("A
note on the generation of random normal deviates", 1958).
"""

import math

import numpy as np

from kernels.dispatch import namespace
from kernels.reparameterize.philox import philox


def normal(shape: tuple[int, ...], seed: int, offset: int, dtype: np.dtype) -> np.ndarray:
    """eps: element i of the flat array is number i % 4 of the four of block i // 4."""
    count = math.prod(shape)
    blocks = np.arange(-(-count // 4), dtype=np.uint64)
    words = philox(blocks, np.uint64(offset), np.uint64(int(seed)))
    a, b, c, d = (word.astype(dtype) for word in words)
    points = (*_box_muller(a, b), *_box_muller(c, d))
    return np.stack(points, axis=1).ravel()[:count].reshape(shape)


def _box_muller(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    distance = np.sqrt(-2 * np.log((a + 0.5) * 2.0**-32))
    angle = b * (2 * math.pi * 2.0**-32)
    return distance * np.cos(angle), distance * np.sin(angle)


def reparameterize(
    mu: np.ndarray, logvar: np.ndarray, seed: int, offset: int, z: np.ndarray, kl: np.ndarray
) -> None:
    eps = namespace(mu).asarray(normal(mu.shape, seed, offset, mu.dtype))
    sigma = np.exp(logvar / 2)
    z[...] = mu + sigma * eps
    kl[...] = (mu**2 + excess(logvar)).sum(axis=-1) / 2


def reparameterize_logvar_grad(
    g_z: np.ndarray, g_kl: np.ndarray, logvar: np.ndarray, seed: int, offset: int
) -> np.ndarray:
    """dz/dlogvar = sigma eps / 2 and dkl/dlogvar = (sigma^2 - 1) / 2."""
    eps = namespace(logvar).asarray(normal(logvar.shape, seed, offset, logvar.dtype))
    sigma = np.exp(logvar / 2)
    return g_z * sigma * eps / 2 + g_kl[..., None] * np.expm1(logvar) / 2


def excess(v: np.ndarray) -> np.ndarray:
    """e^v - 1 - v, which is never negative. Near 0 the differences cancel: there by its series.

    For |v| < 1/2 the terms after v^15 / 15! are 1e-17 of the sum.
    """
    small, series = np.clip(v, -0.5, 0.5), 0.0
    for n in range(15, 1, -1):
        series = series * small + 1 / math.factorial(n)
    return np.where(np.abs(v) < 0.5, series * small * small, np.expm1(v) - v)
