"""The kernels between convolutions, on the CPU, against their definitions in float64."""

import itertools

import numpy as np
import pytest

import kernels
from kernels.dispatch import use

LAYOUTS = {
    "channels last": lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1),
    "channels first": np.ascontiguousarray,
}
SHAPES = {
    "few features": ((3, 6), 2),
    "an example a core and more": ((5, 8, 60, 60), 4),
    "one example": ((1, 6, 40_000), 6),
}


@pytest.fixture(autouse=True)
def three_cores(monkeypatch):
    """The kernels have one until there is a convolution."""
    monkeypatch.setattr("kernels.threads.CORES", 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", SHAPES)
def test_group_norm_and_its_gradients(name, layout, dtype):
    shape, groups = SHAPES[name]
    rng = np.random.default_rng(0)
    g, x = rng.standard_normal(shape), 3 + rng.standard_normal(shape)
    w, b = rng.standard_normal((2, shape[1]))
    calls = {
        kernels.group_norm: (x, w, b),
        kernels.group_norm_input_grad: (g, x, w),
        kernels.group_norm_weight_grad: (g, x),
    }
    for kernel, arrays in calls.items():
        given = [(LAYOUTS[layout](a) if a.ndim > 1 else a).astype(dtype) for a in arrays]
        with use("reference"):
            expected = kernel(*arrays, groups, 1e-5)
        found = kernel(*given, groups, 1e-5)
        assert found.dtype == dtype
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, atol=2e3 * np.finfo(dtype).eps * scale, rtol=0)


@pytest.mark.parametrize(
    ("shape", "weights", "groups"), [((2, 4), 3, 2), ((2, 4), 4, 3), ((4,), 4, 1)]
)
def test_group_norm_refuses_shapes_that_do_not_fit(shape, weights, groups):
    w = np.ones(weights)
    with pytest.raises(ValueError, match="group_norm takes x"):
        kernels.group_norm(np.ones(shape), w, w, groups, 1e-5)


X = np.concatenate([np.linspace(-80, 80, 23_997), [-1e4, 0.0, 1e4]])
ARRAYS = {
    "numbers in a row": X,
    "a few numbers": X[-10:],
    "one number": np.array(X[0]),
    "images, shared by the cores": X.reshape(8, 10, 20, 15),
    "a part of images": X.reshape(8, 10, 20, 15)[::2, ::-1, :, 1:],
}
POINTWISE = {
    "add": lambda x, y: kernels.add(x, y),
    "sigmoid": lambda x, y: kernels.sigmoid(x),
    "silu": lambda x, y: kernels.silu(x),
    "silu_grad": lambda x, y: kernels.silu_grad(y, x),
    "leaky_relu": lambda x, y: kernels.leaky_relu(x, 0.2),
    "leaky_relu_grad": lambda x, y: kernels.leaky_relu_grad(y, x, 0.2),
}


@pytest.mark.parametrize("layouts", [*itertools.product(LAYOUTS, LAYOUTS)], ids=" and ".join)
@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("name", POINTWISE)
def test_functions_of_each_element(name, array, layouts):
    def laid_out(numbers, layout):
        return LAYOUTS[layout](numbers) if numbers.ndim > 1 else numbers

    x = ARRAYS[array].astype(np.float32)
    pair = [laid_out(numbers, layout) for numbers, layout in zip((x, x + 1), layouts)]
    with use("reference"):
        expected = POINTWISE[name](*(numbers.astype(np.float64) for numbers in pair))
    found = POINTWISE[name](*pair)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=4e-6, atol=1e-6)


def test_what_is_not_two_images_of_one_kind_is_added_as_numpy_adds_it():
    x = np.ones((2, 3, 4), np.float32)
    for y in (1.0, x[:1], x.astype(np.float64), x[0, 0]):
        assert kernels.add(x, y).dtype == (x + y).dtype
        np.testing.assert_array_equal(kernels.add(x, y), x + y)


def test_a_negative_slope_is_refused():
    with pytest.raises(ValueError, match="slope -1"):
        kernels.leaky_relu(X, -1.0)
