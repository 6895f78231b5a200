"""Convolution on the CPU: an implicit matrix product, in register tiles.

With the channels of x last in memory and (N, OH, OW) read as one index of pixels, the three
readings of the trilinear form are products of matrices that need not be built: tables give the
place of each of their elements (`tables.py`, for `kernels.cpu.register_tile`). With `pixels[p]` the
corner of the window of output pixel p, and `window[k]` the place of (tap, channel) k in a window,

    forward        y[p, :]     += sum over k of  x[pixels[p] + window[k]] W[k, :]
    weight grad    W[k, :]     += sum over p of  x[pixels[p] + window[k]] g[p, :]
    input grad     x[pixels[p] + tap, :] += sum over o of  g[p, o] W[tap, o, :]    for each tap

(for few channels, all taps of a window at once: the sum over o of g[p, o] W[o, k], for each k).
With stride 1 the first is the last with the kernel rotated by half a turn, and the other way round;
and the weight gradient is itself with the two arrays exchanged. The reading is used whose columns
fill vectors. After a rotation other numbers are multiplied by the zeros of the padding, which for a
number that is not finite gives NaN: where there is one, the reading is that of the definition.

A tap in the padding is not multiplied: pixels whose windows have the same taps inside of the image
are one product. At 7 x 7 that saves a fifth. Images are copied into zeros only for a weight
gradient, for few channels, whose products would be short, and for weights that are not finite,
since zeros make NaN of infinity.

Only the listed taps are in the tables: a masked convolution is this with fewer taps. The cores
share the images, and several small ones are one product. Any memory layout is accepted. The results
are (N, C, H, W) with the channels last in memory: the layout that the next convolution reads
without a copy.
"""

from functools import partial

import numpy as np

from kernels.conv2d.reference import output_size
from kernels.conv2d.tables import (
    chunk_of,
    gather_products,
    geometry_of,
    padded_tables,
    rotated_half_a_turn,
    scatter_products,
)
from kernels.cpu import threads
from kernels.cpu.compile import njit_kernel
from kernels.cpu.flat import flat
from kernels.cpu.register_tile import (
    REGISTER_BYTES,
    ROWS,
    VECTORS,
    in_strips,
    product,
    whole_vectors,
)
from kernels.cpu.symbols import by_symbol

threads.take_cores_from_blas()

MAX_SHARES, SHARE_PIXELS = 16, 2**11  # of a sum over pixels: how many, and the least size of each

_njit = partial(njit_kernel, _nrt=False)  # makes no array: there are no references to count


def conv2d(x, w, stride, padding, dilation, b=None, taps=None):
    size = output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    geometry = geometry_of(w.shape[2:], stride, padding, dilation, taps)
    matrices, rotated = _live(w, geometry.taps).transpose(2, 1, 0), rotated_half_a_turn(geometry)
    if not rotated or not _is_narrow(matrices) or not _finite(matrices):
        return _gathered(x, matrices, b, size, geometry)
    y = _scattered(x, matrices, size, rotated)
    if b is not None:
        y += b.reshape(-1, 1, 1)
    return y


def conv2d_input_grad(g, w, input_size, stride, padding, dilation, taps=None):
    geometry = geometry_of(w.shape[2:], stride, padding, dilation, taps)
    matrices, rotated = _live(w, geometry.taps).transpose(2, 0, 1), rotated_half_a_turn(geometry)
    if not rotated or _is_narrow(matrices) or not _finite(matrices):
        return _scattered(g, matrices, input_size, geometry)
    return _gathered(g, matrices, None, input_size, rotated)


def conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, taps=None):
    geometry = geometry_of(kernel_size, stride, padding, dilation, taps)
    (c, wide_c), (o, wide_o) = ((n, whole_vectors(n, x.itemsize)) for n in (x.shape[1], g.shape[1]))
    rotated, matrices = rotated_half_a_turn(geometry), None
    if rotated and o * wide_c < c * wide_o:
        matrices = _correlated(g, x, rotated).transpose(0, 2, 1)
    if matrices is None or not _finite(matrices):
        matrices = _correlated(x, g, geometry)
    w = np.zeros((o, c, kernel_size[0] * kernel_size[1]), g.dtype)
    w[:, :, geometry.taps] = matrices.transpose(2, 1, 0)
    return w.reshape(o, c, *kernel_size)


