"""The convolution on tensor cores, against the definition and its arithmetic.

In the simulator the threads of a warp meet for each product, so these are few and small.
"""

import numpy as np
import pytest

from tests.cuda import SIMULATED, needs_cuda, on_device, to_numpy

needs_cuda()

from kernels.conv2d import reference  # noqa: E402
from kernels.conv2d.cuda import tensor_cores  # noqa: E402
from kernels.conv2d.cuda.tensor_cores import WarpTile  # noqa: E402
from kernels.cuda import tf32  # noqa: E402
from tests.cuda.test_conv2d import assert_close, problem  # noqa: E402

ONE_WARP, FOUR_WARPS = WarpTile(32, 32, 8, 2), WarpTile(64, 64, 16, 3)


@pytest.mark.parametrize(
    ("tile", "geometry"),
    [
        (ONE_WARP, ((1, 3, 5, 9), 34, (1, 2), (1, 1), (0, 0), (1, 1))),  # two tiles by two
        (ONE_WARP, ((2, 9, 4, 5), 2, (2, 1), (2, 1), (1, 0), (1, 2))),
        (FOUR_WARPS, ((5, 11, 3, 3), 40, (1, 1), (1, 1), (0, 0), (1, 1))),
    ],
    ids=str,
)
def test_the_convolution(tile, geometry, monkeypatch):
    monkeypatch.setattr(tensor_cores, "TILES", (tile,))
    x, w, _, options = problem(*geometry)
    b = w[:, 0, 0, 0]
    y = tensor_cores.conv2d(on_device(x), on_device(w), *options, on_device(b))
    assert_close(y, reference.conv2d(x, w, *options, b))


def test_the_gradient_of_the_input(monkeypatch):
    monkeypatch.setattr(tensor_cores, "TILES", (ONE_WARP,))
    x, w, g, options = problem((1, 2, 4, 3), 3, (2, 2), (2, 1), (0, 1), (1, 1))
    dx = tensor_cores.conv2d_input_grad(on_device(g), on_device(w), x.shape[2:], *options)
    assert_close(dx, reference.conv2d_input_grad(g, w, x.shape[2:], *options))


def test_the_sum_is_rounded_as_its_definition_says(monkeypatch):
    """Bit by bit, in the simulator. A GPU that is no H100 may differ in the last."""
    monkeypatch.setattr(tensor_cores, "TILES", (ONE_WARP,))
    x, w, _, options = problem((1, 32, 4, 8), 32, (1, 1), (1, 1), (0, 0), (1, 1))
    y = to_numpy(tensor_cores.conv2d(on_device(x), on_device(w), *options))
    expected = tf32.product(w[:, :, 0, 0], x[0].reshape(32, 32)).reshape(y.shape)
    if SIMULATED:
        np.testing.assert_array_equal(y, expected)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-6 * abs(expected).max())
