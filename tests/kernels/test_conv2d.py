"""The definition of convolution, and PyTorch's where it is installed."""

import itertools

import numpy as np
import pytest

import kernels

GEOMETRIES = list(itertools.product((1, (2, 3)), (0, (1, 2)), (1, (2, 1)), ((1, 1), (3, 2))))


@pytest.mark.parametrize(("stride", "padding", "dilation", "kernel_size"), GEOMETRIES)
def test_convolution_and_its_two_gradients_agree_with_pytorch(
    stride, padding, dilation, kernel_size
):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 8, 9)), rng.standard_normal((4, 3, *kernel_size))
    a, b = torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)
    theirs = torch.nn.functional.conv2d(a, b, None, stride, padding, dilation)
    g = rng.standard_normal(theirs.shape)
    theirs.backward(torch.tensor(g))
    options = (stride, padding, dilation)
    for mine, other in (
        (kernels.conv2d(x, w, *options), theirs.detach()),
        (kernels.conv2d_input_grad(g, w, (8, 9), *options), a.grad),
        (kernels.conv2d_weight_grad(x, g, kernel_size, *options), b.grad),
    ):
        np.testing.assert_allclose(mine, other, atol=1e-12)


def test_the_sum_of_the_definition():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((1, 2, 5, 4)), rng.standard_normal((3, 2, 2, 3))
    y = kernels.conv2d(x, w, stride=2, padding=1)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for (o, i, j), value in np.ndenumerate(y[0]):
        window = padded[0, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 3]
        assert value == pytest.approx((window * w[o]).sum())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, w, g: kernels.conv2d(x, w[:, :1]), r"not \(1, 2, 4, 4\) and \(3, 1, 3, 3\)"),
        (lambda x, w, g: kernels.conv2d(x[0], w), r"not \(2, 4, 4\)"),
        (lambda x, w, g: kernels.conv2d(x, w, dilation=2), r"no \(3, 3\) window"),
        (lambda x, w, g: kernels.conv2d_input_grad(g, w, (5, 5)), r"g must be \(N, 3, 3, 3\)"),
        (lambda x, w, g: kernels.conv2d_weight_grad(x, g, (2, 2)), "not a result of it"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.zeros((1, 2, 4, 4)), np.zeros((3, 2, 3, 3)), np.zeros((1, 3, 2, 2)))
