"""What a block of `implicit_gemm.py` computes, and how its threads multiply.

A large tile loads less for each product, and a small one pads few channels less: a convolution
chooses. Where a small map has too few tiles, several blocks share the sum of one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, NamedTuple

from numba import cuda, float32, uint32

from kernels.cuda.intrinsics import load4
from kernels.cuda.launch import MULTIPROCESSORS, unrolled


class Product(NamedTuple):
    """How the threads of a block multiply a step from shared memory; device functions.

    place(thread) is the thread's first channel and pixel of the tile, and the elements of the
    weights and of the windows from which it reads. multiply(weights, windows, weights_at,
    windows_at, total) adds to its outputs (channels, 8). Those are fours of neighbours; the second
    four of channels begins `channel_skip` after the first, that of pixels `pixel_skip`.
    Rows of shared memory are `padding` longer than the tile.
    """

    place: Callable
    multiply: Callable
    channel_skip: int
    pixel_skip: int
    padding: int


@dataclass(frozen=True)
class Tile:
    """What a block computes: `channels` x `pixels` of the output, 8 x 8 for each thread.

    Each step of the reduction takes `depth` input channels of one tap. Shared memory has room for
    `stages` steps: one is multiplied while the next ones arrive.
    """

    channels: int
    pixels: int
    depth: int
    stages: int

    thread_channels: ClassVar[int] = 8

    @property
    def threads(self) -> int:
        return self.channels * self.pixels // (8 * self.thread_channels)

    @property
    def blocks(self) -> int | None:
        """Of a multiprocessor; the compiler may use as many registers as that allows."""
        return THREADS_IN_FLIGHT // max(32, self.threads)  # a warp's, at least

    def product(self) -> Product:
        return multiply_adds(self.channels, self.pixels, self.depth)


TILES = (Tile(128, 128, 16, 3), Tile(64, 128, 16, 3), Tile(32, 64, 16, 2))
"""Of these the one is used that pads the channels least, and of several such the first. Each fits a
static shared memory of 48 KB, and the blocks of THREADS_IN_FLIGHT threads fit the 228 KB of an
H100."""

THREADS_IN_FLIGHT = 512
"""Threads of a multiprocessor: its 65,536 registers are up to 128 for each of so many."""

PARTIAL_STEPS = 4
"""Writing a part of a sum and reading it again takes about the time of so many steps."""


@cache
def best_split(tiles: int, steps: int, tile: Tile) -> int:
    """The number of blocks that share the reduction of a tile: a small map has too few tiles.

    The time that is minimised is that of a block's steps, times the rounds that all blocks take.
    """
    at_once = MULTIPROCESSORS * (THREADS_IN_FLIGHT // tile.threads)

    def time(splits: int) -> int:
        partial = PARTIAL_STEPS if splits > 1 else 0
        return -(-tiles * splits // at_once) * (-(-steps // splits) + partial)

    return min(range(1, max(2, steps + 1)), key=time)


def multiply_adds(channels: int, pixels: int, depth: int) -> Product:
    """Two fours of weights by two fours of pixels, half a tile apart, in registers.

    A warp is 4 threads by 8, so that its wide loads are of 4 and of 8 neighbouring fours.
    """
    half_channels, half_pixels = channels // 2, pixels // 2
    across = min(8, pixels // 8)
    down = 32 // across
    warps_across = pixels // 8 // across

    @cuda.jit(device=True)
    def place(thread):
        warp, lane = uint32(thread // uint32(32)), uint32(thread % uint32(32))
        channel = uint32((warp // uint32(warps_across) * down + lane // uint32(across)) * 4)
        pixel = uint32((warp % uint32(warps_across) * across + lane % uint32(across)) * 4)
        return channel, pixel, channel, pixel

    @cuda.jit(device=True)
    def multiply_row(weight_tile, window_tile, a_at, b_at, a, b, total):
        """Add the outer product of 8 weights and 8 pixels."""
        a[0], a[1], a[2], a[3] = load4(weight_tile, a_at)
        a[4], a[5], a[6], a[7] = load4(weight_tile, a_at + half_channels)
        b[0], b[1], b[2], b[3] = load4(window_tile, b_at)
        b[4], b[5], b[6], b[7] = load4(window_tile, b_at + half_pixels)
        for i in range(8):
            for j in range(8):
                total[i, j] += a[i] * b[j]

    multiply_rows = unrolled(multiply_row, depth, channels, pixels)

    @cuda.jit(device=True)
    def multiply(weight_tile, window_tile, a_at, b_at, total):
        a = cuda.local.array(8, float32)
        b = cuda.local.array(8, float32)
        multiply_rows(weight_tile, window_tile, a_at, b_at, a, b, total)

    return Product(place, multiply, half_channels, half_pixels, padding=0)
