"""Normalisation of groups on the CPU, by Numba.

With the channels last in memory an example is a matrix (positions, channels). Every loop runs along
its rows, over independent elements, so that LLVM turns it into vector instructions. Several
positions together form one long row. Sums are in the arrays' dtype over BLOCK rows, and in float64
over the blocks. An example stays in the cache from the first pass over it to the last. The cores
share the examples; a single one, as in batch normalisation, has one core.

A core works in `lines`, as long as a row, and in `totals`, which have a number for each channel.
NumPy makes both for every example, and a core uses those of its first one: a kernel that makes no
array is compiled sooner.
"""

from functools import lru_cache, partial
from math import prod

import numpy as np

from kernels.cpu.compile import njit_kernel
from kernels.cpu.symbols import by_symbol
from kernels.cpu.threads import run, run_if_large
from kernels.group_norm import reference

BLOCK = 64  # rows
ROW_LENGTH = 128  # elements, about: a loop over fewer is slow
_njit = partial(njit_kernel, error_model="numpy", fastmath={"contract", "reassoc"}, _nrt=False)


def group_norm(x, w, b, groups, eps):
    rows = _rows(x)
    y = np.empty_like(rows)
    lines, totals = _lines(rows, 4), _totals(x, 1)
    run(_forward, len(x), rows, w, b, y, lines, totals, groups, eps)
    return _images(y, x.shape)


def group_norm_input_grad(g, x, w, groups, eps):
    rows = _rows(x)
    d = np.empty_like(rows)
    lines, totals = _lines(rows, 4), _totals(x, 4)
    run(_input_grad, len(x), _rows(g), rows, w, d, lines, totals, groups, eps)
    return _images(d, x.shape)


def group_norm_weight_grad(g, x, groups, eps):
    d, rows = np.empty(x.shape[:2]), _rows(x)
    lines, totals = _lines(rows, 3), _totals(x, 2)
    run(_weight_grad, len(x), _rows(g), rows, d, lines, totals, groups, eps)
    return d.sum(axis=0).astype(x.dtype)


