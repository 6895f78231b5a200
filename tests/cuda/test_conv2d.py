"""Every rung of the ladder, and the gradient of the input, against the definition."""

from functools import partial

import numpy as np
import pytest

from tests.cuda import SIMULATED, needs_cuda, on_device, to_numpy

needs_cuda()

from kernels.conv2d import cuda, reference  # noqa: E402
from kernels.conv2d.cuda import direct, ladder, phases  # noqa: E402
from kernels.conv2d.cuda.tile import TILES, Tile, best_split  # noqa: E402
from kernels.cuda.launch import launch  # noqa: E402

SMALL = Tile(16, 16, 8, 3)
"""A tile of 4 threads, for the simulator."""

RUNGS = ladder.LADDER | {
    "shared tile": partial(ladder.shared_tile, side=4),
    "thread tile": partial(ladder.thread_tile, side=16, depth=4),
}
if SIMULATED:
    del RUNGS["tensor cores"]  # too slow: it has `test_tensor_cores`
GEOMETRIES = [
    # x, out channels, kernel size, stride, padding, dilation
    ((2, 3, 4, 6), 5, (3, 3), (1, 1), (1, 1), (1, 1)),
    ((1, 9, 5, 6), 17, (2, 3), (2, 3), (1, 2), (2, 1)),  # more channels than a tile
    ((1, 2, 8, 7), 3, (3, 3), (2, 2), (0, 1), (1, 1)),
    ((3, 3, 4, 4), 2, (1, 1), (2, 2), (0, 0), (1, 1)),  # most inputs are of no output
    ((1, 1, 3, 4), 2, (7, 7), (1, 1), (3, 3), (1, 1)),
    ((1, 2, 2, 3), 2, (1, 1), (1, 1), (2, 1), (1, 1)),  # a border of zeros
    ((5, 1, 3, 1), 1, (2, 1), (1, 1), (0, 0), (1, 2)),
    ((1, 2, 4, 6), 2, (2, 2), (2, 4), (0, 1), (2, 3)),  # stride and dilation share a factor
]


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape, np.float32)


def problem(x_shape, out_channels, kernel_size, *options):
    """x, w, g and the options."""
    w = random(out_channels, x_shape[1], *kernel_size)
    size = reference.output_size(x_shape[2:], kernel_size, *options)
    return random(*x_shape), w, random(x_shape[0], out_channels, *size), options


def assert_close(got, expected):
    """To float32's precision, for sums of some hundred terms of size one."""
    assert got.dtype == np.float32
    np.testing.assert_allclose(to_numpy(got), expected, rtol=1e-5, atol=1e-5)


def check(x, w, g, options, taps=None):
    """The convolution and its input gradient, of these arrays of the device."""
    live = to_numpy(w).copy()
    if taps is not None:
        live.reshape(*live.shape[:2], -1)[..., np.delete(np.arange(live[0, 0].size), taps)] = 0
    y = cuda.conv2d(x, w, *options, taps=taps)
    assert_close(y, reference.conv2d(to_numpy(x), live, *options))
    dx = cuda.conv2d_input_grad(g, w, x.shape[2:], *options, taps)
    assert_close(dx, reference.conv2d_input_grad(to_numpy(g), live, x.shape[2:], *options))


@pytest.fixture
def small_tile(monkeypatch):
    monkeypatch.setattr(phases, "TILES", (SMALL,))
    monkeypatch.setattr(direct, "MAX_CHANNELS", 0)  # its own tests are in `test_direct`


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_every_rung(rung, geometry, small_tile):
    x, w, _, options = problem(*geometry)
    y = RUNGS[rung](on_device(x), on_device(w), *options)
    assert_close(y, reference.conv2d(x, w, *options))


def test_a_bias(small_tile):
    x, w, _, options = problem(*GEOMETRIES[0])
    b = random(len(w))
    y = cuda.conv2d(on_device(x), on_device(w), *options, on_device(b))
    assert_close(y, reference.conv2d(x, w, *options, b))


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_the_gradient_of_the_input(geometry, small_tile):
    x, w, g, options = problem(*geometry)
    dx = cuda.conv2d_input_grad(on_device(g), on_device(w), x.shape[2:], *options)
    assert_close(dx, reference.conv2d_input_grad(g, w, x.shape[2:], *options))


