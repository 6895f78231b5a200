"""Sampling from N(mu, sigma^2) on the CPU, by Numba.

The work is cut into chunks that stay in the first-level cache together with their noise, so the
arrays in memory are read and written once. Within a chunk every long loop is over independent
elements, so that LLVM turns it into vector instructions. float64, which is for checking
derivatives, is left to NumPy.
"""

import math

import numpy as np
from numba import float32, njit, uint32, uint64

from kernels.cpu.symbols import by_symbol
from kernels.cpu.threads import run_if_large
from kernels.cpu.vector_math import (
    cos_sin,
    exp,
    exp_remainder,
    log,
    njit_elementwise,
    njit_inlined,
)
from kernels.reparameterize import reference
from kernels.reparameterize.philox import philox
from kernels.series import NEAR_0

CHUNK = 1024  # elements, a multiple of Philox's four

_philox = njit_inlined(philox)


@njit_inlined
def _box_muller(a, b):
    u = (float32(uint32(a)) + float32(0.5)) * float32(2.0**-32)
    distance = np.sqrt(float32(-2) * log(u))
    cos, sin = cos_sin(b)
    return distance * cos, distance * sin


@njit_elementwise
def _normal(eps, seed, offset, start, stop):
    """Blocks of four, start to stop."""
    _fill(eps[4 * start : 4 * stop], start, seed, offset)


@by_symbol
@njit_elementwise
def _fill(eps, first_block, seed, offset):
    """Fill `eps`, whose length is a multiple of four, from block `first_block` on."""
    for i in range(len(eps) // 4):
        a, b, c, d = _philox(uint64(first_block) + uint64(i), offset, seed)
        eps[4 * i], eps[4 * i + 1] = _box_muller(a, b)
        eps[4 * i + 2], eps[4 * i + 3] = _box_muller(c, d)


@njit(forceinline=True, fastmath={"reassoc"})  # in any order, so that LLVM can use vectors
def _sum(x):
    total = float32(0)
    for value in x:
        total += value
    return total


@by_symbol
@njit_elementwise
def _sample(mu, logvar, eps, z, terms):
    for i in range(len(mu)):
        v = logvar[i]
        sigma = exp(v / float32(2))
        z[i] = mu[i] + sigma * eps[i]
        near = abs(v) < NEAR_0
        excess = v * v * exp_remainder(v) if near else sigma * sigma - float32(1) - v
        terms[i] = mu[i] * mu[i] + excess


@njit_elementwise
def _forward(mu, logvar, seed, offset, z, kl, first_row, last_row):
    """Rows first_row to last_row of the flat arrays; there is at least one element.

    Chunks begin at multiples of CHUNK, for every first row, so that the order of a sum does
    not depend on the number of threads. kl holds zeros.
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


@by_symbol
@njit_elementwise
def _differentiate(g_z, weights, logvar, eps, g_logvar):
    for i in range(len(g_z)):
        v = logvar[i]
        sigma = exp(v / float32(2))
        near = abs(v) < NEAR_0
        excess = v + v * v * exp_remainder(v) if near else sigma * sigma - float32(1)
        g_logvar[i] = (g_z[i] * sigma * eps[i] + weights[i] * excess) / float32(2)


@njit_elementwise
def _logvar_grad(g_z, g_kl, logvar, seed, offset, g_logvar, first_row, last_row):
    columns = len(g_z) // len(g_kl)
    first, last = first_row * columns, last_row * columns
    eps, weights = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.float32)
    for chunk in range(first - first % CHUNK, last, CHUNK):
        begin, end = max(first, chunk), min(last, chunk + CHUNK)
        _fill(eps, chunk // 4, seed, offset)
        for row in range(begin // columns, -(-end // columns)):
            start, stop = max(begin, row * columns), min(end, (row + 1) * columns)
            for i in range(start - begin, stop - begin):
                weights[i] = g_kl[row]
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
