"""Convolution on the CPU: an implicit matrix product, in register tiles.

With x padded, its channels last in memory and (N, OH, OW) read as one index of pixels, the three
readings of the trilinear form are products of matrices that need not be built, since a table can
say where each of their elements lies (`kernels.register_tile`): with `pixels[p]` the corner of
the window of output pixel p, and `window[k]` the place of (tap, channel) k in a window,

    forward        y[p, :]     += sum over k of  x[pixels[p] + window[k]] W[k, :]
    weight grad    W[k, :]     += sum over p of  x[pixels[p] + window[k]] g[p, :]
    input grad     x[pixels[p] + tap, :] += sum over o of  g[p, o] W[tap, o, :]    for each tap

Only the listed taps are in the tables: a masked convolution is this with fewer. Images are dealt
out to the cores. Any memory layout is taken; the results are (N, C, H, W) whose memory has the
channels last, as the next convolution likes it.
"""

import numpy as np

from kernels.compiled import compiled
from kernels.conv2d.reference import output_size
from kernels.register_tile import pitch, product, whole_vectors
from kernels.threads import keep_blas_to_one_thread, run

keep_blas_to_one_thread()

CHUNK = 128  # terms of a sum: so many rows of B, as wide as a tile of AVX-512, are 32 KiB of cache


def conv2d(x, w, stride, padding, dilation, taps=None):
    (n, c, *input_size), (o, _, *kernel_size) = x.shape, w.shape
    size = output_size(tuple(input_size), tuple(kernel_size), stride, padding, dilation)
    taps = _every_tap(kernel_size) if taps is None else taps
    weights, wide = _packed(w, taps, (2, 1, 0))
    pixels, window = _tables(input_size, size, kernel_size, c, taps, stride, padding, dilation)
    y = np.empty((n, *size, wide), x.dtype)
    x = _channels_last(x)
    run(lambda *share: _forward(x, weights, y, pixels, window, padding, *share), n)
    return np.ascontiguousarray(y[..., :o]).transpose(0, 3, 1, 2)


def conv2d_input_grad(g, w, input_size, stride, padding, dilation, taps=None):
    (n, _, *size), (_, c, *kernel_size) = g.shape, w.shape
    taps = _every_tap(kernel_size) if taps is None else taps
    weights, wide = _packed(w, taps, (2, 0, 1))
    pixels, window = _tables(input_size, size, kernel_size, wide, taps, stride, padding, dilation)
    x = np.empty((n, *input_size, c), g.dtype)
    g, corners = _channels_last(g), window[::wide]
    run(lambda *share: _input_grad(g, weights, x, pixels, corners, wide, padding, *share), n)
    return x.transpose(0, 3, 1, 2)


def conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, taps=None):
    (n, c, *input_size), (_, o, *size) = x.shape, g.shape
    taps = _every_tap(kernel_size) if taps is None else taps
    pixels, window = _tables(input_size, size, kernel_size, c, taps, stride, padding, dilation)
    x, g = _channels_last(x), _channels_last(g)
    wide = whole_vectors(o, g.itemsize)
    g_pitch = pitch(wide, g.itemsize)

    def share_of(start, stop):
        weights = np.zeros((len(window), wide), g.dtype)
        _weight_grad(x, g, weights, pixels, window, g_pitch, padding, start, stop)
        return weights

    total = sum(run(share_of, n))[:, :o].reshape(len(taps), c, o)
    w = np.zeros((o, c, kernel_size[0] * kernel_size[1]), g.dtype)
    w[:, :, taps] = total.transpose(2, 1, 0)
    return w.reshape(o, c, *kernel_size)


def _channels_last(images):
    return images.transpose(0, 2, 3, 1)


def _every_tap(kernel_size):
    return np.arange(kernel_size[0] * kernel_size[1])


def _packed(w, taps, axes):
    """The live taps of w, with axes (O, C, tap) in this order; and how wide the last is, padded."""
    live = w.reshape(*w.shape[:2], -1)[:, :, taps].transpose(axes)
    wide = whole_vectors(live.shape[2], w.itemsize)
    packed = np.zeros((*live.shape[:2], pitch(wide, w.itemsize)), w.dtype)
    packed[..., : live.shape[2]] = live
    return packed, wide


def _tables(input_size, size, kernel_size, channels, taps, stride, padding, dilation):
    """`pixels` and `window` of a padded image, channels last: (OH OW,) and (taps channels,)."""
    width = (input_size[1] + 2 * padding[1]) * channels
    i, j = np.indices(size).reshape(2, -1)
    a, b = np.divmod(taps, kernel_size[1])
    pixels = i * stride[0] * width + j * stride[1] * channels
    corners = a * dilation[0] * width + b * dilation[1] * channels
    return pixels, (corners[:, None] + np.arange(channels)).reshape(-1)


@compiled
def _forward(x, weights, y, pixels, window, padding, start, stop):
    padded, inside = _padded(x.shape, x.shape[3], padding, x.dtype)
    o, o_pitch = y.shape[-1], weights.shape[-1]
    rows = np.arange(len(pixels)) * o
    for n in range(start, stop):
        inside[:] = x[n]
        y[n] = 0
        for k in range(0, len(window), CHUNK):
            product(
                padded, 0, pixels, window[k : k + CHUNK],
                weights.reshape(-1), k * o_pitch, o_pitch,
                y.reshape(-1), n * len(rows) * o, rows, o,
            )  # fmt: skip


@compiled
def _input_grad(g, weights, x, pixels, corners, c, padding, start, stop):
    padded, inside = _padded(x.shape, c, padding, x.dtype)
    seen, all_seen = _padded(g.shape, g.shape[3], (0, 0), g.dtype)
    _, o, c_pitch = weights.shape
    rows, outputs = np.arange(len(pixels)) * o, np.arange(o)
    for n in range(start, stop):
        all_seen[:] = g[n]
        padded[:] = 0
        for t in range(len(corners)):
            for k in range(0, o, CHUNK):
                product(
                    seen, 0, rows, outputs[k : k + CHUNK],
                    weights.reshape(-1), (t * o + k) * c_pitch, c_pitch,
                    padded, corners[t], pixels, c,
                )  # fmt: skip
        x[n] = inside[..., : x.shape[3]]


@compiled
def _weight_grad(x, g, weights, pixels, window, g_pitch, padding, start, stop):
    padded, inside = _padded(x.shape, x.shape[3], padding, x.dtype)
    o = weights.shape[-1]
    seen, all_seen = _padded(g.shape, g_pitch, (0, 0), g.dtype)
    rows = np.arange(len(window)) * o
    for n in range(start, stop):
        inside[:] = x[n]
        all_seen[..., : g.shape[3]] = g[n]
        for p in range(0, len(pixels), CHUNK):
            product(
                padded, 0, window, pixels[p : p + CHUNK],
                seen, p * g_pitch, g_pitch,
                weights.reshape(-1), 0, rows, o,
            )  # fmt: skip


@compiled
def _padded(shape, channels, padding, dtype):
    """Zeros for one padded image, flat; and the view of them inside the padding, (H, W, C)."""
    _, height, width, _ = shape
    (top, left) = padding
    zeros = np.zeros((height + 2 * top, width + 2 * left, channels), dtype)
    return zeros.reshape(-1), zeros[top : top + height, left : left + width]
