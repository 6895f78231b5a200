"""Convolution on CUDA from few channels, or to few.

The first layer of a PixelCNN makes 64 channels from one: as a matrix product it reduces over few
numbers, and its input gradient has a single row. The time of this kernel is that of writing y, or
of reading g.
"""

from functools import cache
from itertools import product

import numpy as np
from numba import cuda, float32, int32, int64, uint32

from kernels.conv2d.reference import output_size
from kernels.cuda.intrinsics import commit_group, copy4_async, load4, wait_group
from kernels.cuda.launch import ALIGNED, MULTIPROCESSORS, jit_for, launch, on_device_of
from kernels.dispatch import Array, namespace

Pair = tuple[int, int]
Block = tuple[int, int, int, int]
"""The channels and pixels of a thread, and the threads of a block along pixels and channels."""

MAX_CHANNELS = 4
"""Of the images that are read, or of those that are made."""

TAPS, ROOMS, SHARED_BYTES = (64, 128), (1024, 3840), 49_152
"""The live taps, and the pixels of one channel, that a kernel has room for in shared memory."""

NOWHERE = 0xFFFFFFFF
"""The index of an element outside of every image: it counts as zero."""

BLOCKS = 4
"""For each multiprocessor."""


def conv2d(
    x: Array,
    w: Array,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    b: Array | None,
    taps: tuple[int, ...],
    block: Block | None = None,
) -> Array | None:
    """(N, C, H, W) and (O, C, KH, KW) to (N, O, OH, OW), or None where that is not possible."""
    size = output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    strides = w[0].size, w[0, 0].size
    return direct(x, w, strides, taps, (len(w), *size), stride, padding, dilation, block, b)


def conv2d_input_grad(
    g: Array,
    w: Array,
    input_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    taps: tuple[int, ...],
    block: Block | None = None,
) -> Array | None:
    """(N, O, OH, OW) and (O, C, KH, KW) to (N, C, H, W), or None where that is not possible.

    With stride 1 it is a convolution again,

        dx[n, c, i, j] = sum over o, a, b of g[n, o, i - a d + p, j - b d + p] w[o, c, a, b]

    with -d for d, -p for p, and the two kinds of channels in each other's place.
    """
    if stride != (1, 1):
        return None
    strides, shape = (w[0, 0].size, w[0].size), (w.shape[1], *input_size)
    minus_padding, minus_dilation = (-padding[0], -padding[1]), (-dilation[0], -dilation[1])
    return direct(g, w, strides, taps, shape, stride, minus_padding, minus_dilation, block)


