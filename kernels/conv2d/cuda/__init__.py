"""Convolution on CUDA, and its two gradients.

Images of few channels have a kernel of their own, `direct.py`; the others share the one that
`phases.py` starts, `implicit_gemm.py`. `ladder.py` is the way to it, for reading, and `run.py` runs
a rung of that. `weight_grad.py` is the third reading of the convolution, with its kernel.

`taps` lists the live taps as flat indices a KW + b, None for all: the others are neither loaded nor
multiplied, so their weights may be anything. All arrays are float32.
"""

from collections.abc import Sequence

from kernels.conv2d.cuda import direct, phases
from kernels.conv2d.cuda.weight_grad import conv2d_weight_grad
from kernels.dispatch import Array

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad"]

Pair = tuple[int, int]


def conv2d(
    x: Array,
    w: Array,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    b: Array | None = None,
    taps: Sequence[int] | None = None,
) -> Array:
    """(N, C, H, W) and (O, C, KH, KW) to (N, O, OH, OW)."""
    arguments = x, w, stride, padding, dilation, b, _live(taps, w)
    y = direct.conv2d(*arguments)
    return phases.conv2d(*arguments) if y is None else y


def conv2d_input_grad(
    g: Array,
    w: Array,
    input_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    taps: Sequence[int] | None = None,
) -> Array:
    """(N, O, OH, OW) and (O, C, KH, KW) to (N, C, H, W)."""
    arguments = g, w, input_size, stride, padding, dilation, _live(taps, w)
    dx = direct.conv2d_input_grad(*arguments)
    return phases.conv2d_input_grad(*arguments) if dx is None else dx


def _live(taps: Sequence[int] | None, w: Array) -> tuple[int, ...]:
    return tuple(map(int, range(w.shape[2] * w.shape[3]) if taps is None else taps))
