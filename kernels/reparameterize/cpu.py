"""Sampling from N(mu, sigma^2) on the CPU, by Numba.

The work is cut into chunks that stay in the first-level cache with their noise, so memory is
passed over once. Within a chunk every long loop is over independent elements, so that LLVM makes
it of vector instructions; that is why log, exp, cos and sin are polynomials here (the C library's
take one number at a time) and why they are inlined by force. float64, which is for checking
derivatives, is left to NumPy.
"""

import math
from functools import partial

import numpy as np
from numba import float32, int32, njit, uint32, uint64

from kernels.compiled import compiled
from kernels.reparameterize import reference
from kernels.reparameterize.philox import philox
from kernels.reparameterize.series import NEAR_0, remainder
from kernels.threads import run_if_large

CHUNK = 1024  # elements, a multiple of Philox's four

SQRT_HALF_BITS = np.float32(0.5**0.5).view(np.int32)
LOG2_E = float32(1 / np.log(2))
LN2_HIGH = float32(355 / 512)  # nine bits of ln 2: times a whole number below 2^15 it is exact
LN2_LOW = float32(np.log(2) - 355 / 512)


_compiled = partial(compiled, error_model="numpy", fastmath={"contract"})
_inlined = njit(forceinline=True, error_model="numpy", fastmath={"contract"})
_philox = _inlined(philox)
_remainder = _inlined(remainder)


@_inlined
def _log(x):
    """ln x for a positive normal x, within 2 in the last place.

    x = 2^k m with sqrt(1/2) <= m < sqrt(2), and for s = (m - 1) / (m + 1), |s| < 0.172,
    ln m = 2 artanh s = 2 (s + s^3/3 + s^5/5 + ...): after s^9 there follows 4e-10 of it.
    """
    bits = np.float32(x).view(np.int32)
    k = (bits - SQRT_HALF_BITS) >> int32(23)
    m = np.int32(bits - (k << int32(23))).view(np.float32)
    s = (m - float32(1)) / (m + float32(1))
    t = s * s
    rest = float32(1 / 5) + t * (float32(1 / 7) + t * float32(1 / 9))
    rest = s * t * (float32(1 / 3) + t * rest)
    return float32(k) * LN2_HIGH + (float32(2) * (s + rest) + float32(k) * LN2_LOW)


@_inlined
def exp(x):
    """e^x, within 2 in the last place.

    x = k ln 2 + f with |f| <= ln(2) / 2, and the series of e^f: after f^7/7! there follows 6e-9.
    2^k is beyond the normal numbers at both ends, and so it is two factors.
    """
    x = float32(-104) if x < float32(-104) else x  # NaN passes
    x = float32(89) if x > float32(89) else x
    k = np.rint(x * LOG2_E)
    f = (x - k * LN2_HIGH) - k * LN2_LOW
    half = int32(k) >> int32(1)
    power = float32(1) + f * (float32(1) + f * _remainder(f))
    return power * _power_of_two(half) * _power_of_two(int32(k) - half)


@_inlined
def _power_of_two(k):
    return np.int32((k + int32(127)) << int32(23)).view(np.float32)


@_inlined
def _cos_sin(word):
    """The cosine and sine of 2 pi word / 2^32.

    The angle is a multiple of pi/2, which comes out of the word exactly, and an x with
    |x| <= pi/4. The series after x^8 and x^9 go on with 3e-8 and 2e-9.
    """
    turned = uint32(word + uint64(2**29))  # an eighth of a turn, so that x has both signs
    quadrant = turned >> uint32(30)
    within = int32(turned & uint32(2**30 - 1)) - int32(2**29)
    x = float32(within) * float32(2 * np.pi * 2.0**-32)
    t = x * x
    cos = float32(1 / 24) + t * (float32(-1 / 720) + t * float32(1 / 40320))
    cos = float32(1) + t * (float32(-1 / 2) + t * cos)
    sin = float32(1 / 120) + t * (float32(-1 / 5040) + t * float32(1 / 362880))
    sin = x + x * t * (float32(-1 / 6) + t * sin)
    if quadrant & uint32(1):
        cos, sin = -sin, cos
    if quadrant & uint32(2):
        cos, sin = -cos, -sin
    return cos, sin


@_inlined
def _box_muller(a, b):
    u = (float32(uint32(a)) + float32(0.5)) * float32(2.0**-32)
    distance = np.sqrt(float32(-2) * _log(u))
    cos, sin = _cos_sin(b)
    return distance * cos, distance * sin


@_compiled
def _normal(eps, seed, offset, start, stop):
    """Blocks of four, start to stop."""
    _fill(eps[4 * start : 4 * stop], start, seed, offset)


