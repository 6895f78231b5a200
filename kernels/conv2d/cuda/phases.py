"""Convolution on CUDA, and the gradient of its input: two uses of one kernel, `implicit_gemm.py`.

A convolution is a single phase: all of its outputs read the same taps, each at a constant distance.
The gradient of the input is one convolution or several. From

    dx[c, h] = sum over o, a with h = i s + a d - p for some i of  w[o, c, a] g[o, i]

(rows only), an h = s u + r has i = u + (r + p - a d) / s, for the taps a that make this an integer.
So all h of one residue r read the same taps, each at a constant distance: this is a dense
convolution of g, of stride 1, which yields every s-th row of dx. With both axes there is such a
phase for each pair of residues, and one launch does all of them.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from kernels.conv2d.cuda.implicit_gemm import implicit_gemm_kernel, pack
from kernels.conv2d.cuda.tile import TILES, Tile, best_split
from kernels.conv2d.reference import output_size
from kernels.cuda.launch import MAX_SIZE, launch, on_device_of
from kernels.cuda.shared_sum import room_for_parts
from kernels.dispatch import Array, namespace

Size = tuple[int, int]


class Phase(NamedTuple):
    """The outputs [first_row::step, first_column::step], rows x columns of them.

    Output (i, j) of the phase reads the input at (i in_step + shift, j in_step + shift) for each
    of its taps (tap, row shift, column shift).
    """

    first_row: int
    first_column: int
    rows: int
    columns: int
    taps: tuple[tuple[int, int, int], ...]


def conv2d(
    x: Array,
    w: Array,
    stride: Size,
    padding: Size,
    dilation: Size,
    b: Array | None,
    taps: tuple[int, ...],
    tiles: Sequence[Tile] | None = None,
) -> Array:
    """(N, C, H, W) and (O, C, KH, KW) to (N, O, OH, OW)."""
    size = output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    phases = forward_phases(size, w.shape[2:], padding, dilation, taps)
    strides = w[0].size, w[0, 0].size
    return convolve_phases(x, w, strides, (len(w), *size), phases, stride, (1, 1), b, tiles)


def conv2d_input_grad(
    g: Array,
    w: Array,
    input_size: Size,
    stride: Size,
    padding: Size,
    dilation: Size,
    taps: tuple[int, ...],
    tiles: Sequence[Tile] | None = None,
) -> Array:
    """(N, O, OH, OW) and (O, C, KH, KW) to (N, C, H, W)."""
    phases = adjoint_phases(input_size, w.shape[2:], stride, padding, dilation, taps)
    strides, shape = (w[0, 0].size, w[0].size), (w.shape[1], *input_size)
    return convolve_phases(g, w, strides, shape, phases, (1, 1), stride, None, tiles)


@cache
def forward_phases(
    size: Size, kernel_size: Size, padding: Size, dilation: Size, taps: tuple[int, ...]
) -> tuple[Phase, ...]:
    """The one phase of a convolution to an output of this size."""
    shifts = []
    for tap in taps:
        a, b = divmod(tap, kernel_size[1])
        shifts.append((tap, a * dilation[0] - padding[0], b * dilation[1] - padding[1]))
    return (Phase(0, 0, *size, tuple(shifts)),)


@cache
def adjoint_phases(
    size: Size,
    kernel_size: Size,
    stride: Size,
    padding: Size,
    dilation: Size,
    taps: tuple[int, ...],
) -> tuple[Phase, ...]:
    """The phases of the gradient of an input of this size, for each residue modulo the stride."""
    phases = []
    for row, column in np.ndindex(min(stride[0], size[0]), min(stride[1], size[1])):
        shifts = []
        for tap in taps:
            a, b = divmod(tap, kernel_size[1])
            down, odd_row = divmod(row + padding[0] - a * dilation[0], stride[0])
            right, odd_column = divmod(column + padding[1] - b * dilation[1], stride[1])
            if not odd_row and not odd_column:
                shifts.append((tap, down, right))
        rows, columns = -(-(size[0] - row) // stride[0]), -(-(size[1] - column) // stride[1])
        phases.append(Phase(row, column, rows, columns, tuple(shifts)))
    return tuple(phases)


def convolve_phases(
    x: Array,
    w: Array,
    w_strides: Size,
    y_shape: tuple[int, int, int],
    phases: tuple[Phase, ...],
    in_step: Size,
    out_step: Size,
    b: Array | None = None,
    tiles: Sequence[Tile] | None = None,
) -> Array:
    """x (N, C, H, W) to (N, *y_shape), phase by phase; together they are all of y.

    w_strides are those of w along the channels of y and of x; b (O,) is added to each channel.
    Neighbouring outputs of a phase lie `out_step` apart in y, and their windows `in_step` in x.
    tiles: to choose from, instead of TILES.
    """
    xp = namespace(x)
    channels, produced = x.shape[1], y_shape[0]
    y = xp.empty((len(x), *y_shape), np.float32)
    if y.size == 0:
        return y
    tile = min(tiles or TILES, key=lambda tile: round_up(produced, tile.channels))
    taps, shifts, numbers = (on_device_of(x, table) for table in tables(phases))
    bias = xp.empty(0, np.float32) if b is None else xp.ascontiguousarray(b)

    padded = (round_up(channels, tile.depth), round_up(produced, tile.channels))
    packed = xp.empty(len(taps) * padded[0] * padded[1], np.float32)
    flat = xp.ascontiguousarray(w).reshape(-1)
    shape = channels, produced
    launch(pack, -(-packed.size // 256), 256, flat, taps, packed, padded, shape, w_strides)

    channel_tiles = padded[1] // tile.channels
    pixel_tiles = [-(-len(x) * phase.rows * phase.columns // tile.pixels) for phase in phases]
    steps = max(len(phase.taps) for phase in phases) * padded[0] // tile.depth
    splits = best_split(channel_tiles * sum(pixel_tiles), steps, tile)
    blocks = channel_tiles * max(pixel_tiles)
    size = tile.channels * tile.pixels
    splits = max(1, min(splits, MAX_SIZE // (blocks * len(phases) * size)))
    launch(
        implicit_gemm_kernel(tile),
        (blocks, 1, len(phases) * splits),
        tile.threads,
        *(xp.ascontiguousarray(x).reshape(-1), packed, bias, y.reshape(-1)),
        *room_for_parts(x, blocks * len(phases), size, splits),
        *(shifts, numbers, x.shape, y.shape, padded, in_step, out_step, splits),
    )
    return y


@cache
def tables(phases: tuple[Phase, ...]) -> tuple[tuple[int, ...], ...]:
    """The phases as three tables, which the kernel reads.

    The taps in the order of the phases; their shifts; and six numbers for each phase: first row and
    column, rows, columns, the index of its first tap among all taps, and how many taps it has.
    """
    taps = [tap for phase in phases for tap in phase.taps]
    firsts = np.cumsum([0] + [len(phase.taps) for phase in phases])
    rows = [(*phase[:4], first, len(phase.taps)) for phase, first in zip(phases, firsts)]
    return (
        tuple(tap for tap, _, _ in taps),
        tuple(shift for _, *shifts in taps for shift in shifts),
        tuple(int(number) for row in rows for number in row),
    )


def round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
