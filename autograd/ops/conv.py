"""Convolution, pooling and upsampling of images (N, C, H, W).

The three primitives of a convolution are closed under differentiation: each is bilinear in its
first two arguments, and its rules are the other two. `kernels` computes them and documents their
shapes. The two that return images can add a bias `b` to each channel, which takes less time there
than afterwards.
"""

from typing import Any

import kernels
from autograd.ops.reduce import max, mean, sum_by_channel
from autograd.ops.shape import broadcast_to, concatenate, pad, split, transpose
from autograd.primitive import primitive
from autograd.tensor import Values


@primitive
def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, mask=None):
    """Convolution; with a mask, "A", "B" or an array (KH, KW), the dead taps count as zeros."""
    return kernels.conv2d(x, w, stride, padding, dilation, b, mask)


@primitive
def conv2d_input_grad(g, w, b=None, *, input_size, stride=1, padding=0, dilation=1, mask=None):
    x = kernels.conv2d_input_grad(g, w, input_size, stride, padding, dilation, mask)
    if b is not None:
        x += b.reshape((-1, 1, 1))  # x is new
    return x


@primitive
def conv2d_weight_grad(x, g, *, kernel_size, stride=1, padding=0, dilation=1, mask=None):
    return kernels.conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, mask)


# A b of None is given, since arguments that are left out are looked up by name, which is slow.
conv2d.rule(
    x=lambda g, w, x_shape, stride, padding, dilation, mask: conv2d_input_grad(
        g,
        w,
        None,
        input_size=x_shape[2:],
        stride=stride,
        padding=padding,
        dilation=dilation,
        mask=mask,
    ),
    w=lambda g, x, w_shape, stride, padding, dilation, mask: conv2d_weight_grad(
        x, g, kernel_size=w_shape[2:], stride=stride, padding=padding, dilation=dilation, mask=mask
    ),
    b=sum_by_channel,
)
# In the rules below the cotangent is called h, since g is an input.
conv2d_input_grad.rule(
    g=lambda h, w, stride, padding, dilation, mask: conv2d(
        h, w, stride=stride, padding=padding, dilation=dilation, mask=mask
    ),
    w=lambda h, g, w_shape, stride, padding, dilation, mask: conv2d_weight_grad(
        h, g, kernel_size=w_shape[2:], stride=stride, padding=padding, dilation=dilation, mask=mask
    ),
    b=sum_by_channel,
)
conv2d_weight_grad.rule(
    x=lambda h, g, x_shape, stride, padding, dilation, mask: conv2d_input_grad(
        g, h, input_size=x_shape[2:], stride=stride, padding=padding, dilation=dilation, mask=mask
    ),
    g=lambda h, x, stride, padding, dilation, mask: conv2d(
        x, h, stride=stride, padding=padding, dilation=dilation, mask=mask
    ),
)


def grouped_conv2d(x: Values, w: Values, b: Any = None, groups: int = 1, **options: Any) -> Any:
    """A convolution for each of the groups of channels: w is (outputs, C / groups, KH, KW).

    Each is a call of the kernel, and the answers are concatenated: slow for many groups. Raises
    ValueError unless `groups` divides the channels of x and of w.
    """
    biases = [None] * groups if b is None else split(b, groups)
    parts = zip(split(x, groups, axis=1), split(w, groups), biases)
    return concatenate([conv2d(*part, **options) for part in parts], axis=1)


def causal_conv1d(x: Values, w: Values, b: Any = None, dilation: int = 1) -> Any:
    """A convolution in time, whose output sees no later input: (N, C, T) to (N, outputs, T).

    w is (outputs, C, K); its last tap is for the present, and zeros precede the first input.
    """
    past = (w.shape[2] - 1) * dilation
    rows = pad(x, widths=((0, 0), (0, 0), (past, 0)))[:, :, None]
    y = conv2d(rows, w[:, :, None], b, dilation=(1, dilation))
    return y.reshape(y.shape[0], y.shape[1], y.shape[3])


@primitive
def unfold(x, *, kernel_size, stride=1, padding=0, dilation=1):
    """The window that each output of a convolution depends on: (N, C, OH, OW, KH, KW)."""
    return kernels.unfold(x, kernel_size, stride, padding, dilation)


@primitive
def fold(windows, *, input_size, stride=1, padding=0, dilation=1):
    """The adjoint of `unfold`: each window is added to where it came from."""
    return kernels.fold(windows, input_size, stride, padding, dilation)


unfold.rule(
    x=lambda g, x_shape, stride, padding, dilation: fold(
        g, input_size=x_shape[2:], stride=stride, padding=padding, dilation=dilation
    )
)
fold.rule(
    windows=lambda g, windows_shape, stride, padding, dilation: unfold(
        g, kernel_size=windows_shape[4:], stride=stride, padding=padding, dilation=dilation
    )
)


def max_pool2d(x: Values, kernel_size: Any, stride: Any = None) -> Any:
    """The largest of each window; `stride` is the window's size unless given."""
    windows = unfold(x, kernel_size=kernel_size, stride=kernel_size if stride is None else stride)
    return max(windows, axis=(4, 5))


def avg_pool2d(x: Values, kernel_size: Any, stride: Any = None) -> Any:
    """The mean of each window; `stride` is the window's size unless given."""
    windows = unfold(x, kernel_size=kernel_size, stride=kernel_size if stride is None else stride)
    return mean(windows, axis=(4, 5))


def upsample_nearest(x: Values, factor: int) -> Any:
    """Each pixel repeated `factor` times in both directions."""
    n, c, h, w = x.shape
    # Channels last is the layout that the convolution kernels read without a copy.
    pixels = transpose(x, axes=(0, 2, 3, 1)).reshape(n, h, 1, w, 1, c)
    blocks = broadcast_to(pixels, shape=(n, h, factor, w, factor, c))
    return blocks.reshape(n, h * factor, w * factor, c).transpose((0, 3, 1, 2))
