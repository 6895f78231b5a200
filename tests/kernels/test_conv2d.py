"""Convolution: the definition against PyTorch, and the CPU against the definition."""

import itertools
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import kernels
from kernels.conv2d.mask import live_taps
from kernels.cpu.register_tile import ROWS, VECTORS, whole_vectors

GEOMETRIES = list(itertools.product((1, (2, 3)), (0, (1, 2)), (1, (2, 1)), ((1, 1), (3, 2))))


@pytest.mark.parametrize("implementation", ["reference", "cpu"])
@pytest.mark.parametrize(("stride", "padding", "dilation", "kernel_size"), GEOMETRIES)
def test_convolution_and_its_two_gradients_agree_with_pytorch(
    stride, padding, dilation, kernel_size, implementation
):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 8, 9)), rng.standard_normal((4, 3, *kernel_size))
    a, b = torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)
    theirs = torch.nn.functional.conv2d(a, b, None, stride, padding, dilation)
    g = rng.standard_normal(theirs.shape)
    theirs.backward(torch.tensor(g))
    expected = [theirs.detach(), a.grad, b.grad]
    with kernels.use(implementation):
        found = three(x, w, g, stride, padding, dilation)
    for mine, other in zip(found, expected):
        np.testing.assert_allclose(mine, other, atol=1e-12)


def three(x, w, g, stride=1, padding=0, dilation=1, mask=None):
    """The convolution and its two gradients, with a mask or without."""
    options = (stride, padding, dilation)
    return (
        kernels.conv2d(x, w, *options, mask=mask),
        kernels.conv2d_input_grad(g, w, x.shape[2:], *options, mask),
        kernels.conv2d_weight_grad(x, g, w.shape[2:], *options, mask),
    )


