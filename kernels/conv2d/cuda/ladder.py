"""Convolution on CUDA in six rungs, from the definition to the kernel that is used, and past it.

    y[n, o, i, j] = sum over c, a, b of x[n, c, i s + a d - p, j s + b d - p] w[o, c, a, b]

Every rung computes the same, in float32, and changes one thing of the rung before. The first four
are here; the fifth is `implicit_gemm.py`. Up to there the arithmetic never changes. What changes is
how far the numbers travel: a multiprocessor does 128 multiply-adds in a cycle, and it can only keep
busy if each number that comes from memory is used many times before it is dropped. The sixth rung,
`tensor_cores.py`, changes the arithmetic.

`python -m kernels.conv2d.cuda.ladder 3` runs the third rung, on a GPU or in Numba's simulator,
checks it against the definition and times it. `LADDER` has the rungs in order: functions of x, w,
and stride, padding and dilation as pairs.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import cuda, float32, int32, uint32

from kernels.conv2d.cuda import tensor_cores as tensor_core_kernel
from kernels.conv2d.cuda.phases import conv2d
from kernels.conv2d.cuda.run import main
from kernels.conv2d.reference import output_size
from kernels.cuda.intrinsics import load4
from kernels.cuda.launch import ALIGNED, jit_for, launch
from kernels.dispatch import Array, namespace

Size = tuple[int, int]


def empty_result(x: Array, w: Array, stride: Size, padding: Size, dilation: Size) -> Array:
    size = output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    return namespace(x).empty((len(x), len(w), *size), np.float32)


def fill(y: Array, kernel, grid, block, x: Array, w: Array, *options: Size) -> Array:
    """y, after kernel(x, w, y, and their shapes, and the options) has filled it."""
    arrays = [namespace(x).ascontiguousarray(array).reshape(-1) for array in (x, w)]
    launch(kernel, grid, block, *arrays, y.reshape(-1), x.shape, w.shape, y.shape, *options)
    return y


# ---------------------------------------------------------------------------------------------
# 1. Naive: a thread for each output.

THREADS = 128


def naive(x: Array, w: Array, stride: Size, padding: Size, dilation: Size) -> Array:
    """New: the six loops of the definition, of which the grid of threads is the outer four.

    Why it helps: no output waits for another, so there is work for all of the device.

    What it costs: neighbouring threads take neighbouring *images*. The 32 threads of a warp load
    at once, and memory answers in sectors of 32 bytes: here each thread needs a sector of its own,
    and uses 4 bytes of it.
    """
    y = empty_result(x, w, stride, padding, dilation)
    blocks = -(-y.size // THREADS)
    return fill(y, naive_kernel, blocks, THREADS, x, w, stride, padding, dilation)


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


# ---------------------------------------------------------------------------------------------
# 2. Coalesced: neighbouring threads, neighbouring columns.


def coalesced(x: Array, w: Array, stride: Size, padding: Size, dilation: Size) -> Array:
    """New: the order in which the outputs are dealt to the threads, and nothing else.

    Why it helps: a warp reads 32 neighbours of x, which are four sectors instead of 32, and one
    weight for all of its threads. The outputs it stores are neighbours too.

    What still costs: two loads for each multiply-add. Each x is loaded again for each of O output
    channels and each tap, each weight for each pixel. They come from the caches, which are not
    fast enough.
    """
    y = empty_result(x, w, stride, padding, dilation)
    blocks = -(-y.size // THREADS)
    return fill(y, coalesced_kernel, blocks, THREADS, x, w, stride, padding, dilation)


@cuda.jit
def coalesced_kernel(x, w, y, x_shape, w_shape, y_shape, stride, padding, dilation):
    _, channels, rows, columns = y_shape
    index = int32(cuda.grid(1))
    j, above = int32(index % columns), int32(index // columns)
    i, above = int32(above % rows), int32(above // rows)
    o, n = int32(above % channels), int32(above // channels)
    if index < y.size:
        y[uint32(index)] = window_sum(x, w, n, o, i, j, x_shape, w_shape, stride, padding, dilation)


# ---------------------------------------------------------------------------------------------
# 3. Shared tile: a block loads for all of its threads.


def shared_tile(
    x: Array, w: Array, stride: Size, padding: Size, dilation: Size, side: int = 16
) -> Array:
    """New: the convolution as a product of matrices, W (O, C KH KW) by windows (C KH KW, pixels).

    The entries of the windows are picked from x when they are needed. A block computes a square of
    the product. In each step its threads copy a square of either matrix to shared memory, one
    entry each, and then multiply from there. The first barrier waits until everything is copied,
    the second until everything is used.

    Why it helps: an entry comes from memory once, and serves a row or a column of the square.

    What still costs: shared memory is still read twice for each multiply-add. And finding an entry
    of a window takes divisions, which are slow.
    """
    y = empty_result(x, w, stride, padding, dilation)
    grid = (-(-y.size // y.shape[1] // side), -(-y.shape[1] // side))
    kernel = shared_tile_kernel(side)
    return fill(y, kernel, grid, (side, side), x, w, stride, padding, dilation)


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


# ---------------------------------------------------------------------------------------------
# 4. Thread tile: 8 x 8 outputs for each thread, in registers.


def thread_tile(
    x: Array,
    w: Array,
    stride: Size,
    padding: Size,
    dilation: Size,
    side: int = 64,
    depth: int = 8,
) -> Array:
    """New: a thread multiplies 8 weights by 8 entries of windows, each by each, in registers.

    Those are 64 multiply-adds, whose sums stay in registers. The eight are two fours, each of which
    is one load of 128 bits from shared memory. The fours of neighbouring threads are neighbours,
    and a thread's own two fours are half a tile apart: so a warp's wide load reads each bank of
    shared memory once.

    Why it helps: 4 loads for 64 multiply-adds, where the shared tile has 128. And the square is
    larger: each entry of a window, once found, serves 64 outputs instead of 16.

    What still costs: copying and multiplying take turns, with a barrier between, and during a copy
    no thread multiplies. And there are still the divisions of `window_entry`.
    """
    y = empty_result(x, w, stride, padding, dilation)
    grid = (-(-y.size // y.shape[1] // side), -(-y.shape[1] // side))
    kernel, threads = thread_tile_kernel(side, depth), side * side // 64
    return fill(y, kernel, grid, threads, x, w, stride, padding, dilation)


@cache
def thread_tile_kernel(side: int, depth: int):
    """For squares of `side` channels by `side` pixels; each step reduces `depth` entries.

    Indices to the tiles are unsigned. In Numba -1 means the last element, as in Python; checking a
    signed index for that takes instructions, and hides that four loads are neighbours.
    """
    threads, half, across = side * side // 64, side // 2, side // 8
    size = depth * side

    @jit_for(threads)
    def thread_tile(x, w, y, x_shape, w_shape, y_shape, stride, padding, dilation):
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

    return thread_tile


# ---------------------------------------------------------------------------------------------
# 5. Pipelined: `implicit_gemm.py`.


def pipelined(x: Array, w: Array, stride: Size, padding: Size, dilation: Size) -> Array:
    """New: a thread orders its copies to shared memory and goes on (`cp.async`).

    It multiplies one step while the next two arrive. There is room for three steps, and one barrier
    in each. The reduction takes one tap at a time and `depth` channels of it, so a thread finds its
    place in the window once a step, by additions. Weights are packed in the order of the steps, and
    copied four at a time. Dead taps are not in the list of taps. And the reduction of a small map
    is shared by several blocks.

    Why it helps: the multiply-adds hide the latency of memory, and they are four fifths of all
    instructions.

    What still costs: the other fifth; the pixels and channels that fill up the last tiles; and
    every multiply-add of the definition, of which Winograd's algorithm needs 4/9 at 3 x 3.
    """
    return conv2d(x, w, stride, padding, dilation, None, tuple(range(w.shape[2] * w.shape[3])))


# ---------------------------------------------------------------------------------------------
# 6. Tensor cores: `tensor_cores.py`.


def tensor_cores(x: Array, w: Array, stride: Size, padding: Size, dilation: Size) -> Array:
    """New: a warp multiplies 16 x 8 by 8 x 8 with one instruction, on a tensor core.

    That unit reads numbers of 10 bits of mantissa, and cuts off the end of its sums. So each factor
    is split in two, large part and rest, of which three products are needed. And the sums leave the
    tensor core after 8 terms, for float32 additions, which round to nearest. So the error of long
    sums is no larger than that of the rungs before.

    Why it helps: 24 products of a warp for what were 256 multiply-adds of each of its threads.

    What still costs: splitting, adding up and copying, which are six of seven instructions. It has
    not been measured on a GPU, so it is not used by default.
    """
    return tensor_core_kernel.conv2d(x, w, stride, padding, dilation)


LADDER: dict[str, Callable[[Array, Array, Size, Size, Size], Array]] = {
    "naive": naive,
    "coalesced": coalesced,
    "shared tile": shared_tile,
    "thread tile": thread_tile,
    "pipelined": pipelined,
    "tensor cores": tensor_cores,
}

if __name__ == "__main__":
    main(LADDER)
