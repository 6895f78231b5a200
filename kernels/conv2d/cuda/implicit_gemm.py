"""Convolution as a product of matrices, one of which is never stored: implicit GEMM.

    y[o, pixel] = sum over taps t and channels c of  w[t, c, o] x[c, pixel's window at t]

is a product of an (O, taps C) and a (taps C, pixels) matrix. The second is many times as large as
x; here its entries are picked from x as they are copied to shared memory (Chetlur et al. 2014,
"cuDNN: Efficient Primitives for Deep Learning", section 3.1). `phases.py` makes a convolution and
the gradient of its input from this.

This is not for reading aloud. It is the fifth rung of `ladder.py`, and the first four lead to it:
read those, then `multiply_adds` in `tile.py`, and here the loop `while turn < end`. The sixth rung
is the same kernel with another product in the place of `multiply_adds`, that of `tensor_cores.py`.
"""

from functools import cache

from numba import cuda, float32, int32, int64, uint32

from kernels.conv2d.cuda.tile import Tile
from kernels.cuda.intrinsics import (
    commit_group,
    copy4_async,
    copy16_async,
    divide,
    store4,
    wait_group,
)
from kernels.cuda.launch import ALIGNED, jit_for
from kernels.cuda.shared_sum import shared_sum

NOWHERE = -(2**30)
"""A row that stays above every image, whatever shift is added to it."""


