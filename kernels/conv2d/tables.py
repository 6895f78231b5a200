"""Where the elements of a convolution lie in memory: the tables of its products on the CPU.

Images have the channels last, and (N, OH, OW) is read as one index of pixels. The tables depend on
shapes alone, so they are made once for each.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from kernels.cpu.register_tile import strip_width

PIXELS = 2**9  # of a product: several small images are one, and parts of a large one are several
CHUNK = 2**14  # bytes of B that stay in the cache from one tile to the next

Pair = tuple[int, int]


class Geometry(NamedTuple):
    """Where the windows lie, and their taps."""

    kernel_size: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    taps: tuple[int, ...]
    """The live ones, in the order of their matrices."""


def geometry_of(kernel_size, stride, padding, dilation, taps):
    taps = range(kernel_size[0] * kernel_size[1]) if taps is None else taps.tolist()
    return Geometry(kernel_size, stride, padding, dilation, tuple(taps))


@lru_cache
def rotated_half_a_turn(geometry):
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


def chunk_of(terms, columns, itemsize):
    """The terms of a sum for one product, in equal parts: those that are CHUNK of a strip of B."""
    limit = CHUNK // (strip_width(columns, itemsize) * itemsize)
    return max(1, -(-terms // max(1, -(-terms // limit))))


def _windows(input_size, size, channels, geometry):
    """The windows of an image, or of several small ones, with the channels last in memory.

    The place of the corner of each window, (images OH OW,), and of each tap in a window, (taps,);
    and whether the tap of that window lies inside of the image, (images OH OW, taps).
    """
    kernel_size, stride, padding, dilation, taps = geometry
    height, width = input_size
    n, i, j = np.indices((max(1, PIXELS // (size[0] * size[1])), *size)).reshape(3, -1)
    a, b = np.divmod(taps, kernel_size[1])
    i, j = i * stride[0] - padding[0], j * stride[1] - padding[1]
    a, b = a * dilation[0], b * dilation[1]
    rows, columns = i[:, None] + a, j[:, None] + b
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return ((n * height + i) * width + j) * channels, (a * width + b) * channels, inside


@lru_cache(maxsize=256)
def padded_tables(input_size, size, channels, geometry):
    """`pixels` and `window` of padded images, channels last: (images OH OW,), (taps channels,)."""
    padded = tuple(n + 2 * p for n, p in zip(input_size, geometry.padding))
    pixels, corners, _ = _windows(padded, size, channels, geometry._replace(padding=(0, 0)))
    return pixels, (corners[:, None] + np.arange(channels)).reshape(-1)


@lru_cache(maxsize=256)
def gather_products(image, output, itemsize, geometry):
    """Of `cpu._gathered`: one for pixels whose windows have the same taps inside of an image."""
    (*input_size, c), (*size, wide) = image, output
    pixels, corners, inside = _windows(input_size, size, c, geometry)
    blocks = np.arange(len(pixels)) * -(-size[0] * size[1] // PIXELS) // len(pixels)
    kinds, kind = np.unique(np.column_stack([blocks, inside]), axis=0, return_inverse=True)
    products = []
    for k, (block, *live) in enumerate(kinds):
        rows, taps = np.flatnonzero(kind.reshape(-1) == k), np.flatnonzero(live)
        for run in np.split(taps, np.flatnonzero(np.diff(taps) > 1) + 1):  # neighbours in B
            steps = (corners[run, None] + np.arange(c)).reshape(-1)
            start = run[0] * c if len(run) else 0
            products.append((block, start, pixels[rows], rows * wide, steps))
    return _joined(products, len(pixels) // (size[0] * size[1]), wide, itemsize)


@lru_cache(maxsize=256)
def scatter_products(image, output, itemsize, geometry):
    """Of `cpu._scattered`: one for each tap, of the pixels whose tap is inside of the image."""
    (*input_size, wide), (*size, o) = image, output
    pixels, corners, inside = _windows(input_size, size, wide, geometry)
    products = []
    for tap, corner in enumerate(corners):
        rows = np.flatnonzero(inside[:, tap])
        products.append((0, tap * o, rows * o, pixels[rows] + corner, np.arange(o)))
    return _joined(products, len(pixels) // (size[0] * size[1]), wide, itemsize)


def _joined(products, images, columns, itemsize):
    """The tables of all products, and of each chunk of a product the ends of its part of them.

    Chunks of the same rows of B come one after the other, and those of a sum in its order.
    """
    blocks, starts, *tables = zip(*products)
    first_row, first_step = (np.cumsum([0, *map(len, table)]) for table in tables[::2])
    chunks = []
    for k, (block, start) in enumerate(zip(blocks, starts)):
        terms = len(tables[2][k])
        chunk = chunk_of(terms, columns, itemsize)
        for step in range(0, terms, chunk):
            steps = first_step[k] + step, first_step[k] + min(step + chunk, terms)
            chunks.append((block, start + step, first_row[k], first_row[k + 1], *steps))
    in_order = np.array([ends for _, *ends in sorted(chunks)], np.int64).reshape(-1, 5)
    return images, in_order, *map(np.concatenate, tables)
