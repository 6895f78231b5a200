"""Convolution through a mask, which lets some taps of the kernel through and kills the others.

The masks of the autoregressive models: with the pixels in raster order, "A" lets through what
comes before the centre, and "B" the centre too (van den Oord et al. 2016, "Pixel Recurrent Neural
Networks", section 3.4). Any other mask is an array (KH, KW), live where it is not zero.

A dead tap is not loaded and not multiplied, so its weight may be anything, and its gradient is 0.
Arrays, options and errors are those of `kernels.conv2d`; and ValueError for a mask of even size,
which has no centre, of another size than the kernel, or one that kills every tap.
"""

import numpy as np

from kernels.conv2d import alike, check_conv2d, check_input_grad, check_weight_grad
from kernels.conv2d.reference import Pair, pair
from kernels.dispatch import Array, implementation

Mask = str | np.ndarray


def masked_conv2d(
    x: Array,
    w: Array,
    mask: Mask,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    b: Array | None = None,
) -> Array:
    """(N, C, H, W) and (O, C, KH, KW) to (N, O, OH, OW): conv2d(x, w * mask) + b."""
    options = check_conv2d(x, w, b, stride, padding, dilation)
    taps = live_taps(mask, w.shape[2:])
    run = implementation("masked_conv2d", x, w)
    return run.masked_conv2d(*alike(x, w), taps, *options, b)


def masked_conv2d_input_grad(
    g: Array,
    w: Array,
    mask: Mask,
    input_size: Pair,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
) -> Array:
    """(N, O, OH, OW) and (O, C, KH, KW) to (N, C, H, W)."""
    options = check_input_grad(g, w, input_size, stride, padding, dilation)
    taps = live_taps(mask, w.shape[2:])
    run = implementation("masked_conv2d", g, w)
    return run.masked_conv2d_input_grad(*alike(g, w), taps, pair(input_size), *options)


def masked_conv2d_weight_grad(
    x: Array,
    g: Array,
    mask: Mask,
    kernel_size: Pair,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
) -> Array:
    """(N, C, H, W) and (N, O, OH, OW) to (O, C, KH, KW), 0 at dead taps."""
    options = check_weight_grad(x, g, kernel_size, stride, padding, dilation)
    taps = live_taps(mask, kernel_size)
    run = implementation("masked_conv2d", x, g)
    return run.masked_conv2d_weight_grad(*alike(x, g), taps, pair(kernel_size), *options)


def live_taps(mask: Mask, kernel_size: Pair) -> np.ndarray:
    """The taps that the mask lets through, in ascending order: tap (a, b) is a KW + b."""
    rows, columns = kernel_size = pair(kernel_size)
    if rows % 2 == 0 or columns % 2 == 0:
        raise ValueError(f"a mask of {tuple(kernel_size)} has no centre: its sizes must be odd")
    if isinstance(mask, str):
        if mask not in ("A", "B"):
            raise ValueError(f"no mask {mask!r}: choose A, B, or an array {tuple(kernel_size)}")
        taps = np.arange(rows * columns // 2 + (mask == "B"))
    elif np.shape(mask) != tuple(kernel_size):
        raise ValueError(f"a mask of {np.shape(mask)} for a kernel of {tuple(kernel_size)}")
    else:
        taps = np.flatnonzero(mask)
    if not len(taps):
        raise ValueError(f"mask {mask} of {tuple(kernel_size)} kills every tap")
    return taps