@cache
def implicit_gemm_kernel(tile: Tile):
    """y for the tile of each block; `splits` blocks share the reduction of a tile.

    The grid is (channel tiles x pixel tiles, 1, phases x splits), with the pixel tiles of the
    largest phase. x and y are flat NCHW, weights are flat (taps, C, O) as `pack` leaves them. bias
    is (O,), or empty. Shifts and phases are the `tables` of `phases.py`.
    """
    channels, pixels, depth, stages = tile.channels, tile.pixels, tile.depth, tile.stages
    threads, thread_channels = tile.threads, tile.thread_channels
    place, multiply, channel_skip, pixel_skip, padding = tile.product()
    add_up = shared_sum(threads, thread_channels, 8)
    ahead, pending = stages - 1, stages - 2
    weight_pitch, window_pitch = channels + padding, pixels + padding
    weight_stage, window_stage = depth * weight_pitch, depth * window_pitch
    weight_size, window_size = stages * weight_stage, stages * window_stage

    # A thread copies fours of weights: of one column, every `weight_rows`-th row.
    weight_fours = channels // 4
    weight_rows = threads // weight_fours
    weight_copies = depth // weight_rows
    # And it copies windows: for `lane_pixels` pixels, every `window_rows`-th input channel.
    window_lanes = min(threads, pixels)
    lane_pixels = pixels // window_lanes
    window_rows = threads // window_lanes
    window_copies = depth // window_rows

    @cuda.jit(device=True)
    def copy_weights(weights, of, pitch, weight_tile, to):
        """Start this thread's copies of weights for a step."""
        for n in range(weight_copies):
            copy16_async(
                weight_tile,
                uint32(to + n * weight_rows * weight_pitch),
                weights,
                uint32(of + n * weight_rows * pitch),
                True,
            )

    @cuda.jit(device=True)
    def copy_windows(
        x, x_shape, first, window_row, shifts, shift, row, column, corner, window_tile, to
    ):
        """Start this thread's copies of windows for a step, of the channels from `first` on."""
        _, in_channels, height, width = x_shape
        in_plane = int32(height * width)
        shift_row, shift_column = shifts[shift], shifts[uint32(shift + 1)]
        for q in range(lane_pixels):
            at_row, at_column = int32(row[q] + shift_row), int32(column[q] + shift_column)
            of = int32(corner[q] + first * in_plane)
            left = int32(0)  # channels from this one on, if the window is inside the image
            if uint32(at_row) < uint32(height) and uint32(at_column) < uint32(width):
                of = int32(of + at_row * width + at_column)
                left = int32(in_channels - first - int32(window_row))
            for n in range(window_copies):
                copy4_async(
                    window_tile,
                    uint32(to + n * window_rows * window_pitch + q * window_lanes),
                    x,
                    int32(of + n * window_rows * in_plane),
                    n * window_rows < left,
                )

    @cuda.jit(device=True)
    def store_fours(total, y, my_channel, my_pixel, out_channels, out_plane, phase_pixels):
        """Store four neighbouring pixels of one image at once."""
        channels_left = int32(out_channels - int32(my_channel))
        for p in range(0, 8, 4):
            pixel = uint32(my_pixel + p // 4 * pixel_skip)
            image = divide(pixel, out_plane)
            to = uint32((image * (out_channels - 1) + my_channel) * out_plane + pixel)
            for c in range(thread_channels):
                skip = c // 4 * channel_skip + c % 4
                if pixel < phase_pixels and skip < channels_left:
                    values = total[c, p], total[c, p + 1], total[c, p + 2], total[c, p + 3]
                    store4(y, uint32(to + skip * out_plane), *values)

    @jit_for(threads, tile.blocks)
    def implicit_gemm(
        x, weights, bias, y, parts, counters, shifts, phases, x_shape, y_shape, padded, in_step,
        out_step, splits,
    ):  # fmt: skip
        weight_tile = cuda.shared.array(weight_size, float32, ALIGNED)
        window_tile = cuda.shared.array(window_size, float32, ALIGNED)
        total = cuda.local.array((thread_channels, 8), float32)
        row = cuda.local.array(lane_pixels, int32)
        column = cuda.local.array(lane_pixels, int32)
        corner = cuda.local.array(lane_pixels, int32)

        _, in_channels, height, width = x_shape
        images, out_channels, out_height, out_width = y_shape
        in_plane, out_plane = int32(height * width), uint32(out_height * out_width)

        # Which tile, phase and part of the reduction are this block's.
        channel_tiles = uint32(padded[1] // channels)
        pixel_tile = divide(uint32(cuda.blockIdx.x), channel_tiles)
        first_channel = uint32((cuda.blockIdx.x - pixel_tile * channel_tiles) * channels)
        first_pixel = uint32(pixel_tile * pixels)
        phase = divide(uint32(cuda.blockIdx.z), uint32(splits))
        split = int32(cuda.blockIdx.z - phase * uint32(splits))
        numbers = uint32(phase * 6)
        phase_rows, phase_columns = phases[uint32(numbers + 2)], uint32(phases[uint32(numbers + 3)])
        first_tap, taps = phases[uint32(numbers + 4)], phases[uint32(numbers + 5)]
        phase_plane = uint32(phase_rows * phase_columns)
        phase_pixels = uint32(images * phase_plane)
        if first_pixel >= phase_pixels:
            return
        steps = int32(padded[0] // depth * taps)
        step, end = int32(steps * split // splits), int32(steps * (split + 1) // splits)
        chunk = int32(step // max(taps, 1))
        tap = int32(step - chunk * taps)

        thread = uint32(cuda.threadIdx.x)

        # Where this thread copies weights from and to.
        four = uint32(thread % uint32(weight_fours) * 4)
        weight_row = uint32(thread // uint32(weight_fours))
        weight_to = uint32(weight_row * weight_pitch + four)
        weight_of = uint32(weight_row * uint32(padded[1]) + first_channel + four)
        # And windows. For a pixel past the last, every row of the window is above the image.
        lane = uint32(thread % uint32(window_lanes))
        window_row = uint32(thread // uint32(window_lanes))
        window_to = uint32(window_row * window_pitch + lane)
        for q in range(lane_pixels):
            pixel = uint32(first_pixel + lane + q * window_lanes)
            image = divide(pixel, phase_plane)
            i = divide(uint32(pixel - image * phase_plane), phase_columns)
            j = uint32(pixel - image * phase_plane - i * phase_columns)
            row[q], column[q] = int32(i * in_step[0]), int32(j * in_step[1])
            corner[q] = int32((image * in_channels + window_row) * in_plane)
            if pixel >= phase_pixels:
                row[q] = int32(NOWHERE)

        for i in range(thread_channels):
            for j in range(8):
                total[i, j] = float32(0.0)
        my_channel, my_pixel, weights_at, windows_at = place(thread)

        # Each turn copies the step that is `ahead` of the one that it multiplies.
        arriving, ready = uint32(0), uint32(stages - ahead)
        turn = int32(step - ahead)
        while turn < end:
            # After the wait, this thread's copies for the oldest step have arrived; after the
            # barrier, those of all threads, and the stage that is written next has been read.
            wait_group(pending)
            cuda.syncthreads()
            if turn + ahead < end:
                of = uint32((first_tap + tap) * padded[0] + chunk * depth) * uint32(padded[1])
                of = uint32(of + weight_of)
                to = uint32(arriving * weight_stage + weight_to)
                copy_weights(weights, of, padded[1], weight_tile, to)
                shift = uint32(2 * (first_tap + tap))
                to = uint32(arriving * window_stage + window_to)
                first = int32(chunk * depth)
                copy_windows(
                    x, x_shape, first, window_row, shifts, shift, row, column, corner,
                    window_tile, to,
                )  # fmt: skip
                tap = int32(tap + 1)
                if tap == taps:
                    tap, chunk = int32(0), int32(chunk + 1)
            commit_group()
            arriving = uint32(arriving + 1) if arriving < uint32(ahead) else uint32(0)

            if turn >= step:
                a_at = int64(ready * weight_stage + weights_at)
                b_at = int64(ready * window_stage + windows_at)
                multiply(weight_tile, window_tile, a_at, b_at, total)
            ready = uint32(ready + 1) if ready < uint32(ahead) else uint32(0)
            turn = int32(turn + 1)

        tile = uint32(phase * cuda.gridDim.x + cuda.blockIdx.x)
        if not add_up(total, parts, counters, tile, uint32(split), uint32(splits)):
            return

        # With one phase, neighbouring pixels are neighbours in memory. If four divides the size of
        # an image too, each four of them belongs to one image, and is stored at once.
        first_row, first_column = phases[numbers], phases[uint32(numbers + 1)]
        my_channel = uint32(first_channel + my_channel)
        my_pixel = uint32(first_pixel + my_pixel)
        channels_left = int32(out_channels - int32(my_channel))
        for c in range(thread_channels):
            channel = uint32(my_channel + c // 4 * channel_skip + c % 4)
            if channel < uint32(bias.size):
                for p in range(8):
                    total[c, p] += bias[channel]
        if phase_plane == out_plane and out_plane % uint32(4) == uint32(0):
            store_fours(total, y, my_channel, my_pixel, out_channels, out_plane, phase_pixels)
        else:
            for p in range(8):
                pixel = uint32(my_pixel + p // 4 * pixel_skip + p % 4)
                image = divide(pixel, phase_plane)
                i = divide(uint32(pixel - image * phase_plane), phase_columns)
                j = uint32(pixel - image * phase_plane - i * phase_columns)
                i, j = uint32(i * out_step[0] + first_row), uint32(j * out_step[1] + first_column)
                to = uint32((image * out_channels + my_channel) * out_plane + i * out_width + j)
                for c in range(thread_channels):
                    skip = c // 4 * channel_skip + c % 4
                    if pixel < phase_pixels and skip < channels_left:
                        y[uint32(to + skip * out_plane)] = total[c, p]

    return implicit_gemm


@cuda.jit
def pack(w, taps, packed, padded, shape, w_strides):
    """The weights of taps as (taps, *padded): the channels of x and of y, with zeros after those
    that there are, `shape`. So the weights of a step are neighbours."""
    i = uint32(cuda.grid(1))
    if i < uint32(packed.size):
        row = divide(i, uint32(padded[1]))
        tap = divide(row, uint32(padded[0]))
        of_x, of_y = uint32(row - tap * padded[0]), uint32(i - row * padded[1])
        value = float32(0.0)
        if of_x < uint32(shape[0]) and of_y < uint32(shape[1]):
            value = w[uint32(of_y * w_strides[0] + of_x * w_strides[1] + taps[tap])]
        packed[i] = value
