"""Convolution on CUDA in five rungs, from the definition to the kernel that is used.

    y[n, o, i, j] = sum over c, a, b of x[n, c, i s + a d - p, j s + b d - p] w[o, c, a, b]

Every rung computes the same, in float32, and changes one thing of the rung before. The first four
are here; the fifth is `implicit_gemm.py`. The arithmetic never changes: what changes is how far the
numbers travel. A multiprocessor does 128 multiply-adds in a cycle, and to keep it busy takes each
number that comes from memory to be used many times before it is dropped.

`LADDER` has the rungs in order: functions of x, w, and stride, padding and dilation as pairs.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import float32, int32, uint32

from kernels import ptx
from kernels.conv2d.cuda import conv2d as pipelined
from kernels.conv2d.reference import output_size
from kernels.dispatch import Array, namespace
from kernels.ptx import ALIGNED, cuda, load4

Size = tuple[int, int]


def result(x: Array, w: Array, stride: Size, padding: Size, dilation: Size) -> Array:
    size = output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    return namespace(x).empty((len(x), len(w), *size), np.float32)


def launch(kernel, grid, block, x: Array, w: Array, y: Array, *options: Size) -> Array:
    """y, once kernel(x, w, y, and their shapes, and the options) has filled it."""
    arrays = [namespace(x).ascontiguousarray(array).reshape(-1) for array in (x, w)]
    ptx.launch(kernel, grid, block, *arrays, y.reshape(-1), x.shape, w.shape, y.shape, *options)
    return y


# ---------------------------------------------------------------------------------------------
# 1. Naive: a thread for each output.
#
# New: the six loops of the definition, of which the grid of threads is the outer four.
# Why it helps: no output waits for another, so there is work for all of the device.
# What it costs: neighbouring threads take neighbouring *images*. The 32 threads of a warp load at
# once, and memory answers in sectors of 32 bytes: here each thread needs a sector of its own, and
# uses 4 bytes of it.


@cuda.jit(device=True)
def window_sum(x, w, n, o, i, j, x_shape, w_shape, stride, padding, dilation):
    """The sum of the definition, for one output."""
    _, channels, height, width = x_shape
    _, _, kernel_rows, kernel_columns = w_shape
    total = float32(0.0)
    for c in range(channels):
        for a in range(kernel_rows):
            row = int32(i * stride[0] + a * dilation[0] - padding[0])
            for b in range(kernel_columns):
                column = int32(j * stride[1] + b * dilation[1] - padding[1])
                if 0 <= row < height and 0 <= column < width:
                    value = x[uint32(((n * channels + c) * height + row) * width + column)]
                    tap = uint32(((o * channels + c) * kernel_rows + a) * kernel_columns + b)
                    total += value * w[tap]
    return total


@cuda.jit
def naive_kernel(x, w, y, x_shape, w_shape, y_shape, stride, padding, dilation):
    images, channels, rows, columns = y_shape
    index = int32(cuda.grid(1))
    n, index = int32(index % images), int32(index // images)
    o, index = int32(index % channels), int32(index // channels)
    i, j = int32(index // columns), int32(index % columns)
    if i < rows:
        y[uint32(((n * channels + o) * rows + i) * columns + j)] = window_sum(
            x, w, n, o, i, j, x_shape, w_shape, stride, padding, dilation
        )


THREADS = 128


def naive(x: Array, w: Array, stride: Size, padding: Size, dilation: Size) -> Array:
    y = result(x, w, stride, padding, dilation)
    blocks = -(-y.size // THREADS)
    return launch(naive_kernel, blocks, THREADS, x, w, y, stride, padding, dilation)


# ---------------------------------------------------------------------------------------------
# 2. Coalesced: neighbouring threads, neighbouring columns.
#
# New: the order in which the outputs are dealt to the threads, and nothing else.
# Why it helps: a warp reads 32 neighbours of x, which are four sectors instead of 32, and one
# weight for all of its threads. What it stores are neighbours too.
# What still costs: two loads for each multiply-add. Each x is loaded again for each of O output
# channels and each tap, each weight for each pixel; the caches answer, but they are not as fast.


@cuda.jit
def coalesced_kernel(x, w, y, x_shape, w_shape, y_shape, stride, padding, dilation):
    _, channels, rows, columns = y_shape
    index = int32(cuda.grid(1))
    j, above = int32(index % columns), int32(index // columns)
    i, above = int32(above % rows), int32(above // rows)
    o, n = int32(above % channels), int32(above // channels)
    if index < y.size:
        y[uint32(index)] = window_sum(x, w, n, o, i, j, x_shape, w_shape, stride, padding, dilation)


def coalesced(x: Array, w: Array, stride: Size, padding: Size, dilation: Size) -> Array:
    y = result(x, w, stride, padding, dilation)
    blocks = -(-y.size // THREADS)
    return launch(coalesced_kernel, blocks, THREADS, x, w, y, stride, padding, dilation)


# ---------------------------------------------------------------------------------------------
# 3. Shared tile: a block loads for all of its threads.
#
# New: the convolution as a product of matrices, W (O, C KH KW) by the windows (C KH KW, pixels),
# whose entries are picked from x when they are wanted. A block computes a square of it. In each
# step its threads copy a square of either matrix to shared memory, one entry each, and then
# multiply from there. The first barrier waits until all is copied, the second until all is used.
# Why it helps: an entry comes from memory once and serves a row or a column of the square.
# What still costs: shared memory is read twice for each multiply-add, still. And to find the
# window's entry takes divisions, which are slow.


@cuda.jit(device=True)
def window_entry(x, k, n, i, j, x_shape, w_shape, stride, padding, dilation):
    """x[n, c, i s + a d - p, j s + b d - p] for k = (c KH + a) KW + b, or 0 outside."""
    images, channels, height, width = x_shape
    b, above = int32(k % w_shape[3]), int32(k // w_shape[3])
    a, c = int32(above % w_shape[2]), int32(above // w_shape[2])
    row = int32(i * stride[0] + a * dilation[0] - padding[0])
    column = int32(j * stride[1] + b * dilation[1] - padding[1])
    value = float32(0.0)
    if n < images and c < channels and 0 <= row < height and 0 <= column < width:
        value = x[uint32(((n * channels + c) * height + row) * width + column)]
    return value


@cache
def shared_tile_kernel(side: int):
    """For squares of `side` channels by `side` pixels, and as many threads."""

    @cuda.jit
    def shared_tile(x, w, y, x_shape, w_shape, y_shape, stride, padding, dilation):
        weights = cuda.shared.array((side, side), float32)
        windows = cuda.shared.array((side, side), float32)
        images, channels, rows, columns = y_shape
        reduced = int32(w_shape[1] * w_shape[2] * w_shape[3])
        across, down = int32(cuda.threadIdx.x), int32(cuda.threadIdx.y)
        o = int32(cuda.blockIdx.y * side + down)
        pixel = int32(cuda.blockIdx.x * side + across)
        j, above = int32(pixel % columns), int32(pixel // columns)
        i, n = int32(above % rows), int32(above // rows)

        total = float32(0.0)
        for first in range(0, reduced, side):
            k = int32(first + across)
            weights[down, across] = float32(0.0)
            if o < channels and k < reduced:
                weights[down, across] = w[uint32(o * reduced + k)]
            windows[down, across] = window_entry(
                x, int32(first + down), n, i, j, x_shape, w_shape, stride, padding, dilation
            )
            cuda.syncthreads()
            for k in range(side):
                total += weights[down, k] * windows[k, across]
            cuda.syncthreads()
        if n < images and o < channels:
            y[uint32(((n * channels + o) * rows + i) * columns + j)] = total

    return shared_tile


def shared_tile(
    x: Array, w: Array, stride: Size, padding: Size, dilation: Size, side: int = 16
) -> Array:
    y = result(x, w, stride, padding, dilation)
    grid = (-(-y.size // y.shape[1] // side), -(-y.shape[1] // side))
    kernel = shared_tile_kernel(side)
    return launch(kernel, grid, (side, side), x, w, y, stride, padding, dilation)


# ---------------------------------------------------------------------------------------------
# 4. Register tile: 8 x 8 outputs for each thread.
#
# New: a thread reads 8 weights and 8 entries of windows from shared memory and multiplies each by
# each: 64 multiply-adds, whose sums stay in registers. The eight are two fours, each of which is
# one load of 128 bits; and the fours of neighbouring threads are neighbours, half a tile from the
# thread's others, so that a warp's wide load finds each bank of shared memory once.
# Why it helps: 4 loads for 64 multiply-adds, where the shared tile has 128. And the square is
# larger, so that each entry of a window, once found, serves 64 outputs and not 16.
# What still costs: copying and multiplying take turns, with a barrier between. While a step is
# copied, nobody multiplies; and there are the divisions of `window_entry`.
#
# Indices to the tiles are unsigned. Numba lets -1 mean the last element, as Python does; to rule
# that out for a signed index takes instructions, and hides that four loads are neighbours.


@cache
def register_tile_kernel(side: int, depth: int):
    """For squares of `side` channels by `side` pixels; each step reduces `depth` entries."""
    threads, half, across = side * side // 64, side // 2, side // 8
    size = depth * side

    @ptx.jit_for(threads)
    def register_tile(x, w, y, x_shape, w_shape, y_shape, stride, padding, dilation):
        weights = cuda.shared.array(size, float32, ALIGNED)
        windows = cuda.shared.array(size, float32, ALIGNED)
        total = cuda.local.array((8, 8), float32)
        a = cuda.local.array(8, float32)
        b = cuda.local.array(8, float32)
        images, channels, rows, columns = y_shape
        reduced = int32(w_shape[1] * w_shape[2] * w_shape[3])
        thread = uint32(cuda.threadIdx.x)
        first_channel, first_pixel = int32(cuda.blockIdx.y * side), int32(cuda.blockIdx.x * side)
        my_channel = uint32(thread // uint32(across) * 4)
        my_pixel = uint32(thread % uint32(across) * 4)

        for r in range(8):
            for s in range(8):
                total[r, s] = float32(0.0)
        for first in range(0, reduced, depth):
            for entry in range(thread, size, threads):
                k, place = int32(first + entry // side), int32(entry % side)
                o, pixel = int32(first_channel + place), int32(first_pixel + place)
                weights[uint32(entry)] = float32(0.0)
                if o < channels and k < reduced:
                    weights[uint32(entry)] = w[uint32(o * reduced + k)]
                j, above = int32(pixel % columns), int32(pixel // columns)
                i, n = int32(above % rows), int32(above // rows)
                windows[uint32(entry)] = window_entry(
                    x, k, n, i, j, x_shape, w_shape, stride, padding, dilation
                )
            cuda.syncthreads()
            for k in range(depth):
                at = uint32(k * side)
                a[0], a[1], a[2], a[3] = load4(weights, at + my_channel)
                a[4], a[5], a[6], a[7] = load4(weights, at + my_channel + half)
                b[0], b[1], b[2], b[3] = load4(windows, at + my_pixel)
                b[4], b[5], b[6], b[7] = load4(windows, at + my_pixel + half)
                for r in range(8):
                    for s in range(8):
                        total[r, s] += a[r] * b[s]
            cuda.syncthreads()

        for s in range(8):
            pixel = int32(first_pixel + my_pixel + s // 4 * half + s % 4)
            n, ij = int32(pixel // (rows * columns)), int32(pixel % (rows * columns))
            for r in range(8):
                o = int32(first_channel + my_channel + r // 4 * half + r % 4)
                if n < images and o < channels:
                    y[uint32((n * channels + o) * rows * columns + ij)] = total[r, s]

    return register_tile


def register_tile(
    x: Array,
    w: Array,
    stride: Size,
    padding: Size,
    dilation: Size,
    side: int = 64,
    depth: int = 8,
) -> Array:
    y = result(x, w, stride, padding, dilation)
    grid = (-(-y.size // y.shape[1] // side), -(-y.shape[1] // side))
    kernel, threads = register_tile_kernel(side, depth), side * side // 64
    return launch(kernel, grid, threads, x, w, y, stride, padding, dilation)


# ---------------------------------------------------------------------------------------------
# 5. Pipelined: `implicit_gemm.py`.
#
# New: a thread orders its copies to shared memory and goes on (`cp.async`): it multiplies one step
# while the next two arrive. There is room for three, and one barrier a step. The reduction takes
# one tap at a time and `depth` channels of it, so a thread finds its place in the window once a
# step, by additions. Weights come packed in the order of the steps, four in one copy. Taps that
# are dead are not in the list of taps. And a small map's reduction is shared by several blocks.
# Why it helps: memory's latency passes behind the multiply-adds, which are four fifths of all
# instructions.
# What still costs: the other fifth; the pixels and channels that fill up the last tiles; and
# every multiply-add of the definition, of which Winograd's algorithm does 4/9 at 3 x 3.

LADDER: dict[str, Callable[[Array, Array, Size, Size, Size], Array]] = {
    "naive": naive,
    "coalesced": coalesced,
    "shared tile": shared_tile,
    "register tile": register_tile,
    "pipelined": pipelined,
}
