"""Sampling from N(mu, sigma^2) on a GPU, in Numba-CUDA.

A thread computes four neighbouring elements, those of one Philox block, with 128-bit loads and
stores. A row, which is one sum of the KL divergence, has `lanes` threads, a power of two; a thread
block has as many rows as fit. Where a Philox block lies across the end of a row, each of the two
rows computes it and keeps its own elements: the sums then need no atomics, and their order is
always the same.
"""

import math
from typing import Any

import numpy as np
from numba import cuda, float32, int32, uint32, uint64

from kernels.cuda.intrinsics import load4, store4
from kernels.cuda.launch import SIMULATED, launch
from kernels.dispatch import Array, namespace
from kernels.reparameterize.philox import philox
from kernels.series import NEAR_0, remainder

THREADS = 256  # in a thread block

_philox = cuda.jit(device=True)(philox)
_remainder = cuda.jit(device=True, fastmath=True)(remainder)


@cuda.jit(device=True)  # without fastmath, whose log is wrong near 0, where u is near 1
def _log_uniform(word):
    return math.log((float32(uint32(word)) + float32(0.5)) * float32(2.0**-32))


@cuda.jit(device=True, fastmath=True)
def _box_muller(a, b):
    distance = math.sqrt(float32(-2) * _log_uniform(a))
    angle = float32(int32(uint32(b))) * float32(math.pi * 2.0**-31)  # -pi to pi: cos is best there
    return distance * math.cos(angle), distance * math.sin(angle)


@cuda.jit(device=True, fastmath=True)
def _normals(block, seed, offset):
    a, b, c, d = _philox(uint64(block), offset, seed)
    return _box_muller(a, b) + _box_muller(c, d)


@cuda.jit(device=True)
def _load(array, i, first, last, whole):
    """array[i : i + 4], with zeros outside of first <= . < last. `whole`: all four are inside."""
    if whole:
        return load4(array, i)
    return (
        array[uint64(i)] if first <= i < last else float32(0),
        array[uint64(i + 1)] if first <= i + 1 < last else float32(0),
        array[uint64(i + 2)] if first <= i + 2 < last else float32(0),
        array[uint64(i + 3)] if first <= i + 3 < last else float32(0),
    )


@cuda.jit(device=True)
def _store(array, i, first, last, whole, values):
    if whole:
        store4(array, i, values[0], values[1], values[2], values[3])
    else:
        if first <= i < last:
            array[uint64(i)] = values[0]
        if first <= i + 1 < last:
            array[uint64(i + 1)] = values[1]
        if first <= i + 2 < last:
            array[uint64(i + 2)] = values[2]
        if first <= i + 3 < last:
            array[uint64(i + 3)] = values[3]


@cuda.jit(device=True, fastmath=True)
def _sample(mu, logvar, eps):
    """z, and twice the KL divergence, which is 0 for mu = logvar = 0, as outside of the row."""
    sigma = math.exp(float32(0.5) * logvar)
    if math.fabs(logvar) < NEAR_0:
        excess = logvar * logvar * _remainder(logvar)
    else:
        excess = sigma * sigma - float32(1) - logvar
    return mu + sigma * eps, mu * mu + excess


@cuda.jit(fastmath=True)
def _forward(mu, logvar, z, kl, seed, offset, columns, aligned):
    partial = cuda.shared.array(THREADS, float32)
    lane, lanes = cuda.threadIdx.x, cuda.blockDim.x
    slot = cuda.threadIdx.y * lanes + lane
    row = cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y
    total = float32(0)
    if row < len(kl):
        first, last = row * columns, (row + 1) * columns
        block = (first >> 2) + lane
        while 4 * block < last:
            i = 4 * block
            whole = aligned and first <= i and i + 4 <= last
            m = _load(mu, i, first, last, whole)
            v = _load(logvar, i, first, last, whole)
            eps = _normals(block, seed[0], offset)
            z0, kl0 = _sample(m[0], v[0], eps[0])
            z1, kl1 = _sample(m[1], v[1], eps[1])
            z2, kl2 = _sample(m[2], v[2], eps[2])
            z3, kl3 = _sample(m[3], v[3], eps[3])
            _store(z, i, first, last, whole, (z0, z1, z2, z3))
            total += kl0 + kl1 + kl2 + kl3
            block += lanes
    partial[slot] = total
    half = lanes >> 1
    while half > 0:
        cuda.syncthreads()
        if lane < half:
            partial[slot] += partial[slot + half]
        half >>= 1
    if lane == 0 and row < len(kl):
        kl[row] = partial[slot] * float32(0.5)