def _is_narrow(matrices):
    """Whether the columns of one tap leave vectors half empty that those of all taps would fill."""
    taps, _, columns = matrices.shape
    itemsize = matrices.itemsize
    return 2 * whole_vectors(taps * columns, itemsize) <= taps * whole_vectors(columns, itemsize)


def _gathered(x, matrices, b, size, geometry):
    """By the forward reading: (N, O, *size), with a matrix (C, O) for each tap."""
    _, c, o = matrices.shape
    x, weights = _channels_last(x), in_strips(matrices.reshape(-1, o))
    if c < ROWS or not _finite(matrices):
        (top, left), geometry = geometry.padding, geometry._replace(padding=(0, 0))
        x = np.pad(x, ((0, 0), (top, top), (left, left), (0, 0)))
    y = np.empty((len(x), *size, whole_vectors(o, x.itemsize)), x.dtype)
    start = np.zeros(y.shape[-1], x.dtype)
    start[:o] = 0 if b is None else b
    products = gather_products(x.shape[1:], y.shape[1:], x.itemsize, geometry)
    threads.run(_multiply, len(x), x, weights, start, y, *products)
    return np.ascontiguousarray(y[..., :o]).transpose(0, 3, 1, 2)


def _scattered(g, matrices, input_size, geometry):
    """By the reading of the input gradient: (N, C, *input_size), with an (O, C) for each tap."""
    _, o, c = matrices.shape
    g = _channels_last(g)
    if _is_narrow(matrices):
        weights = in_strips(matrices.transpose(1, 0, 2).reshape(o, -1))
        pixels, window = padded_tables(input_size, g.shape[1:3], c, geometry)
        x = np.empty((len(g), *input_size, c), g.dtype)
        wide = whole_vectors(len(window), g.itemsize)
        numbers, chunk = np.arange(len(pixels)), chunk_of(o, wide, g.itemsize)
        tables = pixels, window, numbers * o, np.arange(o), numbers * wide, wide
        threads.run(_add_windows, len(g), g, weights, x, *tables, chunk, *geometry.padding)
    else:
        weights = in_strips(matrices.reshape(-1, c))
        x = np.empty((len(g), *input_size, whole_vectors(c, g.itemsize)), g.dtype)
        start = np.zeros(x.shape[-1], g.dtype)
        products = scatter_products(x.shape[1:], g.shape[1:], g.itemsize, geometry)
        threads.run(_multiply, len(g), g, weights, start, x, *products)
        x = np.ascontiguousarray(x[..., :c])
    return x.transpose(0, 3, 1, 2)


