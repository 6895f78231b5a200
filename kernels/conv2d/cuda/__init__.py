"""Convolution on CUDA, and the gradient of its input: two uses of one kernel, `implicit_gemm.py`.

`ladder.py` is the way to that kernel, for reading; `run.py` runs a rung of it. `weight_grad.py` is
the third reading of the convolution, with a kernel of its own.

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
from kernels.conv2d.cuda.weight_grad import conv2d_weight_grad
from kernels.conv2d.reference import output_size
from kernels.dispatch import Array

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad"]


def conv2d(
    x: Array,
    w: Array,
    stride: Size,
    padding: Size,
    dilation: Size,
    b: Array | None = None,
    taps: Sequence[int] | None = None,
) -> Array:
    """(N, C, H, W) and (O, C, KH, KW) to (N, O, OH, OW), float32.

    `taps` lists the live taps as flat indices a KW + b, None for all: the others are neither
    loaded nor multiplied, so their weights may be anything.
    """
    size = output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    phases = forward_phases(size, w.shape[2:], padding, dilation, live_taps(taps, w))
    weights = w.reshape(*w.shape[:2], -1).transpose(2, 1, 0)
    y = convolve_phases(x, weights, size, phases, in_step=stride, out_step=(1, 1))
    if b is not None:
        y += b.reshape(-1, 1, 1)
    return y


def conv2d_input_grad(
    g: Array,
    w: Array,
    input_size: Size,
    stride: Size,
    padding: Size,
    dilation: Size,
    taps: Sequence[int] | None = None,
) -> Array:
    """(N, O, OH, OW) and (O, C, KH, KW) to (N, C, H, W), float32. `taps` as in conv2d."""
    phases = adjoint_phases(input_size, w.shape[2:], stride, padding, dilation, live_taps(taps, w))
    weights = w.reshape(*w.shape[:2], -1).transpose(2, 0, 1)
    return convolve_phases(g, weights, input_size, phases, in_step=(1, 1), out_step=stride)


def live_taps(taps: Sequence[int] | None, w: Array) -> tuple[int, ...]:
    return tuple(map(int, range(w.shape[2] * w.shape[3]) if taps is None else taps))


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
