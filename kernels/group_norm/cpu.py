"""Normalisation of groups on the CPU, by Numba.

With the channels last in memory an example is a matrix (positions, channels), and every loop runs
along its rows, over independent channels, so that LLVM makes it of vector instructions. Sums are
taken in the arrays' dtype over BLOCK positions, and in float64 over the blocks. An example stays
in the cache from the first of its passes to the last. The cores share the groups of all examples:
so they share those of a single one too, as batch normalisation has it.
"""

from functools import partial

import numpy as np

from kernels.compiled import compiled
from kernels.threads import LARGE, run

BLOCK = 64
_compiled = partial(compiled, error_model="numpy", fastmath={"contract", "reassoc"})


def group_norm(x, w, b, groups, eps):
    rows = _rows(x)
    y = np.empty_like(rows)
    _share(lambda *part: _forward(rows, w, b, y, groups, eps, *part), x, groups)
    return _images(y, x.shape)


def group_norm_input_grad(g, x, w, groups, eps):
    g, rows = _rows(g), _rows(x)
    d = np.empty_like(rows)
    _share(lambda *part: _input_grad(g, rows, w, d, groups, eps, *part), x, groups)
    return _images(d, x.shape)


def group_norm_weight_grad(g, x, groups, eps):
    g, rows = _rows(g), _rows(x)

    def share_of(start, stop):
        d = np.zeros(x.shape[1])
        _weight_grad(g, rows, d, groups, eps, start, stop)
        return d

    return sum(_share(share_of, x, groups)).astype(x.dtype)


def _rows(images):
    """(N, positions, C): a view where the channels are last in memory."""
    n, c, *_ = images.shape
    return np.ascontiguousarray(np.moveaxis(images, 1, -1)).reshape(n, images[0, 0].size, c)


def _images(rows, shape):
    n, c, *size = shape
    return np.moveaxis(rows.reshape(n, *size, c), -1, 1)


def _share(work, x, groups):
    """`work` on the cores' shares of the groups of all examples; on one core if x is small."""
    count = len(x) * groups
    return run(work, count) if x.size >= LARGE else [work(0, count)]


@_compiled
def _forward(x, w, b, y, groups, eps, start, stop):
    for n, first, last in _parts(x, groups, start, stop):
        mean, r = _moments(x, n, first, last, groups, eps)
        scale, shift = (w[first:last] * r).astype(x.dtype), b[first:last]
        for p in range(x.shape[1]):
            row, out = x[n, p, first:last], y[n, p, first:last]
            for c in range(len(row)):
                out[c] = (row[c] - mean[c]) * scale[c] + shift[c]


@_compiled
def _input_grad(g, x, w, d, groups, eps, start, stop):
    for n, first, last in _parts(x, groups, start, stop):
        mean, r = _moments(x, n, first, last, groups, eps)
        scale = w[first:last] * r
        size = x.shape[2] // groups
        zero = np.zeros_like(mean)
        mean_g = _mean(scale * _sums(g, n, first, last), x.shape[1], size).astype(x.dtype)
        mean_gx = _mean(scale * _dots(g, zero, x, mean, n, first, last), x.shape[1], size)
        scale, slope = scale.astype(x.dtype), (r * r * mean_gx).astype(x.dtype)
        for p in range(x.shape[1]):
            row, g_row, out = x[n, p, first:last], g[n, p, first:last], d[n, p, first:last]
            for c in range(len(row)):
                out[c] = g_row[c] * scale[c] - mean_g[c] - (row[c] - mean[c]) * slope[c]


@_compiled
def _weight_grad(g, x, d, groups, eps, start, stop):
    for n, first, last in _parts(x, groups, start, stop):
        mean, r = _moments(x, n, first, last, groups, eps)
        d[first:last] += r * _dots(g, np.zeros_like(mean), x, mean, n, first, last)


@_compiled
def _parts(x, groups, start, stop):
    """(n, first channel, last channel) of the groups start to stop, counted over all examples."""
    size = x.shape[2] // groups
    parts = []  # not a generator: one that is compiled for a second type of x fails in Numba
    while start < stop:
        n = start // groups
        end = min(stop, (n + 1) * groups)
        parts.append((n, (start - n * groups) * size, (end - n * groups) * size))
        start = end
    return parts


@_compiled
def _moments(x, n, first, last, groups, eps):
    """The mean and r = 1 / sqrt(var + eps) of its group, for each channel from first to last."""
    size = x.shape[2] // groups
    mean = _mean(_sums(x, n, first, last), x.shape[1], size).astype(x.dtype)
    var = _mean(_dots(x, mean, x, mean, n, first, last), x.shape[1], size)
    return mean, 1 / np.sqrt(var + eps)


@_compiled
def _mean(sums, positions, size):
    """For each channel the mean over its group of `size`, out of the channels' sums."""
    mean = np.empty_like(sums)
    for c in range(0, len(sums), size):
        mean[c : c + size] = sums[c : c + size].sum() / (size * positions)
    return mean


@_compiled
def _sums(x, n, first, last):
    """The sum over the positions, for each channel from first to last."""
    total, block = np.zeros(last - first), np.empty(last - first, x.dtype)
    for start in range(0, x.shape[1], BLOCK):
        block[:] = 0
        for p in range(start, min(start + BLOCK, x.shape[1])):
            row = x[n, p, first:last]
            for c in range(len(row)):
                block[c] += row[c]
        total += block
    return total


@_compiled
def _dots(g, g_mean, x, x_mean, n, first, last):
    """The sum of (g - g_mean) (x - x_mean) over the positions, likewise."""
    total, block = np.zeros(last - first), np.empty(last - first, x.dtype)
    for start in range(0, x.shape[1], BLOCK):
        block[:] = 0
        for p in range(start, min(start + BLOCK, x.shape[1])):
            g_row, row = g[n, p, first:last], x[n, p, first:last]
            for c in range(len(row)):
                block[c] += (g_row[c] - g_mean[c]) * (row[c] - x_mean[c])
        total += block
    return total
