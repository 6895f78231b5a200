"""Convolution on the CPU: an implicit matrix product, in register tiles.

With x padded, its channels last in memory and (N, OH, OW) read as one index of pixels, the three
readings of the trilinear form are products of matrices that need not be built: tables give the
place of each of their elements (`kernels.cpu.register_tile`). With `pixels[p]` the corner of the
window of output pixel p, and `window[k]` the place of (tap, channel) k in a window,

    forward        y[p, :]     += sum over k of  x[pixels[p] + window[k]] W[k, :]
    weight grad    W[k, :]     += sum over p of  x[pixels[p] + window[k]] g[p, :]
    input grad     x[pixels[p] + tap, :] += sum over o of  g[p, o] W[tap, o, :]    for each tap

(for few channels, all taps of a window at once: the sum over o of g[p, o] W[o, k], for each k).
With stride 1 the first is the last with the kernel rotated by half a turn, and the other way round;
and the weight gradient is itself with the two arrays exchanged. The reading is used whose columns
fill vectors. After a rotation other numbers are multiplied by the zeros of the padding, which for a
number that is not finite gives NaN: where there is one, the reading is that of the definition.

Only the listed taps are in the tables: a masked convolution is this with fewer taps. The cores
share the images; several small ones are one product, and only images that need padding are copied.
Any memory layout is accepted. The results are (N, C, H, W) with the channels last in memory: the
layout that the next convolution reads without a copy.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from kernels.conv2d.reference import output_size
from kernels.cpu import threads
from kernels.cpu.compile import njit_cached
from kernels.cpu.register_tile import REGISTER_BYTES, VECTORS, pitch, product, whole_vectors

threads.take_cores_from_blas()

MIN_PIXELS = 128  # of a product: several small images are one
MAX_SHARES, SHARE_PIXELS = 16, 2**11  # of a sum over pixels: how many, and the least size of each
CHUNK = 2**15  # bytes of B that stay in the cache from one tile to the next

Pair = tuple[int, int]


class Geometry(NamedTuple):
    """Where the windows lie, and their taps."""

    kernel_size: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    taps: tuple[int, ...]
    """The live ones, in the order of their matrices."""


def conv2d(x, w, stride, padding, dilation, b=None, taps=None):
    size = output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    geometry = _geometry(w.shape[2:], stride, padding, dilation, taps)
    matrices, rotated = _live(w, geometry.taps).transpose(2, 1, 0), _rotated(geometry)
    if not rotated or not _is_narrow(matrices) or not _finite(matrices):
        return _gathered(x, matrices, b, size, geometry)
    y = _scattered(x, matrices, size, rotated)
    if b is not None:
        y += b.reshape(-1, 1, 1)
    return y


def conv2d_input_grad(g, w, input_size, stride, padding, dilation, taps=None):
    geometry = _geometry(w.shape[2:], stride, padding, dilation, taps)
    matrices, rotated = _live(w, geometry.taps).transpose(2, 0, 1), _rotated(geometry)
    if not rotated or _is_narrow(matrices) or not _finite(matrices):
        return _scattered(g, matrices, input_size, geometry)
    return _gathered(g, matrices, None, input_size, rotated)


def conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, taps=None):
    geometry = _geometry(kernel_size, stride, padding, dilation, taps)
    (c, wide_c), (o, wide_o) = ((n, whole_vectors(n, x.itemsize)) for n in (x.shape[1], g.shape[1]))
    rotated, matrices = _rotated(geometry), None
    if rotated and o * wide_c < c * wide_o:
        matrices = _correlated(g, x, rotated).transpose(0, 2, 1)
    if matrices is None or not _finite(matrices):
        matrices = _correlated(x, g, geometry)
    w = np.zeros((o, c, kernel_size[0] * kernel_size[1]), g.dtype)
    w[:, :, geometry.taps] = matrices.transpose(2, 1, 0)
    return w.reshape(o, c, *kernel_size)


def _geometry(kernel_size, stride, padding, dilation, taps):
    taps = range(kernel_size[0] * kernel_size[1]) if taps is None else taps.tolist()
    return Geometry(kernel_size, stride, padding, dilation, tuple(taps))


@lru_cache
def _rotated(geometry):
    """The geometry with which an input gradient is a convolution, and the other way round.

    From y[i] = sum of x[i + a d - p] w[a] over a follows, with a' = K - 1 - a, that
    dx[h] = sum of g[h + a' d - (d (K - 1) - p)] w[a]: the kernel rotated by half a turn. None if
    the stride is not 1, or the padding would be negative.
    """
    kernel_size, stride, padding, dilation, taps = geometry
    outside = tuple(d * (k - 1) - p for d, k, p in zip(dilation, kernel_size, padding))
    if stride != (1, 1) or min(outside) < 0:
        return None
    last = kernel_size[0] * kernel_size[1] - 1
    return Geometry(kernel_size, stride, outside, dilation, tuple(last - tap for tap in taps))


def _is_narrow(matrices):
    """Whether the columns of one tap leave vectors half empty that those of all taps would fill."""
    taps, _, columns = matrices.shape
    itemsize = matrices.itemsize
    return 2 * whole_vectors(taps * columns, itemsize) <= taps * whole_vectors(columns, itemsize)


def _gathered(x, matrices, b, size, geometry):
    """By the forward reading: (N, O, *size), with a matrix (C, O) for each tap."""
    weights, wide = _packed(matrices)
    x, y = _channels_last(x), np.empty((len(x), *size, wide), x.dtype)
    start, o = np.zeros(wide, x.dtype), matrices.shape[2]
    start[:o] = 0 if b is None else b
    pixels, window = _tables(x.shape[1:3], size, x.shape[3], geometry)
    threads.run(_forward, len(x), x, weights, start, y, pixels, window, *geometry.padding)
    return np.ascontiguousarray(y[..., :o]).transpose(0, 3, 1, 2)


def _scattered(g, matrices, input_size, geometry):
    """By the reading of the input gradient: (N, C, *input_size), with an (O, C) for each tap."""
    _, o, c = matrices.shape
    narrow = _is_narrow(matrices)
    weights, wide = _packed(matrices.transpose(1, 0, 2).reshape(1, o, -1) if narrow else matrices)
    pixels, window = _tables(input_size, g.shape[2:], c if narrow else wide, geometry)
    kernel, places = (_input_grad_by_window, window) if narrow else (_input_grad, window[::wide])
    x, g = np.empty((len(g), *input_size, c), g.dtype), _channels_last(g)
    threads.run(kernel, len(g), g, weights, x, pixels, places, wide, *geometry.padding)
    return x.transpose(0, 3, 1, 2)


def _correlated(x, g, geometry):
    """By the reading of the weight gradient: (taps, C, O)."""
    c, o = x.shape[1], g.shape[1]
    pixels, window = _tables(x.shape[2:], g.shape[2:], c, geometry)
    x, g = _channels_last(x), _channels_last(g)
    wide = whole_vectors(o, g.itemsize)
    # As many on any number of cores, since the rounding of a sum depends on its shares.
    shares = min(MAX_SHARES, 2 ** max(1, (g.size // o // SHARE_PIXELS).bit_length() - 1))
    weights = np.zeros((min(shares, len(g)), len(window), wide), g.dtype)
    where = pixels, window, pitch(wide, g.itemsize), *geometry.padding
    threads.run(_weight_grad, len(weights), x, g, weights, *where)
    return weights.sum(axis=0)[:, :o].reshape(-1, c, o)


def _finite(array):
    return bool(np.isfinite(array).all())


def _channels_last(images):
    return np.require(images.transpose(0, 2, 3, 1), requirements=["C", "W"])


def _live(w, taps):
    """(O, C, taps)."""
    flat = w.reshape(*w.shape[:2], -1)
    return flat if len(taps) == flat.shape[2] else flat[:, :, taps]


def _packed(matrices):
    """The matrices in rows of whole vectors, a pitch apart, filled with zeros; and their width."""
    *shape, columns = matrices.shape
    wide = whole_vectors(columns, matrices.itemsize)
    packed = np.zeros((*shape, pitch(wide, matrices.itemsize)), matrices.dtype)
    packed[..., :columns] = matrices
    return packed, wide


@lru_cache(maxsize=256)
def _tables(input_size, size, channels, geometry):
    """`pixels` and `window` of padded images, channels last: (images OH OW,), (taps channels,).

    Several small images are one long product, which is faster than many short ones.
    """
    kernel_size, stride, padding, dilation, taps = geometry
    height, width = (n + 2 * p for n, p in zip(input_size, padding))
    together = max(1, MIN_PIXELS // (size[0] * size[1]))
    n, i, j = np.indices((together, *size)).reshape(3, -1)
    a, b = np.divmod(taps, kernel_size[1])
    pixels = ((n * height + i * stride[0]) * width + j * stride[1]) * channels
    corners = (a * dilation[0] * width + b * dilation[1]) * channels
    return pixels, (corners[:, None] + np.arange(channels)).reshape(-1)


@njit_cached
def _forward(x, weights, b, y, pixels, window, top, left, start, stop):
    size = y.shape[1] * y.shape[2]
    together = len(pixels) // size
    buffer = _buffer(together, x.shape, x.shape[3], top, left, x.dtype)
    o, o_pitch = y.shape[-1], weights.shape[-1]
    chunk = _chunk(len(window), o, y.itemsize)
    rows = np.arange(len(pixels)) * o
    for n in range(start, stop, together):
        count = min(together, stop - n)
        padded, corner = _padded(x, n, count, top, left, buffer)
        _fill(y, b, n * size, (n + count) * size)
        for k in range(0, len(window), chunk):
            product(
                padded, corner, pixels[: count * size], window[k : k + chunk],
                weights.reshape(-1), k * o_pitch, o_pitch,
                y.reshape(-1), n * size * o, rows, o,
            )  # fmt: skip


@njit_cached
def _input_grad(g, weights, x, pixels, corners, c, top, left, start, stop):
    size = g.shape[1] * g.shape[2]
    together = len(pixels) // size
    buffer = _buffer(together, x.shape, c, top, left, x.dtype)
    inside = buffer[:, top : top + x.shape[1], left : left + x.shape[2], : x.shape[3]]
    _, o, c_pitch = weights.shape
    rows, outputs = np.arange(len(pixels)) * o, np.arange(o)
    chunk = _chunk(o, c, g.itemsize)
    for n in range(start, stop, together):
        count = min(together, stop - n)
        if len(buffer):
            padded, corner = buffer.reshape(-1), 0
            padded[:] = 0
        else:
            padded, corner = x.reshape(-1), n * x[0].size
            x[n : n + count] = 0
        for t in range(len(corners)):
            for k in range(0, o, chunk):
                product(
                    g.reshape(-1), n * size * o, rows[: count * size], outputs[k : k + chunk],
                    weights.reshape(-1), (t * o + k) * c_pitch, c_pitch,
                    padded, corner + corners[t], pixels, c,
                )  # fmt: skip
        if len(buffer):
            x[n : n + count] = inside[:count]


@njit_cached
def _input_grad_by_window(g, weights, x, pixels, window, wide, top, left, start, stop):
    size = g.shape[1] * g.shape[2]
    together = len(pixels) // size
    _, height, width, c = x.shape
    padded = np.empty((together, height + 2 * top, width + 2 * left, c), x.dtype)
    flat = padded.reshape(-1)
    windows = np.empty((len(pixels), wide), x.dtype)
    _, o, w_pitch = weights.shape
    numbers, outputs = np.arange(len(pixels)), np.arange(o)
    chunk = _chunk(o, wide, g.itemsize)
    for n in range(start, stop, together):
        count = min(together, stop - n)
        windows[:] = 0
        for k in range(0, o, chunk):
            product(
                g.reshape(-1), n * size * o, numbers[: count * size] * o, outputs[k : k + chunk],
                weights.reshape(-1), k * w_pitch, w_pitch,
                windows.reshape(-1), 0, numbers * wide, wide,
            )  # fmt: skip
        flat[:] = 0
        for p in range(count * size):
            for k in range(len(window)):
                flat[pixels[p] + window[k]] += windows[p, k]
        x[n : n + count] = padded[:count, top : top + height, left : left + width]


@njit_cached
def _weight_grad(x, g, weights, pixels, window, g_pitch, top, left, first_share, last_share):
    """`weights` holds zeros, a matrix for each share of the images."""
    size = g.shape[1] * g.shape[2]
    together = len(pixels) // size
    buffer = _buffer(together, x.shape, x.shape[3], top, left, x.dtype)
    shares, _, o = weights.shape
    g_buffer = _buffer(together, g.shape, g_pitch, 0, 0, g.dtype)
    rows = np.arange(len(window)) * o
    chunk = _chunk(len(pixels), o, g.itemsize)
    for share in range(first_share, last_share):
        stop = len(x) * (share + 1) // shares
        for n in range(len(x) * share // shares, stop, together):
            count = min(together, stop - n)
            padded, corner = _padded(x, n, count, top, left, buffer)
            g_flat, first = _padded(g, n, count, 0, 0, g_buffer)
            for p in range(0, count * size, chunk):
                product(
                    padded, corner, window, pixels[p : min(p + chunk, count * size)],
                    g_flat, first + p * g_pitch, g_pitch,
                    weights[share].reshape(-1), 0, rows, o,
                )  # fmt: skip


@njit_cached
def _fill(y, b, start, stop):
    """Fill the pixels start to stop of y, counted over all images, with b (O,)."""
    pixels = y.reshape(-1, len(b))
    for p in range(start, stop):
        for j in range(len(b)):
            pixels[p, j] = b[j]


@njit_cached
def _chunk(terms, columns, itemsize):
    """The terms of a sum for one product, in equal parts: those that are CHUNK of a tile's B."""
    limit = CHUNK // (min(columns * itemsize, VECTORS * REGISTER_BYTES))
    return -(-terms // -(-terms // limit))


@njit_cached
def _buffer(count, shape, channels, top, left, dtype):
    """Zeros for padded images of these channels; empty if the images can be used as they are."""
    _, height, width, c = shape
    if c == channels and top == left == 0:
        count = 0
    return np.zeros((count, height + 2 * top, width + 2 * left, channels), dtype)


@njit_cached
def _padded(images, n, count, top, left, buffer):
    """`count` images from the n-th on, padded: a flat array, and the index where they begin."""
    if not len(buffer):
        return images.reshape(-1), n * images[0].size
    _, height, width, c = images.shape
    pitch = buffer.shape[3]
    piece = c if c < pitch else width * c
    for k in range(count):
        for i in range(height):
            row, padded = images[n + k, i].reshape(-1), buffer[k, top + i, left:].reshape(-1)
            for j in range(0, width * c, piece):
                values, place = row[j : j + piece], padded[j // c * pitch :]
                for m in range(piece):
                    place[m] = values[m]
    return buffer.reshape(-1), 0
