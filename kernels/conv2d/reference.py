"""Convolution as the textbook writes it, in NumPy.

    y[n, o, i, j] = sum over c, k, l of x[n, c, i s + k d - p, j s + l d - p] w[o, c, k, l] + b[o]

with stride s, padding p (zeros) and dilation d, each an int or a pair (rows, columns). x is
(N, C, H, W), w is (O, C, KH, KW), y is (N, O, OH, OW) with OH = (H + 2p - d (KH - 1) - 1) // s + 1.

`unfold` gives the window of x for each output, and `fold` is its adjoint. The trilinear form
<g, conv2d(x, w)> has two other readings, which are the gradients of the first:
<conv2d_input_grad(g, w), x> and <conv2d_weight_grad(x, g), w>.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

Pair = int | Sequence[int]


def pair(value: Pair) -> tuple[int, int]:
    """(rows, columns) of an int or of two. Raises ValueError for anything else."""
    rows: Any = value
    columns: Any = value
    if isinstance(value, (tuple, list)) and len(value) == 2:
        rows, columns = value
    if not isinstance(rows, (int, np.integer)) or not isinstance(columns, (int, np.integer)):
        raise ValueError(f"not an int or a pair of ints, (rows, columns): {value!r}")
    return int(rows), int(columns)


def output_size(
    input_size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> tuple[int, int]:
    """(OH, OW). Raises ValueError if no window fits, or for an option that makes no sense."""
    return _output_size(
        pair(input_size), pair(kernel_size), pair(stride), pair(padding), pair(dilation)
    )


@lru_cache
def _output_size(*options: tuple[int, int]) -> tuple[int, int]:
    input_size, kernel_size, stride, padding, dilation = options
    if min(*kernel_size, *stride, *dilation) < 1 or min(padding) < 0:
        raise ValueError(
            f"kernel size {kernel_size}, stride {stride} and dilation {dilation} are at least 1, "
            f"padding {padding} at least 0"
        )
    rows, columns = ((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(*options))
    if rows < 1 or columns < 1:
        raise ValueError(
            f"no {kernel_size} window with dilation {dilation} fits an image of {input_size} with "
            f"padding {padding}"
        )
    return rows, columns


def unfold(
    x: np.ndarray, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1
) -> np.ndarray:
    """The windows of x: (N, C, H, W) to (N, C, OH, OW, KH, KW), a view where padding is 0."""
    output_size(x.shape[2:], kernel_size, stride, padding, dilation)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = map(pair, (kernel_size, stride, padding, dilation))
    if ph or pw:
        x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    extent = (dh * (kh - 1) + 1, dw * (kw - 1) + 1)
    windows = np.lib.stride_tricks.sliding_window_view(x, extent, axis=(2, 3))
    return windows[:, :, ::sh, ::sw, ::dh, ::dw]


def fold(
    windows: np.ndarray,
    input_size: Pair,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
) -> np.ndarray:
    """Add each window back where it was: (N, C, OH, OW, KH, KW) to (N, C, H, W)."""
    n, c, rows, columns, kh, kw = windows.shape
    (sh, sw), (ph, pw), (dh, dw) = map(pair, (stride, padding, dilation))
    if output_size(input_size, (kh, kw), stride, padding, dilation) != (rows, columns):
        raise ValueError(f"windows of shape {windows.shape} are not of an image of {input_size}")
    height, width = pair(input_size)
    x = np.zeros_like(windows, shape=(n, c, height + 2 * ph, width + 2 * pw))
    for a in range(kh):
        for b in range(kw):
            top, left = a * dh, b * dw
            x[:, :, top : top + sh * rows : sh, left : left + sw * columns : sw] += windows[
                ..., a, b
            ]
    return x[:, :, ph : ph + height, pw : pw + width]


def conv2d(x, w, stride, padding, dilation, b=None):
    windows = unfold(x, w.shape[2:], stride, padding, dilation)
    y = np.tensordot(windows, w, ((1, 4, 5), (1, 2, 3)))
    if b is not None:
        y += b
    return y.transpose(0, 3, 1, 2)


def conv2d_input_grad(g, w, input_size, stride, padding, dilation):
    windows = np.tensordot(g, w, ((1,), (0,))).transpose(0, 3, 1, 2, 4, 5)
    return fold(windows, input_size, stride, padding, dilation)


def conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation):
    windows = unfold(x, kernel_size, stride, padding, dilation)
    return np.tensordot(g, windows, ((0, 2, 3), (0, 2, 3)))
