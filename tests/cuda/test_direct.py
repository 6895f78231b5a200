"""Convolution on CUDA from few channels, or to few, against convolution with dead taps of zero."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cuda import SIMULATED, needs_cuda, on_device, to_numpy

needs_cuda()

from kernels.conv2d.cuda import direct  # noqa: E402
from kernels.conv2d.mask import live_taps  # noqa: E402
from kernels.conv2d.reference import output_size  # noqa: E402
from kernels.masked_conv2d import cuda, reference  # noqa: E402

BLOCK = (4, 2, 4, 2)
"""A small block of the direct kernel, for the simulator: 8 threads, 8 pixels, 8 channels."""

CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])

FEW_CHANNELS = [
    # x, out channels, kernel size, stride, padding, dilation, mask
    ((2, 1, 5, 6), 5, (7, 7), (1, 1), (3, 3), (1, 1), "A"),
    ((2, 1, 5, 6), 9, (5, 5), (1, 1), (2, 2), (1, 1), "B"),
    ((3, 2, 6, 4), 5, (3, 5), (1, 1), (0, 3), (2, 1), "B"),
    ((1, 3, 6, 7), 6, (3, 3), (1, 1), (1, 1), (1, 1), CROSS),
    ((9, 4, 1, 1), 3, (1, 1), (1, 1), (0, 0), (1, 1), "B"),  # many images in a block
    ((2, 5, 4, 6), 2, (3, 3), (1, 1), (1, 1), (1, 1), np.ones((3, 3))),  # to few, and all taps
    ((1, 1, 3, 11), 2, (3, 3), (1, 1), (2, 0), (1, 2), "A"),  # rows longer than a block
]
STRIDED = [
    ((2, 1, 7, 8), 5, (7, 7), (2, 2), (3, 3), (1, 1), "A"),
    ((2, 3, 6, 9), 3, (3, 3), (1, 3), (1, 0), (2, 1), CROSS),
    ((2, 2, 7, 4), 3, (3, 1), (3, 2), (0, 1), (1, 1), "B"),  # images that end between strides
]
CHOSEN = [
    ((1, 5, 4, 3), 3, (3, 3), (1, 1), (1, 1), (1, 1), "A"),
    ((1, 2, 5, 4), 3, (3, 3), (2, 1), (1, 1), (1, 1), CROSS),
]
if not SIMULATED:
    CHOSEN += [
        ((16, channels, 28, 28), 64, size, (1, 1), (padding, padding), (1, 1), mask)
        for channels, size, padding, mask in ((1, (7, 7), 3, "A"), (3, (7, 7), 3, "A"),
                                              (4, (3, 3), 1, CROSS), (64, (3, 3), 1, "B"))
    ]  # fmt: skip


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def problem(x_shape, out_channels, kernel_size, stride, padding, dilation, mask):
    """Arrays x, w, g; the live taps; the options."""
    size = output_size(x_shape[2:], kernel_size, stride, padding, dilation)
    w = random(out_channels, x_shape[1], *kernel_size)
    g = random(x_shape[0], out_channels, *size)
    return random(*x_shape), w, g, live_taps(mask, kernel_size), (stride, padding, dilation)


def assert_close(got, expected):
    np.testing.assert_allclose(to_numpy(got), expected, rtol=1e-5, atol=1e-5 * abs(expected).max())


@pytest.fixture(params=[0, 1, 132])
def multiprocessors(request, monkeypatch):
    """How the channels are split among blocks: a block has all, several, or one of them."""
    monkeypatch.setattr(direct, "MULTIPROCESSORS", request.param)


@pytest.mark.parametrize("case", FEW_CHANNELS + STRIDED, ids=str)
def test_few_channels_forward(case, multiprocessors):
    x, w, _, taps, options = problem(*case)
    y = direct.conv2d(on_device(x), on_device(w), *options, None, taps, BLOCK)
    assert_close(y, reference.conv2d(x.astype(float), w.astype(float), *options, None, taps))


@pytest.mark.parametrize("case", CHOSEN, ids=str)
def test_a_bias(case):
    x, w, _, taps, options = problem(*case)
    b = random(len(w))
    y = cuda.conv2d(on_device(x), on_device(w), *options, on_device(b), taps)
    assert_close(y, reference.conv2d(x.astype(float), w.astype(float), *options, b, taps))


@pytest.mark.parametrize("case", FEW_CHANNELS, ids=str)
def test_few_channels_input_grad(case, multiprocessors):
    x, w, g, taps, options = problem(*case)
    size, block = x.shape[2:], (x.shape[1], 2, 8, 1)
    dx = direct.conv2d_input_grad(on_device(g), on_device(w), size, *options, taps, block)
    g, w = g.astype(float), w.astype(float)
    assert_close(dx, reference.conv2d_input_grad(g, w, size, *options, taps))


@pytest.mark.parametrize("case", CHOSEN, ids=str)
def test_all_three_with_the_blocks_they_choose(case):
    x, w, g, taps, options = problem(*case)
    for name, a, b, arguments in (
        ("conv2d", x, w, (*options, None, taps)),
        ("conv2d_input_grad", g, w, (x.shape[2:], *options, taps)),
        ("conv2d_weight_grad", x, g, (w.shape[2:], *options, taps)),
    ):
        got = getattr(cuda, name)(on_device(a), on_device(b), *arguments)
        expected = getattr(reference, name)(a.astype(float), b.astype(float), *arguments)
        assert_close(got, expected)


LAYOUTS = [
    lambda a: a[:, :, ::-1, ::-1],
    lambda a: a[:, :, ::2, 1:],
    lambda a: a.transpose(1, 0, 3, 2),
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_of_memory(layout):
    x, w = layout(on_device(random(2, 2, 5, 5))), layout(on_device(random(2, 2, 5, 5)))
    taps = [0, 2]
    rest = (1, 1), (1, 1), (1, 1), None, taps, BLOCK
    assert (direct.conv2d(x, w, *rest) == direct.conv2d(x.copy(), w.copy(), *rest)).all()


def test_what_only_dead_taps_see_is_not_used():
    x, w, g, taps, options = problem((2, 2, 4, 5), 3, (3, 3), (1, 1), (1, 1), (1, 1), "A")
    w.reshape(3, 2, 9)[:, :, 4:] = np.nan
    x[:, :, -1, -1] = np.nan  # the live taps of a window are above its pixel, or to the left
    g[:, :, 0, 0] = np.nan  # so those of the first window are all outside
    w = on_device(w)
    y = direct.conv2d(on_device(x), w, *options, None, taps, BLOCK)
    block = (2, 2, 8, 1)
    dx = direct.conv2d_input_grad(on_device(g), w, (4, 5), *options, taps, block)
    assert np.isfinite(to_numpy(y)).all() and np.isfinite(to_numpy(dx)).all()


def test_the_same_input_gives_the_same_bits():
    _, w, g, taps, options = problem((2, 1, 5, 6), 9, (3, 3), (1, 1), (1, 1), (1, 1), "B")
    arrays = on_device(g), on_device(w)
    first, second = (
        direct.conv2d_input_grad(*arrays, (5, 6), *options, taps, (1, 2, 8, 1)) for _ in range(2)
    )
    np.testing.assert_array_equal(to_numpy(first), to_numpy(second))


@pytest.mark.parametrize(
    ("x_shape", "kernel_size"),
    [((1, 1, 12, 12), (12, 12)), ((1, 1, 1, 4000), (1, 1)), ((0, 1, 3, 3), (1, 1))],
    ids=["too many taps", "too wide an image", "no image"],
)
def test_the_direct_kernel_declines_what_it_has_no_room_for(x_shape, kernel_size):
    x, w = on_device(random(*x_shape)), on_device(random(1, 1, *kernel_size))
    taps, one, zero = range(w.size), (1, 1), (0, 0)
    shape = (1, *output_size(x_shape[2:], kernel_size, one, zero, one))
    assert direct.direct(x, w, (1, 1), taps, shape, one, zero, one, BLOCK) is None


@given(*[st.integers(1, 40)] * 2, *[st.integers(1, 7)] * 2, st.integers(1, 3), st.integers(0, 6))
def test_the_room_for_a_block_holds_its_rows_wherever_it_begins(
    start, pixels, out_height, out_width, stride, reach
):
    def row(pixel):
        image, pixel = divmod(pixel, out_height * out_width)
        rows_of_image = (out_height - 1) * stride + reach + 1
        return image * rows_of_image + pixel // out_width * stride

    rows = row(start + pixels - 1) + reach + 1 - row(start)
    assert rows <= direct.max_rows(pixels, out_height, out_width, stride, reach)