@_compiled
def _fill(eps, first_block, seed, offset):
    """The normals of as many blocks as begin in `eps`, whose length is a multiple of four."""
    for i in range(len(eps) // 4):
        a, b, c, d = _philox(uint64(first_block) + uint64(i), offset, seed)
        eps[4 * i], eps[4 * i + 1] = _box_muller(a, b)
        eps[4 * i + 2], eps[4 * i + 3] = _box_muller(c, d)


@njit(forceinline=True, fastmath={"reassoc"})  # in any order, and so by vectors
def _sum(x):
    total = float32(0)
    for value in x:
        total += value
    return total


@_compiled
def _sample(mu, logvar, eps, z, terms):
    for i in range(len(mu)):
        v = logvar[i]
        sigma = exp(v / float32(2))
        z[i] = mu[i] + sigma * eps[i]
        near = abs(v) < NEAR_0
        excess = v * v * _remainder(v) if near else sigma * sigma - float32(1) - v
        terms[i] = mu[i] * mu[i] + excess


@_compiled
def _forward(mu, logvar, seed, offset, z, kl, first_row, last_row):
    """Rows first_row to last_row of the flat arrays; there is at least one element.

    Chunks lie at multiples of their length whatever the first row, so that the order of a sum
    does not depend on the number of threads. kl holds zeros.
    """
    columns = len(mu) // len(kl)
    first, last = first_row * columns, last_row * columns
    eps, terms = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.float32)
    for chunk in range(first - first % CHUNK, last, CHUNK):
        begin, end = max(first, chunk), min(last, chunk + CHUNK)
        _fill(eps, chunk // 4, seed, offset)
        _sample(mu[begin:end], logvar[begin:end], eps[begin - chunk :], z[begin:end], terms)
        for row in range(begin // columns, -(-end // columns)):
            start, stop = max(begin, row * columns), min(end, (row + 1) * columns)
            kl[row] += _sum(terms[start - begin : stop - begin]) / float32(2)


@_compiled
def _differentiate(g_z, weights, logvar, eps, g_logvar):
    for i in range(len(g_z)):
        v = logvar[i]
        sigma = exp(v / float32(2))
        near = abs(v) < NEAR_0
        excess = v + v * v * _remainder(v) if near else sigma * sigma - float32(1)
        g_logvar[i] = (g_z[i] * sigma * eps[i] + weights[i] * excess) / float32(2)


@_compiled
def _logvar_grad(g_z, g_kl, logvar, seed, offset, g_logvar, first_row, last_row):
    columns = len(g_z) // len(g_kl)
    first, last = first_row * columns, last_row * columns
    eps, weights = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.float32)
    for chunk in range(first - first % CHUNK, last, CHUNK):
        begin, end = max(first, chunk), min(last, chunk + CHUNK)
        _fill(eps, chunk // 4, seed, offset)
        for row in range(begin // columns, -(-end // columns)):
            start, stop = max(begin, row * columns), min(end, (row + 1) * columns)
            weights[start - begin : stop - begin] = g_kl[row]
        _differentiate(
            g_z[begin:end], weights, logvar[begin:end], eps[begin - chunk :], g_logvar[begin:end]
        )


def _flat(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1)


def normal(shape: tuple[int, ...], seed: int, offset: int, dtype: np.dtype) -> np.ndarray:
    if dtype != np.float32:
        return reference.normal(shape, seed, offset, dtype)
    count = math.prod(shape)
    blocks = -(-count // 4)
    eps = np.empty(4 * blocks, np.float32)
    run_if_large(_normal, count, blocks, eps, np.uint64(seed), np.uint64(offset))
    return eps[:count].reshape(shape)


def reparameterize(
    mu: np.ndarray, logvar: np.ndarray, seed: int, offset: int, z: np.ndarray, kl: np.ndarray
) -> None:
    if mu.dtype != np.float32:
        return reference.reparameterize(mu, logvar, seed, offset, z, kl)
    kl[...] = 0
    inputs = _flat(mu), _flat(logvar), np.uint64(seed), np.uint64(offset)
    run_if_large(_forward, z.size, kl.size, *inputs, z.reshape(-1), kl.reshape(-1))


def reparameterize_logvar_grad(
    g_z: np.ndarray, g_kl: np.ndarray, logvar: np.ndarray, seed: int, offset: int
) -> np.ndarray:
    if g_z.dtype != np.float32:
        return reference.reparameterize_logvar_grad(g_z, g_kl, logvar, seed, offset)
    g_logvar = np.empty(g_z.shape, np.float32)
    inputs = _flat(g_z), _flat(g_kl), _flat(logvar), np.uint64(seed), np.uint64(offset)
    run_if_large(_logvar_grad, g_z.size, g_kl.size, *inputs, g_logvar.reshape(-1))
    return g_logvar
