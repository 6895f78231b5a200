"""Implicit GEMM on tensor cores, with the error of float32: the product of `ladder.py`'s last rung.

A tensor core multiplies TF32, float32 with 10 bits of mantissa instead of 23, which keeps three
digits. So each factor is split in two TF32 numbers, a large part and the rest, and of

    (large + rest) (large' + rest') = large large' + large rest' + rest large' + rest rest'

all but the last, which is at most 2**-22 of the product, are computed: "3xTF32" (CUTLASS, example
27; Markidis et al. 2018, "NVIDIA Tensor Core Programmability, Performance & Precision").

A tensor core also cuts off the end of each sum (`kernels/cuda/tf32.py`), so that the error grows
with the length of the sum. Hence only 8 terms are summed there, from zero. Then a float32 addition,
which rounds to nearest, adds them to the thread's output (Ootomo & Yokota 2022, "Recovering single
precision accuracy from Tensor Cores while surpassing the FP32 theoretical peak performance", do so
for the large parts). `product` in `tf32.py` is the definition, and benchmarks/NOTES.md has errors.

Not measured on a GPU, so `kernels.conv2d` does not use it. On one,
`python -m benchmarks conv2d --device cuda --kernel kernels/conv2d/cuda/tensor_cores.py` times it.
A factor that is infinite, or rounds to infinity, makes NaN: then there is no rest.
"""

from dataclasses import dataclass
from typing import ClassVar

from numba import cuda, float32, uint32

from kernels.conv2d.cuda import phases
from kernels.conv2d.cuda.phases import Size
from kernels.conv2d.cuda.tile import Product, Tile
from kernels.cuda.intrinsics import load4, mma, nearest_tf32
from kernels.cuda.launch import unrolled
from kernels.dispatch import Array

TERMS = 8
"""Of the sum, in one product of a tensor core."""


@dataclass(frozen=True)
class WarpTile(Tile):
    """A warp computes 32 x 32 of the tile, and each of its threads keeps 4 channels x 8 pixels."""

    thread_channels: ClassVar[int] = 4

    @property
    def blocks(self) -> None:
        """The compiler needs 114 registers. Offered 128, it uses all, and spills four on sm_80."""

    def product(self) -> Product:
        return warp_product(self.channels, self.pixels, self.depth)


TILES = (WarpTile(64, 128, 16, 3), WarpTile(32, 128, 16, 3))


def conv2d(
    x: Array, w: Array, stride: Size, padding: Size, dilation: Size, b: Array | None = None
) -> Array:
    """(N, C, H, W) and (O, C, KH, KW) to (N, O, OH, OW)."""
    return phases.conv2d(x, w, stride, padding, dilation, b, all_taps(w), TILES)


def conv2d_input_grad(
    g: Array, w: Array, input_size: Size, stride: Size, padding: Size, dilation: Size
) -> Array:
    """(N, O, OH, OW) and (O, C, KH, KW) to (N, C, H, W)."""
    options = stride, padding, dilation
    return phases.conv2d_input_grad(g, w, input_size, *options, all_taps(w), TILES)


def all_taps(w: Array) -> tuple[int, ...]:
    return tuple(range(w.shape[2] * w.shape[3]))


def warp_product(channels: int, pixels: int, depth: int) -> Product:
    """`mma` multiplies 16 x 8 by 8 x 8, so 2 x 4 of them are a warp's 32 x 32.

    A thread needs weights of 4 rows and windows of 4 columns of these, for two of the terms. Which
    channel a row is, and which pixel a column, does not matter to a product: row `group` and row
    `group` + 8 of the i-th are channels 4 group + 2 i and the next, and column n of the j-th is
    pixel 4 n + j. So what a thread needs are fours of neighbours, and so are its outputs.

    With 8 words of padding, the 8 threads whose fours are loaded at once, of two groups and four
    terms, read each bank of shared memory once.
    """
    padding = 8
    weight_pitch, window_pitch = channels + padding, pixels + padding
    warps_across = pixels // 32

    @cuda.jit(device=True)
    def place(thread):
        warp, lane = uint32(thread // uint32(32)), uint32(thread % uint32(32))
        group, member = uint32(lane // uint32(4)), uint32(lane % uint32(4))
        channel = uint32(warp // uint32(warps_across) * 32 + 4 * group)
        pixel = uint32(warp % uint32(warps_across) * 32)
        weights_at = uint32(member * weight_pitch + channel)
        windows_at = uint32(member * window_pitch + pixel + 4 * group)
        return channel, uint32(pixel + 8 * member), weights_at, windows_at

    @cuda.jit(device=True)
    def split(four, parts, at):
        """Four numbers as large parts, parts[0], and rests, parts[1], from `at` on."""
        for k in range(4):
            parts[0, at + k] = nearest_tf32(four[k])
            parts[1, at + k] = four[k] - parts[0, at + k]

    @cuda.jit(device=True)
    def add_product(a, b, i, j, sums):
        """Add the product of 16 channels and 8 pixels, of these parts of them."""
        k = 2 * i
        sums[0], sums[1], sums[2], sums[3] = mma(
            a[k], a[k + 1], a[k + 4], a[k + 5], b[j], b[j + 4], sums[0], sums[1], sums[2], sums[3]
        )

    @cuda.jit(device=True)
    def multiply_terms(weight_tile, window_tile, a_at, b_at, a, b, total):
        """Add the product of TERMS terms, with the rests first."""
        for k in range(2):
            split(load4(weight_tile, a_at + 4 * k * weight_pitch), a, 4 * k)
            split(load4(window_tile, b_at + 4 * k * window_pitch), b, 4 * k)
        sums = cuda.local.array(4, float32)
        for i in range(2):
            for j in range(4):
                for k in range(4):
                    sums[k] = float32(0.0)
                add_product(a[1], b[0], i, j, sums)
                add_product(a[0], b[1], i, j, sums)
                add_product(a[0], b[0], i, j, sums)
                for k in range(2):
                    total[2 * i + k, j] += sums[2 * k]
                    total[2 * i + k, j + 4] += sums[2 * k + 1]

    multiply_all = unrolled(
        multiply_terms, depth // TERMS, TERMS * weight_pitch, TERMS * window_pitch
    )

    @cuda.jit(device=True)
    def multiply(weight_tile, window_tile, a_at, b_at, total):
        a = cuda.local.array((2, 8), float32)
        b = cuda.local.array((2, 8), float32)
        multiply_all(weight_tile, window_tile, a_at, b_at, a, b, total)

    return Product(place, multiply, channel_skip=channels, pixel_skip=4, padding=padding)
