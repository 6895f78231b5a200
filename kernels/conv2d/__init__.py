"""Convolution and its two gradients: what they take and refuse, whichever implementation runs.

Images are (N, C, H, W) and weights (O, C, KH, KW), as in PyTorch; stride, padding and dilation are
ints or pairs (rows, columns). `reference.py` is the definition. Arrays of float32 or float64 on
the CPU, of float32 on CUDA. Each raises ValueError for shapes that do not fit or have no channel,
and TypeError for other dtypes or arrays on two devices, naming them.

With a `mask` it is the convolution of w * mask, by another implementation: `kernels.masked_conv2d`.

A value that is not finite reaches only the results whose windows contain it. Padding counts as
zeros, which make NaN of infinity. There are two exceptions: a g whose window is all padding may be
left out of the weight gradient; and on CUDA a weight that is not finite makes every input near an
edge NaN.
"""

from typing import Any

from kernels.conv2d.mask import Mask, live_taps
from kernels.conv2d.reference import Pair, output_size, pair
from kernels.dispatch import Array, implementation, namespace


def conv2d(
    x: Array,
    w: Array,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    b: Array | None = None,
    mask: Mask | None = None,
) -> Array:
    """(N, C, H, W) and (O, C, KH, KW) to (N, O, OH, OW); with b (O,) added to each channel."""
    if x.ndim != 4 or w.ndim != 4 or x.shape[1] != w.shape[1] or 0 in w.shape[:2]:
        raise ValueError(
            f"conv2d takes x (N, C, H, W) and w (O, C, KH, KW), not {x.shape} and {w.shape}"
        )
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(f"conv2d with w {w.shape} takes b ({len(w)},), not {b.shape}")
    output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    run, taps = _chosen(mask, w.shape[2:], x, w)
    return run.conv2d(*_alike(x, w), *map(pair, (stride, padding, dilation)), b, *taps)


def conv2d_input_grad(
    g: Array,
    w: Array,
    input_size: Pair,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    mask: Mask | None = None,
) -> Array:
    """(N, O, OH, OW) and (O, C, KH, KW) to (N, C, H, W): also the transposed convolution."""
    if g.ndim != 4 or w.ndim != 4 or 0 in w.shape[:2]:
        raise ValueError(
            f"conv2d_input_grad takes g (N, O, OH, OW) and w (O, C, KH, KW), not {g.shape} and "
            f"{w.shape}"
        )
    size = output_size(input_size, w.shape[2:], stride, padding, dilation)
    if g.shape[1:] != (len(w), *size):
        raise ValueError(
            f"conv2d_input_grad of g {g.shape} and w {w.shape}: for an input of "
            f"{pair(input_size)}, g must be (N, {len(w)}, {size[0]}, {size[1]})"
        )
    run, taps = _chosen(mask, w.shape[2:], g, w)
    options = map(pair, (input_size, stride, padding, dilation))
    return run.conv2d_input_grad(*_alike(g, w), *options, *taps)


def conv2d_weight_grad(
    x: Array,
    g: Array,
    kernel_size: Pair,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    mask: Mask | None = None,
) -> Array:
    """(N, C, H, W) and (N, O, OH, OW) to (O, C, KH, KW), 0 where a mask is."""
    if x.ndim != 4 or g.ndim != 4 or len(x) != len(g) or 0 in (x.shape[1], g.shape[1]):
        raise ValueError(
            f"conv2d_weight_grad takes x (N, C, H, W) and g (N, O, OH, OW), not {x.shape} and "
            f"{g.shape}"
        )
    size = output_size(x.shape[2:], kernel_size, stride, padding, dilation)
    if g.shape[2:] != size:
        raise ValueError(
            f"conv2d_weight_grad of x {x.shape} and g {g.shape}: for a kernel of "
            f"{pair(kernel_size)}, g must be (N, O, {size[0]}, {size[1]})"
        )
    run, taps = _chosen(mask, pair(kernel_size), x, g)
    options = map(pair, (kernel_size, stride, padding, dilation))
    return run.conv2d_weight_grad(*_alike(x, g), *options, *taps)


def _chosen(mask: Mask | None, kernel_size: tuple[int, int], *arrays: Array) -> tuple[Any, tuple]:
    """The implementation, and its further argument where there is a mask: the live taps."""
    if mask is None:
        return implementation("conv2d", *arrays), ()
    taps = live_taps(mask, kernel_size)
    return implementation("masked_conv2d", *arrays), (taps,)


def _alike(*arrays: Array) -> list[Array]:
    """The arrays in the wider of their dtypes."""
    dtype = namespace(arrays[0]).result_type(*arrays)
    return [array.astype(dtype, copy=False) for array in arrays]