@cuda.jit(device=True, fastmath=True)
def _differentiate(g_z, g_kl, logvar, eps):
    sigma = math.exp(float32(0.5) * logvar)
    if math.fabs(logvar) < NEAR_0:
        excess = logvar + logvar * logvar * _remainder(logvar)
    else:
        excess = sigma * sigma - float32(1)
    return float32(0.5) * (g_z * sigma * eps + g_kl * excess)


@cuda.jit(fastmath=True)
def _logvar_grad(g_z, logvar, g_logvar, g_kl, seed, offset, columns, aligned):
    row = cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y
    if row >= len(g_kl):
        return
    first, last = row * columns, (row + 1) * columns
    weight, key = g_kl[row], seed[0]
    block = (first >> 2) + cuda.threadIdx.x
    while 4 * block < last:
        i = 4 * block
        whole = aligned and first <= i and i + 4 <= last
        g = _load(g_z, i, first, last, whole)
        v = _load(logvar, i, first, last, whole)
        eps = _normals(block, key, offset)
        gradient = (
            _differentiate(g[0], weight, v[0], eps[0]),
            _differentiate(g[1], weight, v[1], eps[1]),
            _differentiate(g[2], weight, v[2], eps[2]),
            _differentiate(g[3], weight, v[3], eps[3]),
        )
        _store(g_logvar, i, first, last, whole, gradient)
        block += cuda.blockDim.x


@cuda.jit(fastmath=True)
def _normal(eps, seed, offset):
    block = cuda.grid(1)
    i, last = 4 * block, len(eps)
    if i < last:
        _store(eps, i, 0, last, i + 4 <= last, _normals(block, seed[0], offset))


def _geometry(rows: int, columns: int) -> tuple[int, tuple[int, int]]:
    """The grid, and the thread block as (threads of a row, rows)."""
    lanes = min(THREADS, 1 << (-(-columns // 4) - 1).bit_length())
    rows_of_block = THREADS // lanes
    return -(-rows // rows_of_block), (lanes, rows_of_block)


def _flat(array: Array) -> Array:
    return namespace(array).ascontiguousarray(array).reshape(-1)


def _aligned(*arrays: Array) -> bool:
    """Whether all begin at a multiple of 16 bytes: new arrays do, slices may not."""
    addresses = (a.ctypes.data if namespace(a) is np else a.data.ptr for a in arrays)
    return all(address % 16 == 0 for address in addresses)


def _seed(seed: Any, like: Array) -> Array:
    """As an array of one, in the memory of the GPU."""
    number = np.array([seed], np.uint64) if isinstance(seed, int) else seed
    return namespace(like).asarray(number).reshape(1)


def normal(shape: tuple[int, ...], seed: Any, offset: int, dtype: np.dtype) -> Array:
    if SIMULATED:
        eps = np.empty(shape, dtype)
    else:
        import cupy

        eps = cupy.empty(shape, dtype)
    if eps.size:
        grid = -(-eps.size // (4 * THREADS))
        launch(_normal, grid, THREADS, eps.reshape(-1), _seed(seed, eps), np.uint64(offset))
    return eps


def reparameterize(mu: Array, logvar: Array, seed: Any, offset: int, z: Array, kl: Array) -> None:
    if not z.size:
        kl[...] = 0
        return
    columns = mu.shape[-1]
    mu, logvar, z, kl = _flat(mu), _flat(logvar), z.reshape(-1), kl.reshape(-1)
    grid, block = _geometry(kl.size, columns)
    numbers = _seed(seed, mu), np.uint64(offset), columns
    launch(_forward, grid, block, mu, logvar, z, kl, *numbers, _aligned(mu, logvar, z))


def reparameterize_logvar_grad(
    g_z: Array, g_kl: Array, logvar: Array, seed: Any, offset: int
) -> Array:
    g_logvar = namespace(g_z).empty(g_z.shape, g_z.dtype)
    if g_z.size:
        arrays = _flat(g_z), _flat(logvar), g_logvar.reshape(-1)
        grid, block = _geometry(g_kl.size, g_z.shape[-1])
        numbers = _seed(seed, g_z), np.uint64(offset), g_z.shape[-1]
        launch(_logvar_grad, grid, block, *arrays, _flat(g_kl), *numbers, _aligned(*arrays))
    return g_logvar
