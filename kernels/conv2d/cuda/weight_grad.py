"""The gradient of convolution's weights on CUDA: a matrix product, split along its reduction.

    dW[o, c, a, b] = sum over n, i, j of g[n, o, i, j] x[n, c, i s + a d - p, j s + b d - p]

is a product of an (O, pixels) and a (pixels, C taps) matrix. The second is never stored: its
entries are picked from x as they are copied to shared memory (implicit GEMM). The result is small,
and the reduction is long: over all N OH OW pixels. So the pixels are split among blocks, whose
parts of the sum `shared_sum` adds.

Only live taps have columns. The gradient of a dead tap is zero and costs nothing.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numba import cuda, float32, int32, int64, uint32

from kernels.cuda.intrinsics import commit_group, copy4_async, divide, load4, wait_group
from kernels.cuda.launch import ALIGNED, MULTIPROCESSORS, jit_for, launch, on_device_of, unrolled
from kernels.cuda.shared_sum import room_for_parts, shared_sum
from kernels.dispatch import Array, namespace

STAGES, PENDING = 3, 1
"""Steps of the reduction that shared memory has room for, and how many of them may still be on
their way while one is multiplied: that one has arrived, one is being copied, one comes next."""

BLOCKS = 8
"""Of a multiprocessor, whose registers have room for them: the pixels are split among as many."""

MIN_STEPS = 16
"""Of a block: with fewer, adding up the parts costs more than the product."""


def conv2d_weight_grad(
    x: Array,
    g: Array,
    kernel_size: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    taps: Sequence[int] | None = None,
    tile: tuple[int, int, int] | None = None,
) -> Array:
    """(N, C, H, W) and (N, O, OH, OW) to (O, C, KH, KW), float32.

    `taps` lists the live taps as flat indices a KW + b, None for all: the gradient of the others
    is zero. `tile` is the rows and columns of a block and the side of its square of threads.
    """
    xp = namespace(x)
    taps = range(kernel_size[0] * kernel_size[1]) if taps is None else taps
    live = on_device_of(x, taps)
    rows, columns = g.shape[1], x.shape[1] * live.size
    tile = tile or (64 if rows > 32 else 32, 64 if columns > 32 else 32, 8)
    row_tiles, column_tiles = -(-rows // tile[0]), -(-columns // tile[1])
    pixels = max(1, len(x) * g.shape[2] * g.shape[3])
    steps = -(-pixels // pixels_of_step(tile[2]))
    splits = min(MULTIPROCESSORS * BLOCKS // (row_tiles * column_tiles), steps // MIN_STEPS)
    steps_of_block = -(-steps // max(1, splits))
    splits = -(-steps // steps_of_block)

    make = xp.empty if live.size == kernel_size[0] * kernel_size[1] else xp.zeros
    dw = make((rows, x.shape[1], *kernel_size), np.float32)
    launch(
        weight_grad_kernel(*tile),
        (column_tiles, row_tiles, splits),
        tile[2] ** 2,
        *(xp.ascontiguousarray(x).reshape(-1), xp.ascontiguousarray(g).reshape(-1)),
        *(live, dw.reshape(-1)),
        *room_for_parts(x, row_tiles * column_tiles, tile[0] * tile[1], splits),
        *(x.shape, g.shape, kernel_size, stride, padding, dilation, steps_of_block),
    )
    return dw


def pixels_of_step(side: int) -> int:
    return min(8, side**2)


@cache
def weight_grad_kernel(rows: int, columns: int, side: int):
    """dW as a matrix (rows, columns), by tiles.

    A block of side x side threads sums one tile of rows x columns over its share of the pixels;
    the grid is (column tiles, row tiles, splits). A step of the reduction copies rows of g and
    columns of x for `depth` pixels to shared memory, and each thread adds `depth` outer products
    to its part of the tile, in registers.
    """
    depth = pixels_of_step(side)
    # A thread copies one pixel of each step, for every `lines`-th row and column. The rows of the
    # shared arrays have 4 more elements than are used: a warp copies 8 pixels x 4 lines, and with
    # these it writes to 32 different banks.
    lines = side**2 // depth
    g_copies, x_copies = rows // lines, columns // lines
    g_pitch, x_pitch = rows + 4, columns + 4
    g_stage, x_stage = depth * g_pitch, depth * x_pitch
    g_size, x_size = STAGES * g_stage, STAGES * x_stage
    # A thread's rows are fours, spread evenly over the tile, and its columns likewise: then a warp
    # reads 8 neighbouring fours of x at a time, and 4 of g.
    thread_rows, thread_columns = rows // side, columns // side
    row_fours, column_fours = thread_rows // 4, thread_columns // 4
    spread = 4 * side

    @cuda.jit(device=True)
    def multiply(g_tile, x_tile, g_start, x_start, g_values, x_values, total):
        """Add one pixel's outer product."""
        for f in range(row_fours):
            a, b, c, d = load4(g_tile, g_start + f * spread)
            i = 4 * f
            g_values[i], g_values[i + 1], g_values[i + 2], g_values[i + 3] = a, b, c, d
        for f in range(column_fours):
            a, b, c, d = load4(x_tile, x_start + f * spread)
            j = 4 * f
            x_values[j], x_values[j + 1], x_values[j + 2], x_values[j + 3] = a, b, c, d
        for i in range(thread_rows):
            for j in range(thread_columns):
                total[i, j] += g_values[i] * x_values[j]

    multiply_step = unrolled(multiply, depth, g_pitch, x_pitch)
    add_up = shared_sum(side**2, thread_rows, thread_columns)

    @jit_for(side**2, BLOCKS)
    def weight_grad(
        x, g, taps, dw, parts, counters, x_shape, g_shape, kernel_size, stride, padding, dilation,
        steps,
    ):  # fmt: skip
        g_tile = cuda.shared.array(g_size, float32, ALIGNED)
        x_tile = cuda.shared.array(x_size, float32, ALIGNED)
        total = cuda.local.array((thread_rows, thread_columns), float32)
        g_values = cuda.local.array(thread_rows, float32)
        x_values = cuda.local.array(thread_columns, float32)
        down = cuda.local.array(x_copies, int32)
        right = cuda.local.array(x_copies, int32)
        offset = cuda.local.array(x_copies, int32)

        images, channels, height, width = x_shape
        _, out_channels, out_height, out_width = g_shape
        plane = uint32(out_height * out_width)
        thread = uint32(cuda.threadIdx.x)
        lane, line = uint32(thread % uint32(depth)), uint32(thread // uint32(depth))
        first_row = uint32(cuda.blockIdx.y * rows)
        first_column = uint32(cuda.blockIdx.x * columns)
        split = uint32(cuda.blockIdx.z)

        # The columns to copy: where their taps are, counted from the corner of a window.
        for copy in range(x_copies):
            column = uint32(first_column + line + copy * lines)
            channel = uint32(column // uint32(taps.size))
            down[copy], right[copy], offset[copy] = height, 0, 0  # below the image: all zeros
            if channel < uint32(channels):
                tap = uint32(taps[uint32(column - channel * taps.size)])
                a, b = uint32(tap // uint32(kernel_size[1])), uint32(tap % uint32(kernel_size[1]))
                down[copy] = int32(a * dilation[0] - padding[0])
                right[copy] = int32(b * dilation[1] - padding[1])
                offset[copy] = int32((channel * height + down[copy]) * width + right[copy])

        # The pixel to copy first.
        pixel = uint32(split * uint32(steps * depth) + lane)
        image, pixel = int32(pixel // plane), uint32(pixel % plane)
        i, j = int32(pixel // uint32(out_width)), int32(pixel % uint32(out_width))

        for r in range(thread_rows):
            for c in range(thread_columns):
                total[r, c] = float32(0.0)
        my_row = uint32(4 * (thread // uint32(side)))
        my_column = uint32(4 * (thread % uint32(side)))

        # Each turn copies this step and multiplies the one of STAGES - 1 turns ago. After the
        # barrier the copies of all threads have arrived, and the stage to write has been read.
        for step in range(steps + STAGES - 1):
            wait_group(PENDING)
            cuda.syncthreads()
            if step < steps:
                stage = uint32(uint32(step) % uint32(STAGES))
                to = uint32(stage * g_stage + lane * g_pitch + line)
                row = uint32(first_row + line)
                of = uint32((image * out_channels + row) * plane + i * out_width + j)
                for copy in range(g_copies):
                    skip = copy * lines
                    valid = image < images and uint32(row + skip) < uint32(out_channels)
                    copy4_async(g_tile, to + skip, g, uint32(of + skip * plane), valid)
                to = uint32(stage * x_stage + lane * x_pitch + line)
                top, left = int32(i * stride[0]), int32(j * stride[1])
                of = uint32((image * channels * height + top) * width + left)
                for copy in range(x_copies):
                    valid = (
                        image < images
                        and uint32(int32(top + down[copy])) < uint32(height)
                        and uint32(int32(left + right[copy])) < uint32(width)
                    )
                    copy4_async(x_tile, to + copy * lines, x, uint32(of + offset[copy]), valid)
                j = int32(j + depth)
                while j >= out_width:
                    i, j = int32(i + 1), int32(j - out_width)
                while i >= out_height:
                    image, i = int32(image + 1), int32(i - out_height)
            commit_group()
            if step >= STAGES - 1:
                stage = uint32(uint32(step + 1) % uint32(STAGES))
                g_start = int64(stage * g_stage + my_row)
                x_start = int64(stage * x_stage + my_column)
                multiply_step(g_tile, x_tile, g_start, x_start, g_values, x_values, total)

        tile = uint32(cuda.blockIdx.y * cuda.gridDim.x + cuda.blockIdx.x)
        if not add_up(total, parts, counters, tile, split, uint32(cuda.gridDim.z)):
            return
        my_row, my_column = uint32(first_row + my_row), uint32(first_column + my_column)
        kernel_plane = uint32(kernel_size[0] * kernel_size[1])
        for c in range(thread_columns):
            column = uint32(my_column + c // 4 * spread + c % 4)
            channel = divide(column, uint32(taps.size))
            if channel < uint32(channels):
                tap = uint32(taps[uint32(column - channel * taps.size)])
                for r in range(thread_rows):
                    row = uint32(my_row + r // 4 * spread + r % 4)
                    if row < uint32(out_channels):
                        dw[uint32((row * channels + channel) * kernel_plane + tap)] = total[r, c]

    return weight_grad