MODEL_SHAPES = [] if SIMULATED else [
    ((16, 128, 7, 7), 128, (3, 3), (1, 1), (1, 1), (1, 1)),
    ((16, 64, 28, 28), 128, (3, 3), (1, 1), (1, 1), (1, 1)),
    ((16, 64, 28, 28), 32, (3, 3), (2, 2), (1, 1), (1, 1)),
    ((16, 64, 28, 28), 64, (3, 3), (1, 1), (1, 1), (1, 1)),
]  # fmt: skip


@pytest.mark.parametrize("geometry", MODEL_SHAPES, ids=str)
def test_the_shapes_of_the_models(geometry):
    """The tiles that the kernel chooses, and many steps: too slow for the simulator."""
    x, w, g, options = problem(*geometry)
    w /= 8  # so that the sums are of size one
    check(on_device(x), on_device(w), on_device(g), options)


@pytest.mark.parametrize("tile", TILES, ids=str)
def test_the_tiles_that_are_used(tile, monkeypatch):
    monkeypatch.setattr(phases, "TILES", (tile,))
    x, w, g, options = problem((3, 2, 5, 8), 3, (1, 2), (1, 1), (0, 1), (1, 1))
    check(on_device(x), on_device(w), on_device(g), options)


LAYOUTS = {
    "reversed": lambda a: on_device(a[::-1, :, ::-1, ::-1].copy())[::-1, :, ::-1, ::-1],
    "transposed": lambda a: on_device(a.T.copy()).T,
    "every other": lambda a: on_device(np.repeat(a, 2, axis=3))[..., ::2],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_in_any_order_of_memory(layout, small_tile):
    x, w, g, options = problem((2, 2, 4, 3), 2, (2, 2), (1, 1), (1, 0), (1, 1))
    expected = reference.conv2d(x, w, *options)
    x, w, g = map(LAYOUTS[layout], (x, w, g))
    check(x, w, g, options)
    for run in RUNGS.values():
        assert_close(run(x, w, *options), expected)


@pytest.mark.parametrize("taps", [[4], [0, 1, 2, 3], np.array([8, 0])], ids=str)
@pytest.mark.parametrize("stride", [(1, 1), (2, 2)], ids=str)
def test_dead_taps_may_hold_anything(taps, stride, small_tile):
    x, w, g, options = problem((2, 3, 4, 5), 4, (3, 3), stride, (1, 1), (1, 1))
    w.reshape(4, 3, 9)[..., np.delete(np.arange(9), taps)] = np.nan
    check(on_device(x), on_device(w), on_device(g), options, taps)


@pytest.mark.parametrize(
    ("geometry", "splits"),
    [(GEOMETRIES[0], 2), (GEOMETRIES[1], 3), (GEOMETRIES[2], 2), (GEOMETRIES[5], 3)],
)
def test_the_reduction_is_shared_among_blocks(geometry, splits, small_tile, monkeypatch):
    """In the last case there are more blocks than steps."""
    monkeypatch.setattr(phases, "best_split", lambda tiles, steps, tile: splits)
    x, w, g, options = problem(*geometry)
    check(on_device(x), on_device(w), on_device(g), options)


def test_small_maps_are_split_and_large_ones_are_not():
    tile = TILES[0]
    blocks = {7: 49, 14: 196, 28: 784, 56: 3136}  # N = 128, 128 channels, pixels / 128
    splits = {size: best_split(n, 9 * 128 // tile.depth, tile) for size, n in blocks.items()}
    assert splits[56] == 1
    assert 132 <= blocks[7] * splits[7] <= 2 * 132  # one round of two blocks a multiprocessor
    assert best_split(1, 1, tile) == 1


def test_an_empty_batch():
    x, w, g, options = problem((0, 2, 4, 4), 3, (3, 3), (1, 1), (1, 1), (1, 1))
    check(on_device(x), on_device(w), on_device(g), options)
    for run in RUNGS.values():
        assert run(on_device(x), on_device(w), *options).shape == g.shape


def test_a_launch_refuses_a_grid_or_an_array_that_is_too_large():
    _, w, g, _ = problem((1, 1, 300, 300), 1, (1, 1), (256, 256), (0, 0), (1, 1))
    with pytest.raises(ValueError, match=r"a grid of .* blocks is more than"):
        cuda.conv2d_input_grad(on_device(g), on_device(w), (300, 300), (256, 256), (0, 0), (1, 1))
    large = np.broadcast_to(np.float32(0), (2**16, 2**16))
    with pytest.raises(ValueError, match="an array of 4,294,967,296 elements"):
        launch(None, 1, 1, large)