def problem(batch, channels, outputs, size, kernel_size, mask=None, **options):
    """x, w and g of a convolution."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, channels, *size))
    w = rng.standard_normal((outputs, channels, *kernel_size))
    with kernels.use("reference"):
        return x, w, rng.standard_normal(kernels.conv2d(x, w, **options).shape)


def test_the_sum_of_the_definition():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((1, 2, 5, 4)), rng.standard_normal((3, 2, 2, 3))
    with kernels.use("reference"):
        y = kernels.conv2d(x, w, stride=2, padding=1)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for (o, i, j), value in np.ndenumerate(y[0]):
        window = padded[0, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 3]
        assert value == pytest.approx((window * w[o]).sum())


WIDEST = VECTORS * whole_vectors(1, 4)  # columns of the widest tile, in float32
CORNER = np.array([[0, 0, 1], [0, 0, 0], [0, 0, 0]])
TWISTED = {"stride": (1, 2), "padding": (2, 1), "dilation": (2, 1)}
CPU_CASES: dict[str, tuple[tuple, dict]] = {
    # batch, channels, outputs, size, kernel size; options
    **{f"{rows} pixels": ((3, 2, 3, (1, rows), (1, 1)), {}) for rows in range(1, 2 * ROWS + 2)},
    **{
        f"{outputs} outputs": ((3, 3, outputs, (4, 5), (3, 3)), {})
        for outputs in (1, WIDEST - 1, WIDEST, WIDEST + 1, 2 * WIDEST + WIDEST // 4 + 1)
    },
    **{
        f"mask {mask if isinstance(mask, str) else i}": (
            (2, 2, 3, (6, 5), (3, 3)),
            {"mask": mask, **TWISTED},
        )
        for i, mask in enumerate(["A", "B", np.eye(3), CORNER])
    },
    "mask A, 7 x 7": ((2, 1, 5, (9, 8), (7, 7)), {"mask": "A", "padding": 3}),
    "one channel, 7 x 7": ((2, 1, 5, (9, 8), (7, 7)), {"padding": 3}),
    "more terms than a chunk": ((2, 70, 2, (9, 9), (3, 3)), {}),
    "one channel, more outputs than a chunk": (
        (3, 1, 150, (6, 5), (3, 3)),
        {"padding": 1, "stride": 2},
    ),
    "images that need no copy": ((3, WIDEST, 3, (6, 5), (3, 3)), {}),
    "images that need no copy, 1 x 1": ((3, WIDEST, WIDEST, (6, 5), (1, 1)), {}),
    "more images than a product": ((12, ROWS, 3, (8, 7), (3, 3)), {"padding": 1}),
    "an image of more than a product": ((2, ROWS, 3, (24, 23), (3, 3)), {"padding": 1}),
    "a kernel larger than the image": ((2, 2, 2, (2, 2), (5, 5)), {"padding": 2}),
    "one image": ((1, 2, 2, (4, 4), (2, 2)), {}),
    "no image": ((0, 2, 2, (4, 4), (2, 2)), {}),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CPU_CASES)
def test_the_cpu_agrees_with_the_definition(case, dtype):
    shapes, options = CPU_CASES[case]
    arrays = [array.astype(dtype) for array in problem(*shapes, **options)]
    with kernels.use("reference"):
        expected = three(*arrays, **options)
    tolerance = 1e-12 if dtype == np.float64 else 2e-4
    for mine, definition in zip(three(*arrays, **options), expected):
        assert mine.shape == definition.shape and mine.dtype == dtype
        np.testing.assert_allclose(mine, definition, atol=tolerance)


def scattered(x):
    """The same numbers with every stride negative and none the size of an element."""
    return np.repeat(np.flip(x).copy(), 2, axis=-1)[::-1, ::-1, ::-1, ::-2]


@pytest.mark.parametrize("mask", [None, "B"])
@pytest.mark.parametrize("implementation", ["reference", "cpu"])
def test_a_bias_is_added_to_each_channel(implementation, mask):
    x, w, _ = problem(2, 3, 4, (6, 5), (3, 3))
    b = np.arange(4.0)
    run = partial(kernels.conv2d, mask=mask)
    with kernels.use(implementation):
        y = run(x, w, padding=1, b=b)
        np.testing.assert_allclose(y - run(x, w, padding=1), b[:, None, None] + 0 * y, atol=1e-13)
        with pytest.raises(ValueError, match=r"w \(4, 3, 3, 3\) takes b \(4,\), not \(1,\)"):
            run(x, w, b=b[:1])


@pytest.mark.parametrize("mask", [None, "B"])
@pytest.mark.parametrize("implementation", ["reference", "cpu"])
def test_any_memory_layout(implementation, mask):
    arrays = problem(2, 3, 4, (6, 5), (3, 3))
    with kernels.use(implementation):
        for mine, other in zip(
            three(*map(scattered, arrays), mask=mask), three(*arrays, mask=mask)
        ):
            np.testing.assert_allclose(mine, other, atol=1e-13)


channels = st.sampled_from([1, 2, 3, 8, 17])
convolutions = st.fixed_dictionaries(
    {
        "batch": st.integers(1, 9),
        "channels": channels,
        "outputs": channels,
        "size": st.tuples(st.integers(1, 8), st.integers(1, 8)),
        "kernel_size": st.sampled_from([(1, 1), (3, 3), (2, 3), (5, 1)]),
        "stride": st.just((1, 1)) | st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "padding": st.tuples(st.integers(0, 3), st.integers(0, 3)),
        "dilation": st.tuples(st.integers(1, 2), st.integers(1, 2)),
    }
)


def problem_if_possible(options):
    shapes = [options.pop(k) for k in ("batch", "channels", "outputs", "size", "kernel_size")]
    try:
        return problem(*shapes, **options)
    except ValueError:  # no window fits
        assume(False)


@given(convolutions, st.sampled_from([np.float32, np.float64]), st.data())
@settings(max_examples=60, deadline=None)
def test_no_bit_depends_on_cores_memory_or_the_rest_of_the_batch(options, dtype, data):
    arrays = [array.astype(dtype) for array in problem_if_possible(options)]
    x, w, g = arrays
    whole = three(x, w, g, **options)
    shifted = [np.empty(a.size + 3, dtype)[3:].reshape(a.shape) for a in arrays]
    for to, array in zip(shifted, arrays):
        to[...] = array
    with pytest.MonkeyPatch.context() as patch:
        for cores, given_arrays in itertools.product((1, 2, 3), (arrays, shifted)):
            patch.setattr("kernels.cpu.threads.CORES", cores)
            for mine, other in zip(three(*given_arrays, **options), whole):
                np.testing.assert_array_equal(mine, other)
    n = data.draw(st.integers(0, len(x) - 1))
    alone = three(x[n:][:1], w, g[n:][:1], **options)
    np.testing.assert_array_equal(alone[0][0], whole[0][n])
    np.testing.assert_array_equal(alone[1][0], whole[1][n])


def test_no_bit_of_a_weight_gradient_of_many_images_depends_on_the_cores(monkeypatch):
    x, _, g = (a.astype("f") for a in problem(70, 3, 5, (28, 28), (3, 3), padding=1))
    found = []
    for cores in (1, 2, 3, 5):
        monkeypatch.setattr("kernels.cpu.threads.CORES", cores)
        found.append(kernels.conv2d_weight_grad(x, g, 3, padding=1))
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@given(convolutions, st.sampled_from([np.nan, np.inf, -np.inf]), st.integers(0, 2), st.data())
@settings(max_examples=150, deadline=None)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_is_not_finite_reaches_what_sees_it_and_nothing_else(options, value, which, data):
    arrays = problem_if_possible(options)
    places = range(arrays[which].size)
    arrays[which].flat[data.draw(st.sampled_from(places))] = value
    found = three(*arrays, **options)
    with kernels.use("reference"):
        expected = three(*arrays, **options)
    if which == 2:  # g: the docstring's exception
        seen = kernels.conv2d(np.ones_like(arrays[0]), np.ones_like(arrays[1]), **options)
        assume((seen != 0).all())
    for mine, definition in zip(found, expected):
        np.testing.assert_allclose(mine, definition, atol=1e-11)


@pytest.mark.parametrize("implementation", ["reference", "cpu"])
@pytest.mark.parametrize("mask", ["A", "B", np.eye(3)])
def test_dead_taps_are_not_used(mask, implementation):
    x, w, g = problem(2, 3, 4, (6, 5), (3, 3))
    live = np.isin(np.arange(9), live_taps(mask, (3, 3))).reshape(3, 3)
    w[..., ~live] = np.nan
    with kernels.use(implementation):
        y, input_grad, weight_grad = three(x, w, g, mask=mask)
    assert np.isfinite(y).all() and np.isfinite(input_grad).all()
    assert (weight_grad[..., ~live] == 0).all() and (weight_grad[..., live] != 0).all()


def test_a_pixel_that_only_dead_taps_see_changes_nothing():
    x, w, g = problem(1, 2, 3, (5, 5), (3, 3))
    spoilt = x.copy()
    spoilt[0, :, 4, 4] = np.nan  # in raster order the last pixel, of which mask A sees none
    for mine, other in zip(three(spoilt, w, g, mask="A"), three(x, w, g, mask="A")):
        np.testing.assert_array_equal(mine, other)


def test_the_result_has_the_wider_dtype():
    x, w, g = problem(1, 2, 3, (4, 4), (3, 3))
    for mine, other in zip(three(x, w.astype("f"), g), three(x, w.astype("f").astype("d"), g)):
        assert mine.dtype == np.float64
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("mask", [None, "B"])
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda x, w, g, f: f(x, w[:, :1], g),
            ValueError,
            r"not \(1, 2, 4, 4\) and \(3, 1, 3, 3\)",
        ),
        (lambda x, w, g, f: f(x[0], w, g), ValueError, r"not \(2, 4, 4\)"),
        (
            lambda x, w, g, f: f(x[:, :0], w[:, :0], g),
            ValueError,
            r"\(1, 0, 4, 4\) and \(3, 0",
        ),
        (lambda x, w, g, f: f(x, w[:0], g), ValueError, r"\(1, 2, 4, 4\) and \(0, 2, 3, 3\)"),
        (lambda x, w, g, f: f(x, w, g, dilation=2), ValueError, r"no \(3, 3\) window .* \(4, 4\)"),
        (lambda x, w, g, f: f(x, w, g, stride=0), ValueError, r"stride \(0, 0\)"),
        (
            lambda x, w, g, f: f(x, w, g, stride=(1, 1, 7)),
            ValueError,
            r"pair of ints.* \(1, 1, 7\)",
        ),
        (lambda x, w, g, f: f(x, w, g, padding=0.5), ValueError, r"pair of ints.* 0\.5"),
        (lambda x, w, g, f: f(x, w, g, padding=-1), ValueError, r"padding \(-1, -1\)"),
        (lambda x, w, g, f: f(x, w, g[:, :2]), ValueError, r"g must be \(N, 3, 2, 2\)"),
        (lambda x, w, g, f: f(x, w, g[..., :1]), ValueError, r"g must be \(N, 3, 2, 2\)"),
        (lambda x, w, g, f: f(x, w.astype(int), g), TypeError, r"int64\(3, 2, 3, 3\)"),
        (lambda x, w, g, f: f(x.astype("e"), w, g), TypeError, r"float32 or float64, not float16"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message, mask):
    x, w, g = np.zeros((1, 2, 4, 4)), np.zeros((3, 2, 3, 3)), np.zeros((1, 3, 2, 2))
    with pytest.raises(error, match=message):
        call(x, w, g, lambda *arrays, **options: three(*arrays, **options, mask=mask))


@pytest.mark.parametrize(
    ("mask", "kernel_size", "message"),
    [
        ("A", (3, 2), r"\(3, 2\) has no centre"),
        ("C", (3, 3), "no mask 'C'"),
        (np.ones((3, 3)), (3, 5), r"a mask of \(3, 3\) for a kernel of \(3, 5\)"),
        ("A", (1, 1), "has no live tap"),
        (np.zeros((3, 3)), (3, 3), "has no live tap"),
    ],
)
def test_masks_that_make_no_sense_are_refused(mask, kernel_size, message):
    x, w, g = np.zeros((1, 1, 5, 5)), np.zeros((1, 1, *kernel_size)), np.zeros((1, 1, 1, 1))
    with pytest.raises(ValueError, match=message):
        three(x, w, g, mask=mask)