def sum_by_channel(x):
    if x.ndim == 2:
        return reference.sum_by_channel(x)
    d, rows = np.empty(x.shape[:2]), _rows(x)
    work = max(1, x.size // 8)  # it reads and does not write
    run_if_large(_channel_sums, work, len(x), rows, d, _lines(rows, 1))
    return d.sum(axis=0).astype(x.dtype)


def running_moments(x, mean, var, momentum):
    reference.running_moments(x, mean, var, momentum, sum_by_channel)


def _rows(images):
    """(N, rows, positions of a row times C): a view if the channels are last in memory."""
    shape, last, _, _ = _layout(images.shape)
    return np.ascontiguousarray(images.transpose(last)).reshape(shape)


def _images(rows, shape):
    _, _, channels_last, second = _layout(shape)
    return rows.reshape(channels_last).transpose(second)


@lru_cache(maxsize=1024)
def _layout(shape):
    """Of images of this shape: the shape of `_rows`, and the order of axes with channels last;
    their shape in that order, and the order that gives back this one."""
    n, c, *size = shape
    positions, ndim = prod(size), len(shape)
    together = max((k for k in range(2, ROW_LENGTH // c + 1) if positions % k == 0), default=1)
    rows = n, positions // together, together * c
    return rows, (0, *range(2, ndim), 1), (n, *size, c), (0, ndim - 1, *range(1, ndim - 1))


def _lines(rows, count):
    return np.empty((len(rows), count, rows.shape[2]), rows.dtype)


def _totals(x, count):
    return np.empty((len(x), count, x.shape[1]))


@_njit
def _forward(x, w, b, y, lines, totals, groups, eps, start, stop):
    mean, scale, shift, block = lines[start, 0], lines[start, 1], lines[start, 2], lines[start, 3]
    r = totals[start, 0]
    _spread(b, shift)
    for n in range(start, stop):
        _moments(x[n], groups, eps, block, mean, r)
        for c in range(len(r)):
            r[c] *= w[c]
        _spread(r, scale)
        for p in range(x.shape[1]):
            row, out = x[n, p], y[n, p]
            for c in range(len(row)):
                out[c] = (row[c] - mean[c]) * scale[c] + shift[c]


@_njit
def _input_grad(g, x, w, d, lines, totals, groups, eps, start, stop):
    mean, mean_g, scale, slope = lines[start, 0], lines[start, 1], lines[start, 2], lines[start, 3]
    r, wr, g_sums, sums = totals[start, 0], totals[start, 1], totals[start, 2], totals[start, 3]
    count = x[0].size // groups
    for n in range(start, stop):
        _moments(x[n], groups, eps, slope, mean, r)
        _products(g[n], x[n], mean, mean_g, slope, g_sums, sums)
        for c in range(len(w)):
            wr[c] = w[c] * r[c]
            g_sums[c] *= wr[c]
            sums[c] *= wr[c]
        _average(g_sums, groups, count, g_sums)
        _average(sums, groups, count, sums)
        for c in range(len(w)):
            sums[c] *= r[c] * r[c]
        _spread(wr, scale)
        _spread(g_sums, mean_g)
        _spread(sums, slope)
        for p in range(x.shape[1]):
            row, g_row, out = x[n, p], g[n, p], d[n, p]
            for c in range(len(row)):
                out[c] = g_row[c] * scale[c] - mean_g[c] - (row[c] - mean[c]) * slope[c]


@_njit
def _weight_grad(g, x, d, lines, totals, groups, eps, start, stop):
    mean, g_block, block = lines[start, 0], lines[start, 1], lines[start, 2]
    r, g_sums = totals[start, 0], totals[start, 1]
    for n in range(start, stop):
        _moments(x[n], groups, eps, block, mean, r)
        _products(g[n], x[n], mean, g_block, block, g_sums, d[n])
        for c in range(len(r)):
            d[n, c] *= r[c]


@_njit
def _channel_sums(x, d, lines, start, stop):
    block = lines[start, 0]
    for n in range(start, stop):
        _sums(x[n], block, d[n])


@by_symbol
@_njit
def _moments(rows, groups, eps, block, mean, r):
    """For each channel the mean of its group, along a row, and r = 1 / sqrt(var + eps)."""
    count = rows.size // groups
    _sums(rows, block, r)
    _average(r, groups, count, r)
    _spread(r, mean)
    _squares(rows, mean, block, r)
    _average(r, groups, count, r)
    for c in range(len(r)):
        r[c] = 1 / np.sqrt(r[c] + eps)


@by_symbol
@_njit
def _average(sums, groups, count, means):
    """For each channel the mean over its group of `count` elements, from the channels' sums."""
    size = len(sums) // groups
    for first in range(0, len(sums), size):
        total = 0.0
        for c in range(first, first + size):
            total += sums[c]
        for c in range(first, first + size):
            means[c] = total / count


@by_symbol
@_njit
def _spread(values, row):
    """Copy the value of each channel to all of its elements in a row."""
    for first in range(0, len(row), len(values)):
        for c in range(len(values)):
            row[first + c] = values[c]


@by_symbol
@_njit
def _sums(rows, block, sums):
    """For each channel the sum over the positions."""
    sums[:] = 0
    for start in range(0, len(rows), BLOCK):
        block[:] = 0
        for p in range(start, min(start + BLOCK, len(rows))):
            row = rows[p]
            for c in range(len(row)):
                block[c] += row[c]
        _gather(block, sums)


@by_symbol
@_njit
def _squares(rows, mean, block, sums):
    """For each channel the sum of (x - mean)^2 over the positions."""
    sums[:] = 0
    for start in range(0, len(rows), BLOCK):
        block[:] = 0
        for p in range(start, min(start + BLOCK, len(rows))):
            row = rows[p]
            for c in range(len(row)):
                block[c] += (row[c] - mean[c]) * (row[c] - mean[c])
        _gather(block, sums)


@by_symbol
@_njit
def _products(g, rows, mean, g_block, block, g_sums, sums):
    """For each channel the sums of g and of g (x - mean) over the positions."""
    g_sums[:], sums[:] = 0, 0
    for start in range(0, len(rows), BLOCK):
        g_block[:], block[:] = 0, 0
        for p in range(start, min(start + BLOCK, len(rows))):
            row, g_row = rows[p], g[p]
            for c in range(len(row)):
                g_block[c] += g_row[c]
                block[c] += g_row[c] * (row[c] - mean[c])
        _gather(g_block, g_sums)
        _gather(block, sums)


@by_symbol
@_njit
def _gather(block, sums):
    """Add the elements of a row to the sums of their channels."""
    for first in range(0, len(block), len(sums)):
        for c in range(len(sums)):
            sums[c] += block[first + c]
