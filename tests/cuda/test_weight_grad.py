"""The weight gradient of convolution on CUDA, against its definition."""

import numpy as np
import pytest

from tests.cuda import SIMULATED, needs_cuda, on_device, to_numpy

needs_cuda()

from kernels.conv2d.cuda import conv2d_weight_grad as weight_grad  # noqa: E402
from kernels.conv2d.mask import live_taps  # noqa: E402
from kernels.conv2d.reference import output_size  # noqa: E402
from kernels.masked_conv2d import reference  # noqa: E402

SMALL = (8, 8, 2)
"""A tile for the simulator, where a block of 64 threads takes a second."""

CASES = [
    # x, out channels, kernel size, stride, padding, dilation, mask, tile
    ((2, 3, 8, 9), 5, (3, 3), (1, 1), (1, 1), (1, 1), "all", SMALL),
    ((2, 2, 8, 9), 9, (3, 1), (2, 1), (1, 2), (1, 2), "all", SMALL),
    ((1, 5, 5, 7), 3, (3, 3), (1, 3), (0, 2), (2, 1), "B", (16, 16, 2)),
    ((2, 1, 6, 5), 4, (5, 5), (1, 1), (2, 2), (1, 1), "A", SMALL),
    ((2, 2, 3, 3), 2, (7, 7), (1, 1), (3, 3), (1, 1), [0, 10, 24, 45], SMALL),
    ((2, 1, 18, 17), 2, (1, 1), (1, 1), (0, 0), (1, 1), "all", SMALL),  # a sum of blocks
    ((9, 3, 1, 1), 2, (3, 3), (1, 1), (1, 1), (1, 1), "all", SMALL),  # a step crosses 4 images
    ((0, 2, 3, 3), 2, (1, 1), (1, 1), (0, 0), (1, 1), "all", SMALL),
    ((1, 2, 2, 3), 3, (3, 3), (1, 1), (1, 1), (1, 1), "A", None),
]
if not SIMULATED:
    CASES += [
        ((16, 64, 28, 28), 64, (3, 3), (1, 1), (1, 1), (1, 1), "all", None),
        ((16, 32, 28, 28), 100, (3, 3), (2, 1), (1, 1), (1, 1), "B", None),
        ((16, 1, 28, 28), 64, (7, 7), (1, 1), (3, 3), (1, 1), "A", None),
    ]


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def taps_of(mask, kernel_size) -> np.ndarray:
    if mask == "all":
        return np.arange(kernel_size[0] * kernel_size[1])
    return live_taps(mask, kernel_size) if isinstance(mask, str) else np.array(mask)


@pytest.mark.parametrize(
    ("x_shape", "out_channels", "kernel_size", "stride", "padding", "dilation", "mask", "tile"),
    CASES,
)
def test_the_gradient_is_that_of_the_definition(
    x_shape, out_channels, kernel_size, stride, padding, dilation, mask, tile
):
    options = kernel_size, stride, padding, dilation
    x = random(*x_shape)
    g = random(len(x), out_channels, *output_size(x_shape[2:], *options))
    taps = taps_of(mask, kernel_size)
    got = weight_grad(on_device(x), on_device(g), *options, None if mask == "all" else taps, tile)
    expected = reference.conv2d_weight_grad(x.astype(float), g.astype(float), *options, taps)
    np.testing.assert_allclose(
        to_numpy(got), expected, rtol=1e-5, atol=1e-5 * max(1, g[:, 0].size) ** 0.5
    )
    assert (to_numpy(got)[expected == 0] == 0).all()


@pytest.mark.parametrize(
    "layout",
    [
        lambda a: a[:, :, ::-1, ::-1],
        lambda a: a[:, :, ::2, 1:],
        lambda a: a.transpose(1, 0, 3, 2),
    ],
)
def test_any_layout_of_memory(layout):
    x, g = layout(on_device(random(2, 2, 6, 6))), layout(on_device(random(2, 2, 6, 6)))
    options = (3, 3), (1, 1), (1, 1), (1, 1)
    expected = weight_grad(x.copy(), g.copy(), *options, tile=SMALL)
    assert (weight_grad(x, g, *options, tile=SMALL) == expected).all()


def test_a_pixel_that_only_dead_taps_see_is_not_used():
    x, g = random(2, 2, 4, 5), random(2, 3, 4, 5)
    x[:, :, -1, -1] = np.nan  # the taps of mask A are above it or to its left
    options = (3, 3), (1, 1), (1, 1), (1, 1)
    arrays = on_device(x), on_device(g)
    assert not np.isfinite(to_numpy(weight_grad(*arrays, *options, tile=SMALL))).all()
    masked = weight_grad(*arrays, *options, live_taps("A", (3, 3)), SMALL)
    assert np.isfinite(to_numpy(masked)).all()


def test_the_same_input_gives_the_same_bits():
    x, g = on_device(random(3, 1, 9, 8)), on_device(random(3, 2, 9, 8))
    options = (3, 3), (1, 1), (1, 1), (1, 1)
    first, second = (to_numpy(weight_grad(x, g, *options, tile=SMALL)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
