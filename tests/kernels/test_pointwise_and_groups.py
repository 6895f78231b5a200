"""The kernels between convolutions, on the CPU, against their definitions in float64."""

import itertools
from hashlib import sha256

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kernels
from kernels.cpu.vector_math import log1p
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
    """The kernels have one core until there is a convolution."""
    monkeypatch.setattr("kernels.cpu.threads.CORES", 3)


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
    "shape",
    [(6, 3), (4, 3, 5, 7), (1, 3, 400)],
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_running_moments_are_averages_of_numpys(shape, layout):
    x = LAYOUTS[layout](3 + np.random.default_rng(0).standard_normal(shape, np.float32))
    mean, var = np.float32([1, 2, 3]), np.ones(3, np.float32)
    kernels.running_moments(x, mean, var, 0.1)
    rows = np.moveaxis(x.astype(float), 1, 0).reshape(3, -1)
    np.testing.assert_allclose(mean, 0.9 * np.array([1, 2, 3]) + 0.1 * rows.mean(1), rtol=1e-6)
    np.testing.assert_allclose(var, 0.9 + 0.1 * rows.var(1, ddof=1), rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "weights", "groups"),
    [((2, 4), 3, 2), ((2, 4), 4, 3), ((4,), 4, 1), ((2, 0, 5), 0, 1), ((2, 4), 4, 0)],
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
    "bce_with_logits": lambda x, y: kernels.bce_with_logits(x, y),
    "bce_with_logits_grad": lambda x, y: kernels.bce_with_logits_grad(y, x, y),
    "sigmoid": lambda x, y: kernels.sigmoid(x),
    "silu": lambda x, y: kernels.silu(x),
    "silu_grad": lambda x, y: kernels.silu_grad(y, x),
    "leaky_relu": lambda x, y: kernels.leaky_relu(x, 0.2),
    "softplus": lambda x, y: kernels.softplus(x),
    "leaky_relu_grad": lambda x, y: kernels.leaky_relu_grad(y, x, 0.2),
    "relu_grad": lambda x, y: kernels.leaky_relu_grad(y, kernels.leaky_relu(x, 0.0), 0.0),
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


RNG = np.random.default_rng(0)
ENDS = [0, -0.0, np.inf, -np.inf, np.nan, -87, -90, -103, -200, 88.7, 89, 200]
MANY = np.concatenate([ENDS, 30 * RNG.standard_normal(40_000)]).astype(np.float32)
OTHERS = RNG.permutation(MANY)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("name", POINTWISE)
@given(
    st.sampled_from([1, 2, 7, 8, 31, 100, 255, 256, 257, 2**14 - 1, 2**14, 20_001]),
    st.integers(0, 20),
    st.sampled_from([1, -1, 2]),
    st.sampled_from([1, 2, 3]),
)
@settings(max_examples=40, deadline=None)
def test_a_value_depends_on_neither_size_nor_place_nor_cores(name, size, first, step, cores):
    some = slice(first, first + size * abs(step))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kernels.cpu.threads.CORES", cores)
        x, y = MANY[some][::step], OTHERS[some][::step]
        found = POINTWISE[name](x, y)
        patch.setattr("kernels.cpu.threads.CORES", 1)
        expected = POINTWISE[name](MANY, OTHERS)[some][::step]
    np.testing.assert_array_equal(bits(found), bits(expected))


def bits(array):
    """As integers, so that -0 is not 0; all NaN are equal."""
    return np.where(np.isnan(array), np.float32(np.nan), array).view(np.int32)


def test_log1p_has_the_bits_of_fdlibm():
    """Of a thousandth of [0, 1], and where its formula changes. NumPy's log1p is that of the C
    library, which is fdlibm's, for one, in glibc before 2.41.
    """
    one = np.float32(1).view(np.int32)
    edges = np.float32([2**-29, 0.4142142, 0.5, 1]).view(np.int32)[:, None] - np.arange(32)
    x = np.int32([*range(0, one, 997), *edges.flat]).view(np.float32)
    found = numba.vectorize(lambda x: log1p(x))(x)
    np.testing.assert_array_max_ulp(found, np.log1p(x.astype(float)).astype(np.float32))
    assert sha256(found.tobytes()).hexdigest().startswith("f25a580bd7c8fdc0")


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("target", [0, 1])
def test_the_ends_of_the_cross_entropy_are_the_definitions(target):
    logits = np.resize(np.float32(ENDS), 300)
    with use("reference"):
        expected = kernels.bce_with_logits(logits, np.full_like(logits, target))
    found = kernels.bce_with_logits(logits, np.full_like(logits, target))
    np.testing.assert_array_equal(bits(found), bits(expected))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_groups_depend_on_neither_cores_nor_place_nor_the_rest_of_the_batch(monkeypatch, layout):
    g, x = RNG.standard_normal((2, 7, 8, 11, 12)).astype(np.float32)
    w = RNG.standard_normal(8).astype(np.float32)
    shifted = np.empty(x.size + 3, np.float32)[3:].reshape(x.shape)
    shifted[...] = x

    def results(x, g):
        weights = kernels.group_norm_weight_grad(g, x, 4, 1e-5)
        images = kernels.group_norm(x, w, w, 4, 1e-5), kernels.group_norm_input_grad(g, x, w, 4, 0)
        return *images, weights

    expected = results(x, g)
    for cores in (1, 2, 3):
        monkeypatch.setattr("kernels.cpu.threads.CORES", cores)
        for given_x in (LAYOUTS[layout](x), shifted):
            for mine, other in zip(results(given_x, g), expected):
                np.testing.assert_array_equal(mine, other)
    for mine, other in zip(results(x[4:5], g[4:5])[:2], expected):
        np.testing.assert_array_equal(mine, other[4:5])


def test_the_smallest_sigmoids_are_not_cut():
    x = np.float32([-80, -90, -100])
    for n in (1, 400):
        found = kernels.sigmoid(np.repeat(x, n))[::n]
        np.testing.assert_allclose(found, np.exp(x.astype(float)), rtol=1e-6, atol=1e-45)


@pytest.mark.parametrize("size", [3, 300])
@pytest.mark.parametrize("dtype", [np.int64, np.float16, np.longdouble, ">f4", ">f8"])
def test_dtypes_that_no_kernel_takes_use_the_definition(dtype, size):
    x = np.resize(np.arange(-4, 5), (size, 1, 1)).astype(dtype)
    for f in POINTWISE.values():
        with use("reference"):
            expected = f(x.astype(np.float64), x.astype(np.float64))
        np.testing.assert_allclose(f(x, x).astype(np.float64), expected, rtol=2e-3, atol=1e-3)


def test_other_than_two_images_of_one_kind_are_added_as_numpy_adds_them():
    x = np.ones((2, 3, 4), np.float32)
    for y in (1.0, x[:1], x.astype(np.float64), x[0, 0]):
        assert kernels.add(x, y).dtype == (x + y).dtype
        np.testing.assert_array_equal(kernels.add(x, y), x + y)


def test_a_negative_slope_is_refused():
    with pytest.raises(ValueError, match="slope -1"):
        kernels.leaky_relu(X, -1.0)
