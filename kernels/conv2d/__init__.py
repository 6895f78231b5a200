"""Convolution and its two gradients: what they take and refuse, whichever implementation runs.

Images are (N, C, H, W) and weights (O, C, KH, KW), as in PyTorch; stride, padding and dilation are
ints or pairs (rows, columns). `reference.py` is the definition. Arrays of float32 or float64 on
the CPU, of float32 on CUDA. Each raises ValueError for shapes that do not fit or have no channel,
and TypeError for other dtypes or arrays on two devices, naming them.

What is not finite reaches the results that see it, and no others: padding counts as zeros, which
make NaN of infinity. There are two exceptions. A g that sees nothing but padding may be left out of
the weight gradient; and on CUDA a weight that is not finite makes NaN of all inputs near an edge.
"""

from kernels.conv2d.reference import Pair, output_size, pair
from kernels.dispatch import Array, implementation, namespace

Options = tuple[tuple[int, int], ...]


def conv2d(
    x: Array,
    w: Array,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    b: Array | None = None,
) -> Array:
    """(N, C, H, W) and (O, C, KH, KW) to (N, O, OH, OW); with b (O,) added to each channel."""
    options = check_conv2d(x, w, b, stride, padding, dilation)
    run = implementation("conv2d", x, w)
    return run.conv2d(*alike(x, w), *options, b)


def conv2d_input_grad(
    g: Array,
    w: Array,
    input_size: Pair,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
) -> Array:
    """(N, O, OH, OW) and (O, C, KH, KW) to (N, C, H, W): also the transposed convolution."""
    options = check_input_grad(g, w, input_size, stride, padding, dilation)
    run = implementation("conv2d", g, w)
    return run.conv2d_input_grad(*alike(g, w), pair(input_size), *options)


def conv2d_weight_grad(
    x: Array,
    g: Array,
    kernel_size: Pair,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
) -> Array:
    """(N, C, H, W) and (N, O, OH, OW) to (O, C, KH, KW)."""
    options = check_weight_grad(x, g, kernel_size, stride, padding, dilation)
    run = implementation("conv2d", x, g)
    return run.conv2d_weight_grad(*alike(x, g), pair(kernel_size), *options)


def check_conv2d(x: Array, w: Array, b: Array | None, *options: Pair) -> Options:
    """The options as pairs, if x, w and b have shapes of a convolution."""
    if x.ndim != 4 or w.ndim != 4 or x.shape[1] != w.shape[1] or 0 in w.shape[:2]:
        raise ValueError(
            f"conv2d takes x (N, C, H, W) and w (O, C, KH, KW), not {x.shape} and {w.shape}"
        )
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(f"conv2d with w {w.shape} takes b ({len(w)},), not {b.shape}")
    output_size(x.shape[2:], w.shape[2:], *options)
    return tuple(map(pair, options))


def check_input_grad(g: Array, w: Array, input_size: Pair, *options: Pair) -> Options:
    """The options as pairs, if g can be of the result of w on images of `input_size`."""
    if g.ndim != 4 or w.ndim != 4 or 0 in w.shape[:2]:
        raise ValueError(
            f"conv2d_input_grad takes g (N, O, OH, OW) and w (O, C, KH, KW), not {g.shape} and "
            f"{w.shape}"
        )
    expected = (w.shape[0], *output_size(input_size, w.shape[2:], *options))
    if g.shape[1:] != expected:
        raise ValueError(
            f"conv2d_input_grad of g {g.shape} and w {w.shape}: for an input of "
            f"{pair(input_size)}, g must be (N, {', '.join(map(str, expected))})"
        )
    return tuple(map(pair, options))


def check_weight_grad(x: Array, g: Array, kernel_size: Pair, *options: Pair) -> Options:
    """The options as pairs, if g can be of the result of a kernel of this size on x."""
    if x.ndim != 4 or g.ndim != 4 or len(x) != len(g) or 0 in (x.shape[1], g.shape[1]):
        raise ValueError(
            f"conv2d_weight_grad takes x (N, C, H, W) and g (N, O, OH, OW), not {x.shape} and "
            f"{g.shape}"
        )
    expected = output_size(x.shape[2:], kernel_size, *options)
    if g.shape[2:] != expected:
        raise ValueError(
            f"conv2d_weight_grad of x {x.shape} and g {g.shape}: for a kernel of "
            f"{pair(kernel_size)}, g must be (N, O, {expected[0]}, {expected[1]})"
        )
    return tuple(map(pair, options))


def alike(*arrays: Array) -> list[Array]:
    """The arrays in the wider of their dtypes."""
    dtype = namespace(arrays[0]).result_type(*arrays)
    return [array.astype(dtype, copy=False) for array in arrays]