def _correlated(x, g, geometry):
    """By the reading of the weight gradient: (taps, C, O)."""
    c, o = x.shape[1], g.shape[1]
    pixels, window = padded_tables(x.shape[2:], g.shape[2:], c, geometry)
    x, g = _channels_last(x), _channels_last(g)
    wide = whole_vectors(o, g.itemsize)
    # As many on any number of cores, since the rounding of a sum depends on its shares.
    shares = min(MAX_SHARES, 2 ** max(1, (g.size // o // SHARE_PIXELS).bit_length() - 1))
    weights = np.zeros((min(shares, len(g)), len(window), wide), g.dtype)
    rows, chunk = np.arange(len(window)) * wide, chunk_of(len(pixels), wide, g.itemsize)
    tables = pixels, window, rows
    threads.run(_weight_grad, len(weights), x, g, weights, *tables, chunk, *geometry.padding)
    return weights.sum(axis=0)[:, :o].reshape(-1, c, o)


def _finite(array):
    return bool(np.isfinite(array).all())


def _channels_last(images):
    return np.require(images.transpose(0, 2, 3, 1), requirements=["C", "W"])


def _live(w, taps):
    """(O, C, taps)."""
    flat = w.reshape(*w.shape[:2], -1)
    return flat if len(taps) == flat.shape[2] else flat[:, :, taps]


@_njit
def _multiply(a, b, start_values, c, together, chunks, a_rows, c_rows, a_steps, start, stop):
    """C: in each pixel the start values, plus the products of A with B, some images `together`."""
    a_size = a.shape[1] * a.shape[2] * a.shape[3]
    size, columns = c.shape[1] * c.shape[2], c.shape[3]
    _, rows, width = b.shape
    for n in range(start, stop, together):
        count = min(together, stop - n)
        _fill(flat(c), start_values, n * size, (n + count) * size)
        for b_row, row, last_row, step, last_step in chunks:
            last_row = row + (last_row - row) * count // together
            product(
                flat(a), n * a_size, a_rows[row:last_row], a_steps[step:last_step],
                flat(b), b_row * width, rows * width,
                flat(c), n * size * columns, c_rows[row:last_row], columns,
            )  # fmt: skip


@njit_kernel
def _add_windows(
    g, weights, x, pixels, window, g_rows, g_steps, rows, wide, chunk, top, left, start, stop
):
    """Of each pixel of g a row of the window's elements, `wide` apart, added where they belong."""
    size, o = g.shape[1] * g.shape[2], g.shape[3]
    together = len(pixels) // size
    _, height, width, c = x.shape
    _, _, strip = weights.shape
    line, padded_line, padded_height = width * c, (width + 2 * left) * c, height + 2 * top
    padded = np.empty(together * padded_height * padded_line, x.dtype)
    windows = np.empty(len(pixels) * wide, x.dtype)
    for n in range(start, stop, together):
        count = min(together, stop - n)
        _clear(windows)
        for k in range(0, o, chunk):
            product(
                flat(g), n * size * o, g_rows[: count * size], g_steps[k : min(k + chunk, o)],
                flat(weights), k * strip, o * strip,
                windows, 0, rows, wide,
            )  # fmt: skip
        _clear(padded)
        for p in range(count * size):
            values = windows[rows[p] :]
            for k in range(len(window)):
                padded[pixels[p] + window[k]] += values[k]
        for k in range(count * height):
            image, i = k // height, k % height
            inner = (image * padded_height + top + i) * padded_line + left * c
            _copy(padded, inner, flat(x), (n * height + k) * line, line)


@njit_kernel
def _weight_grad(x, g, weights, pixels, window, rows, chunk, top, left, first_share, last_share):
    """`weights` holds zeros, a matrix for each share of the images; `rows` are its rows' places."""
    _, height, width, c = x.shape
    size, o = g.shape[1] * g.shape[2], g.shape[3]
    together = len(pixels) // size
    shares, _, wide = weights.shape
    line, padded_line, padded_height = width * c, (width + 2 * left) * c, height + 2 * top
    padded = np.empty(together * padded_height * padded_line, x.dtype)
    strip = min(wide, VECTORS * REGISTER_BYTES // g.itemsize)
    strips = np.empty(-(-o // strip) * len(pixels) * strip, g.dtype)
    _clear(strips)
    if top or left:
        _clear(padded)
    for share in range(first_share, last_share):
        stop = len(x) * (share + 1) // shares
        for n in range(len(x) * share // shares, stop, together):
            count = min(together, stop - n)
            images, first = flat(x), n * height * line
            if top or left:
                for k in range(count * height):
                    image, i = k // height, k % height
                    inner = (image * padded_height + top + i) * padded_line + left * c
                    _copy(images, first + k * line, padded, inner, line)
                images, first = padded, 0
            _pack(flat(g), n * size, count * size, o, strips, len(pixels), strip)
            for p in range(0, count * size, chunk):
                product(
                    images, first, window, pixels[p : min(p + chunk, count * size)],
                    strips, p * strip, len(pixels) * strip,
                    flat(weights), share * len(rows) * wide, rows, wide,
                )  # fmt: skip


# An index into a slice that counts from 0 becomes vector instructions, an index that is a sum none.


@by_symbol
@_njit
def _pack(b, first, rows, columns, strips, strip_rows, width):
    """Some rows of B in strips of so many rows, as by `in_strips`."""
    for p in range(rows):
        for left in range(0, columns, width):
            row, place = b[(first + p) * columns + left :], strips[left * strip_rows + p * width :]
            for j in range(min(width, columns - left)):
                place[j] = row[j]


@by_symbol
@_njit
def _copy(source, first, target, place, count):
    row, copy = source[first:], target[place:]
    for j in range(count):
        copy[j] = row[j]


@by_symbol
@_njit
def _clear(array):
    for j in range(len(array)):
        array[j] = 0


@by_symbol
@_njit
def _fill(y, b, start, stop):
    """Fill the pixels start to stop of y, counted over all images, with b (O,)."""
    for p in range(start, stop):
        pixel = y[p * len(b) :]
        for j in range(len(b)):
            pixel[j] = b[j]