def direct(
    x: Array,
    w: Array,
    w_strides: Pair,
    taps: tuple[int, ...],
    y_shape: tuple[int, int, int],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    block: Block | None = None,
    b: Array | None = None,
) -> Array | None:
    """x (N, C, H, W) to (N, *y_shape) by `direct_kernel`, or None where that is not possible.

    w_strides are those of w along the channels of y and of x; b (O,) is added to each channel.
    Where y has few blocks, the channels of x are split among more, and the partial sums are added,
    always in the same order.
    """
    (n, channels, *_), (out_channels, out_height, out_width) = x.shape, y_shape
    if n == 0 or min(channels, out_channels) > MAX_CHANNELS:
        return None
    block = block or block_for(out_channels)
    thread_channels, thread_pixels, lanes, groups = block
    # What a window of live taps covers, counted from its pixel: from `corner` on, and how far.
    places = [
        [k * d - p for k in along]
        for along, d, p in zip(zip(*(divmod(int(t), w.shape[3]) for t in taps)), dilation, padding)
    ]
    corner = tuple(map(min, places))
    reach = tuple(max(along) - min(along) for along in places)

    pixels = thread_pixels * lanes
    rows = max_rows(pixels, out_height, out_width, stride[0], reach[0])
    columns = (out_width - 1) * stride[1] + reach[1] + 1
    fitting = [
        (room, most)
        for room, most in product(ROOMS, TAPS)
        if rows * columns <= room
        and len(taps) <= most
        and shared_bytes(block, room, most) <= SHARED_BYTES
    ]
    if not fitting:
        return None

    pixel_blocks = -(-n * out_height * out_width // pixels)
    channel_blocks = -(-out_channels // (thread_channels * groups))
    splits = max(1, min(channels, MULTIPROCESSORS * BLOCKS // (pixel_blocks * channel_blocks)))
    channels_of_block = -(-channels // splits)
    splits = -(-channels // channels_of_block)
    xp = namespace(x)
    y = xp.empty((splits, n, *y_shape), np.float32)
    launch(
        direct_kernel(*block, *fitting[0]),
        (pixel_blocks, channel_blocks, splits),
        lanes * groups,
        xp.ascontiguousarray(x).reshape(-1),
        xp.ascontiguousarray(w).reshape(-1),
        on_device_of(x, taps),
        xp.empty(0, np.float32) if b is None else xp.ascontiguousarray(b),
        y.reshape(-1),
        *(x.shape, y.shape, w_strides, stride, padding, dilation, corner, reach),
        *(w.shape[3], channels_of_block),
    )
    return y[0] if splits == 1 else y.sum(axis=0)


def block_for(channels: int) -> Block:
    """For images of so many channels."""
    if channels <= MAX_CHANNELS:
        return channels, 8, 128, 1
    groups = 4 if channels > 32 else 2 if channels > 16 else 1
    return 16, 4, 128 // groups, groups


def weight_pitch(block: Block) -> int:
    """Weights are (tap, channel of y), with 4 more elements in a row than are used: so a warp that
    copies the taps of a channel writes to 8 banks instead of one."""
    return -(-block[0] // 4) * 4 * block[3] + 4


def shared_bytes(block: Block, room: int, most_taps: int) -> int:
    return 4 * (2 * room + most_taps * (weight_pitch(block) + 1))


def max_rows(pixels: int, out_height: int, out_width: int, stride: int, reach: int) -> int:
    """The most rows of the tall image that the windows of `pixels` neighbouring pixels cover.

    The windows of the next row of an image begin `stride` rows further down. Those of the next
    image begin below the windows of this image's last row, which cover reach + 1 rows.
    """
    next_rows = (pixels + out_width - 2) // out_width
    next_images = (pixels + out_height * out_width - 2) // (out_height * out_width)
    return next_rows * stride + next_images * max(0, reach + 1 - stride) + reach + 1


@cache
def direct_kernel(
    thread_channels: int, thread_pixels: int, lanes: int, groups: int, room: int, most_taps: int
):
    """Convolution by its definition, with x and w in shared memory and a tile of y in registers.

    A block of `groups` times `lanes` threads computes thread_pixels * lanes pixels, neighbours in
    raster order over all images, of thread_channels * groups channels. For every channel of x it
    copies the rows around those pixels, padded, and the live taps of w. The rows of all images form
    one tall image, so that a block can begin in one image and end in the next.
    """
    assert groups == 1 or thread_channels % 4 == 0, "a group's weights begin at a multiple of four"
    threads, pixels, channels = lanes * groups, thread_pixels * lanes, thread_channels * groups
    fours = -(-thread_channels // 4)
    padded = 4 * fours
    pitch = weight_pitch((thread_channels, thread_pixels, lanes, groups))
    w_size = most_taps * pitch

    @cuda.jit(device=True)
    def place(pixel, y_shape, stride, rows_of_image):
        """The corner of this pixel's window in the tall image."""
        plane, width = uint32(y_shape[3] * y_shape[4]), uint32(y_shape[4])
        image, pixel = uint32(pixel // plane), uint32(pixel % plane)
        i, j = uint32(pixel // width), uint32(pixel % width)
        return uint32(image * rows_of_image + i * stride[0]), uint32(j * stride[1])

    @jit_for(threads, BLOCKS)
    def direct(
        x, w, taps, bias, y, x_shape, y_shape, w_strides, stride, padding, dilation, corner, reach,
        kernel_columns, channels_of_block,
    ):  # fmt: skip
        x_tile = cuda.shared.array(room, float32, ALIGNED)
        sources = cuda.shared.array(room, uint32)
        w_tile = cuda.shared.array(w_size, float32, ALIGNED)
        offsets = cuda.shared.array(most_taps, uint32)
        total = cuda.local.array((thread_channels, thread_pixels), float32)
        x_values = cuda.local.array(thread_pixels, float32)
        w_values = cuda.local.array(padded, float32)
        starts = cuda.local.array(thread_pixels, uint32)

        images, in_channels, height, width = x_shape
        _, _, out_channels, out_height, out_width = y_shape
        live = uint32(taps.size)
        plane = uint32(out_height * out_width)
        count = uint32(images * plane)
        rows_of_image = uint32((out_height - 1) * stride[0] + reach[0] + 1)
        columns = uint32((out_width - 1) * stride[1] + reach[1] + 1)
        thread = uint32(cuda.threadIdx.x)
        lane, group = uint32(thread % uint32(lanes)), uint32(thread // uint32(lanes))
        first_pixel = uint32(cuda.blockIdx.x * pixels)
        first_channel = uint32(cuda.blockIdx.y * channels)

        last_pixel = uint32(min(first_pixel + pixels, count) - 1)
        first_row, _ = place(first_pixel, y_shape, stride, rows_of_image)
        last_row, _ = place(last_pixel, y_shape, stride, rows_of_image)
        size = uint32((last_row - first_row + reach[0] + 1) * columns)
        for p in range(thread_pixels):
            pixel = uint32(min(first_pixel + lane + p * lanes, last_pixel))
            row, column = place(pixel, y_shape, stride, rows_of_image)
            starts[p] = uint32((row - first_row) * columns + column)
        split = uint32(cuda.blockIdx.z)
        for c in range(thread_channels):  # one of the partial sums begins with the bias
            channel = uint32(first_channel + group * thread_channels + c)
            begin = bias[channel] if split == 0 and channel < uint32(bias.size) else float32(0.0)
            for p in range(thread_pixels):
                total[c, p] = begin
        for t in range(thread, live, threads):
            tap = uint32(taps[uint32(t)])
            a, b = uint32(tap // uint32(kernel_columns)), uint32(tap % uint32(kernel_columns))
            down = uint32(int32(a * dilation[0] - padding[0] - corner[0]))
            right = uint32(int32(b * dilation[1] - padding[1] - corner[1]))
            offsets[uint32(t)] = uint32(down * columns + right)

        for index in range(thread, size, threads):
            row, column = uint32(uint32(index) // columns), uint32(uint32(index) % columns)
            row = uint32(row + first_row)
            image, row = uint32(row // rows_of_image), uint32(row % rows_of_image)
            i, j = int32(row + corner[0]), int32(column + corner[1])
            sources[uint32(index)] = NOWHERE
            if image < uint32(images) and uint32(i) < uint32(height) and uint32(j) < uint32(width):
                sources[uint32(index)] = uint32((image * in_channels * height + i) * width + j)

        start = uint32(split * channels_of_block)
        for k in range(start, min(start + channels_of_block, in_channels)):
            cuda.syncthreads()  # the tiles of the channel before have been read
            for index in range(thread, size, threads):
                of = uint32(sources[uint32(index)])
                valid = of != uint32(NOWHERE)
                copy4_async(x_tile, uint32(index), x, uint32(of + k * height * width), valid)
            for index in range(thread, channels * live, threads):
                c, t = uint32(uint32(index) // live), uint32(uint32(index) % live)
                channel = uint32(first_channel + c)
                of = uint32(channel * w_strides[0] + k * w_strides[1] + taps[t])
                copy4_async(w_tile, uint32(t * pitch + c), w, of, channel < uint32(out_channels))
            commit_group()
            wait_group(0)
            cuda.syncthreads()
            weights = int64(group * padded)
            for t in range(live):
                offset = uint32(offsets[uint32(t)])
                for p in range(thread_pixels):
                    x_values[p] = x_tile[uint32(starts[p] + offset)]
                for f in range(fours):
                    a, b, c, d = load4(w_tile, weights + 4 * f)
                    i = 4 * f
                    w_values[i], w_values[i + 1], w_values[i + 2], w_values[i + 3] = a, b, c, d
                for c in range(thread_channels):
                    for p in range(thread_pixels):
                        total[c, p] += w_values[c] * x_values[p]
                weights += pitch

        for p in range(thread_pixels):
            pixel = uint32(first_pixel + lane + p * lanes)
            image, pixel_of_image = uint32(pixel // plane), uint32(pixel % plane)
            for c in range(thread_channels):
                channel = uint32(first_channel + group * thread_channels + c)
                if pixel < count and channel < uint32(out_channels):
                    plane_of_y = uint32((split * images + image) * out_channels + channel)
                    y[uint32(plane_of_y * plane + pixel_of_image)] = total[c, p]

    return direct
