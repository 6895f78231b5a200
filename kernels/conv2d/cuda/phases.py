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

import numpy as np

from kernels.conv2d.cuda.implicit_gemm import Phase, Size, convolve_phases
from kernels.conv2d.cuda.tile import Tile
from kernels.conv2d.reference import output_size
from kernels.dispatch import Array


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
