"""The random stream against its publication, and the kernel against its definition."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import hyp1f1

from kernels import dispatch
from kernels.cpu import threads, vector_math
from kernels.reparameterize import (
    cpu,
    normal,
    reparameterize,
    reparameterize_logvar_grad,
)
from kernels.reparameterize.philox import philox

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
LARGEST = 2**64 - 1

numbers = st.integers(0, LARGEST)
dtypes = st.sampled_from(sorted(TOLERANCE))
shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=40)


@st.composite
def layouts(draw, shape):
    """How an array of this shape may lie in memory: a function from a seed to such an array."""
    ndim = len(shape)
    order = draw(st.permutations(range(ndim)))
    steps = tuple(slice(None, None, draw(st.sampled_from((1, 2, -1)))) for _ in shape)
    spread = draw(st.lists(st.booleans(), min_size=ndim, max_size=ndim))

    def make(rng, dtype):
        sizes = [1 if one else n * abs(s.step) for n, s, one in zip(shape, steps, spread)]
        stored = rng.standard_normal([sizes[axis] for axis in order]).astype(dtype)
        array = stored.transpose(np.argsort(order))
        array = array[tuple(slice(None) if one else s for s, one in zip(steps, spread))]
        return np.broadcast_to(array, shape)

    return make


# "philox4x32 10" in the file kat_vectors of Random123, the library of the authors: counter, key,
# and the four words.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


@pytest.mark.parametrize("compute", [philox, cpu._philox], ids=["NumPy", "Numba"])
@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_the_published_known_answers(compute, counter, key, expected):
    c, k = ([int(word, 16) for word in words.split()] for words in (counter, key))
    block, offset, seed = (np.uint64(low + high * 2**32) for low, high in (c[:2], c[2:], k))
    assert " ".join(f"{word:08x}" for word in compute(block, offset, seed)) == expected


@given(numbers, numbers, numbers)
@settings(deadline=None)
def test_numba_makes_the_same_words(block, offset, seed):
    arguments = np.uint64(block), np.uint64(offset), np.uint64(seed)
    assert cpu._philox(*arguments) == philox(*arguments)


def ulps(found, exact):
    with np.errstate(invalid="ignore"):
        return np.abs(found - exact) / np.spacing(np.abs(exact).astype(np.float32))


@pytest.mark.parametrize(
    ("function", "exact", "x"),
    [
        (vector_math.log, np.log, np.geomspace(2**-33, 1, 20_001)),
        (vector_math.log, np.log, 1 - np.arange(1, 2000) * 2.0**-24),
        (vector_math.exp, np.exp, np.linspace(-104, 88.7, 20_001)),
    ],
)
def test_the_polynomials_are_right_to_two_in_the_last_place(function, exact, x):
    x = x.astype(np.float32)
    found = np.array([function(value) for value in x])
    assert ulps(found, exact(x.astype(np.float64))).max() <= 2


@pytest.mark.parametrize(
    ("x", "expected"),
    [(-math.inf, 0), (-200, 0), (-104, 0), (0, 1), (88.8, math.inf), (1e30, math.inf),
     (math.inf, math.inf), (math.nan, math.nan)],
)  # fmt: skip
def test_exp_at_its_ends(x, expected):
    np.testing.assert_equal(vector_math.exp(np.float32(x)), np.float32(expected))


def test_the_points_of_the_circle():
    words = np.linspace(0, 2**32 - 1, 20_001).astype(np.uint64)
    words[:3] = 2**31, 2**30, 2**29
    points = np.array([vector_math.cos_sin(word) for word in words])
    angles = words * (2 * np.pi / 2**32)
    np.testing.assert_allclose(points.T, (np.cos(angles), np.sin(angles)), atol=2e-7, rtol=0)


@given(st.data(), shapes, dtypes, numbers, numbers)
@settings(max_examples=150, deadline=None)  # the first example compiles
def test_the_cpu_agrees_with_the_definition_in_any_layout(data, shape, dtype, seed, offset):
    rng = np.random.default_rng(0)
    mu, logvar, g_z = (data.draw(layouts(shape))(rng, dtype) for _ in range(3))
    g_kl = data.draw(layouts(shape[:-1]))(rng, dtype)
    close = {"atol": TOLERANCE[dtype] * max(1, shape[-1]) ** 0.5, "rtol": TOLERANCE[dtype]}

    found = reparameterize(mu, logvar, seed, offset)
    gradient = reparameterize_logvar_grad(g_z, g_kl, logvar, seed, offset)
    eps = normal(shape, seed, offset, dtype)
    with dispatch.use("reference"):
        defined = reparameterize(mu, logvar, seed, offset)
        np.testing.assert_allclose(eps, normal(shape, seed, offset, dtype), **close)
        expected = reparameterize_logvar_grad(g_z, g_kl, logvar, seed, offset)
    for mine, other in zip((*found, gradient), (*defined, expected)):
        assert mine.dtype == other.dtype == dtype
        np.testing.assert_allclose(mine, other, **close)


@pytest.mark.parametrize("shape", [(70_000,), (3, 30_001), (2100, 32), (700, 101), (70_000, 1)])
def test_shape_and_threads_change_no_bit(monkeypatch, shape):
    rng = np.random.default_rng(0)
    mu, logvar = rng.standard_normal((2, *shape), np.float32)
    g_kl = rng.standard_normal(shape[:-1], np.float32)
    results = []
    for cores in (1, 2, 3):
        monkeypatch.setattr(threads, "CORES", cores)
        results.append((
            *reparameterize(mu, logvar, 1, 2),
            reparameterize_logvar_grad(mu, g_kl, logvar, 1, 2),
            normal(shape, 1, 2),
        ))  # fmt: skip
    for one, two, three in zip(*results):
        assert np.array_equal(one, two) and np.array_equal(one, three)
    eps = results[0][-1]
    assert np.array_equal(eps.ravel(), normal(eps.size, 1, 2))
    assert np.array_equal(eps.ravel()[:1027], normal(1027, 1, 2))
    with dispatch.use("reference"):
        z, kl = reparameterize(mu, logvar, 1, 2)
        np.testing.assert_allclose(results[0][0], z, atol=1e-5)
        np.testing.assert_allclose(results[0][1], kl, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_gradient_is_the_slope_of_the_forward_with_the_noise_held(dtype):
    rng = np.random.default_rng(0)
    mu, logvar, g_z = rng.standard_normal((3, 5, 7))
    g_kl = rng.standard_normal(5)

    def scalar(logvar):
        z, kl = reparameterize(mu, logvar, 3, 4)
        return (z * g_z).sum() + (kl * g_kl).sum()

    step = 1e-5
    slopes = np.empty_like(logvar)
    for i in np.ndindex(*logvar.shape):
        change = np.zeros_like(logvar)
        change[i] = step
        slopes[i] = (scalar(logvar + change) - scalar(logvar - change)) / (2 * step)
    arrays = (a.astype(dtype) for a in (g_z, g_kl, logvar))
    gradient = reparameterize_logvar_grad(*arrays, 3, 4)
    np.testing.assert_allclose(gradient, slopes, atol=max(1e-8, TOLERANCE[dtype]))


def test_the_kl_of_known_gaussians():
    """Two dimensions with mu = 1, sigma = 2: (1 + 4 - 1 - ln 4) / 2 each; N(0, 1) itself: 0."""
    mu = np.array([[1.0, 1.0], [0.0, 0.0]])
    logvar = np.log(np.array([[4.0, 4.0], [1.0, 1.0]]))
    for dtype, tolerance in TOLERANCE.items():
        _, kl = reparameterize(mu.astype(dtype), logvar.astype(dtype), 0)
        np.testing.assert_allclose(kl, [4 - math.log(4), 0], atol=tolerance)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", ["reference", "cpu"])
@pytest.mark.parametrize("spread", [1e-12, 1e-7, 1e-4, 1e-2, 0.4, 3, 10])
def test_the_kl_of_a_collapsed_posterior_does_not_cancel(spread, name, dtype):
    """Near N(0, 1): e^v - 1 - v is v^2/2 1F1(1; 3; v), a series of positive terms for v > 0."""
    rng = np.random.default_rng(0)
    mu, logvar = (spread * rng.standard_normal((2, 2000, 8))).astype(dtype)
    with dispatch.use(name):
        _, kl = reparameterize(mu, logvar, 1)
        gradient = reparameterize_logvar_grad(0 * mu, np.ones(2000, dtype), logvar, 1)
    m, v = mu.astype(np.float64), logvar.astype(np.float64)
    close = {"rtol": 4e-6 if dtype == "float32" else 1e-13}
    assert (kl >= 0).all()
    np.testing.assert_allclose(kl, (m * m + v * v * hyp1f1(1, 3, v) / 2).sum(axis=1) / 2, **close)
    np.testing.assert_allclose(gradient, np.expm1(v) / 2, **close)


def test_noise_has_the_dtype_of_what_it_is_like():
    """And that of float64 is not that of float32 in another dtype."""
    eps = normal(1000, 3, like=np.zeros(0))
    assert normal(1000, 3).dtype == normal(1000, 3, like=np.zeros(0, "f")).dtype == np.float32
    np.testing.assert_array_equal(eps, normal(1000, 3, dtype=np.float64))
    a, b, *_ = philox(np.uint64(0), np.uint64(0), np.uint64(3))
    first = math.sqrt(-2 * math.log((int(a) + 0.5) / 2**32)) * math.cos(math.tau * int(b) / 2**32)
    assert eps[0] == pytest.approx(first, rel=1e-14)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", ["reference", "cpu"])
def test_out_is_written_and_returned(name, dtype):
    mu, logvar = np.ones((2, 3, 5), dtype)
    out = np.full((3, 5), np.nan, dtype), np.full(3, np.nan, dtype)
    with dispatch.use(name):
        z, kl = reparameterize(mu, logvar, 1, 2, out=out)
        expected = reparameterize(mu, logvar, 1, 2)
    assert z is out[0] and kl is out[1]
    assert np.array_equal(z, expected[0]) and np.array_equal(kl, expected[1])


def test_nan_is_not_hidden():
    mu, logvar = np.zeros((2, 2, 33), np.float32)
    logvar[0, 4] = np.nan
    z, kl = reparameterize(mu, logvar, 0)
    assert np.isnan(z[0, 4]) and np.isnan(kl[0]) and np.isfinite(kl[1])
    assert np.isnan(z).sum() == 1


N = 10**6


@pytest.fixture(scope="module")
def samples():
    return normal(N, seed=2024, offset=7).astype(np.float64)


# Power, its mean, and the variance of that power, for N(0, 1). Four standard errors are exceeded by
# chance with a probability of 6e-5; the seeds are fixed, so a test that passes goes on passing.
MOMENTS = [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)]


@pytest.mark.parametrize(("power", "expected", "variance"), MOMENTS)
def test_moments(samples, power, expected, variance):
    """E x^k, whose estimate has the variance (E x^2k - (E x^k)^2) / N."""
    assert abs((samples**power).mean() - expected) < 4 * math.sqrt(variance / N)


def test_the_distribution_by_chi_square(samples):
    """200 bins of equal probability: chi-square has mean 199 and variance 2 * 199."""
    bins = 200
    edges = [NormalDist().inv_cdf(i / bins) for i in range(1, bins)]
    counts = np.bincount(np.searchsorted(edges, samples), minlength=bins)
    chi_square = ((counts - N / bins) ** 2 / (N / bins)).sum()
    assert abs(chi_square - (bins - 1)) < 4 * math.sqrt(2 * (bins - 1))


def test_the_tails_are_not_cut(samples):
    """P(|x| > 4) = 6.33e-5, so of a million 63 +- 8."""
    assert abs((np.abs(samples) > 4).sum() - 63.3) < 4 * math.sqrt(63.3)


PAIRS = [
    ("successive elements", lambda x: (x[:-1], x[1:])),
    *((f"places {i} and {j} of a block", lambda x, i=i, j=j: (x[i::4], x[j::4]))
      for i in range(4) for j in range(i)),
    ("successive blocks", lambda x: (x[:-4], x[4:])),
    ("successive seeds", lambda x: (x, normal(N, 2025, 7))),
    ("seeds that differ in the high word", lambda x: (x, normal(N, 2024 + 2**32, 7))),
    ("successive offsets", lambda x: (x, normal(N, 2024, 8))),
    ("offsets that differ in the high word", lambda x: (x, normal(N, 2024, 7 + 2**32))),
    ("seed and offset exchanged", lambda x: (x, normal(N, 7, 2024))),
]  # fmt: skip


@pytest.mark.parametrize("pair", [p for _, p in PAIRS], ids=[what for what, _ in PAIRS])
def test_no_correlation_of_values_nor_of_squares(samples, pair):
    """The correlation of n independent pairs has the standard error 1 / sqrt(n)."""
    x, y = pair(samples)
    for function in (np.asarray, np.square):
        assert abs(np.corrcoef(function(x), function(y))[0, 1]) < 4 / math.sqrt(len(x))


F = np.zeros((2, 3), np.float32)
K = np.zeros(2, np.float32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: reparameterize(F, F[:, :2], 0), ValueError, r"\(2, 3\) and logvar \(2, 2\)"),
        (lambda: reparameterize(F[0, 0, ...], F[0, 0, ...], 0), ValueError, r"mu \(\)"),
        (lambda: reparameterize(F, F, -1), ValueError, "seed -1"),
        (lambda: reparameterize(F, F, 2**64), ValueError, "seed 18446744073709551616"),
        (lambda: reparameterize(F, F, 0, -1), ValueError, "offset -1"),
        (lambda: reparameterize(F, F, 0, 2**64), ValueError, "offset 18446744073709551616"),
        (lambda: reparameterize(F, F, 0.5), TypeError, "float"),
        (lambda: reparameterize(F, F.astype(float), 0), TypeError, r"float32\(2, 3\).*float64"),
        (lambda: reparameterize(F.astype(int), F.astype(int), 0), TypeError, r"int64\(2, 3\)"),
        (lambda: reparameterize(F, F, 0, out=(F.copy(), F)), ValueError, r"kl \(2, 3\)"),
        (lambda: reparameterize(F, F, 0, out=(F.T, K)), ValueError, r"z \(3, 2\)"),
        (lambda: reparameterize(F, F, 0, out=(np.zeros((2, 6), "f")[:, ::2], K)), ValueError,
         "not C-contiguous"),
        (lambda: reparameterize(F, F, 0, out=(F.astype(float), K)), TypeError, "float64"),
        (lambda: reparameterize_logvar_grad(F, F, F, 0), ValueError, r"g_kl \(2, 3\)"),
        (lambda: reparameterize_logvar_grad(F, K, F[:1], 0), ValueError, r"logvar (\n)?\(1, 3\)"),
        (lambda: reparameterize_logvar_grad(F, K.astype(float), F, 0), TypeError, "float64"),
        (lambda: reparameterize_logvar_grad(F, K, F, -3), ValueError, "seed -3"),
        (lambda: normal((2, -1), 0), ValueError, r"\(2, -1\)"),
        (lambda: normal(3, 0, dtype=np.float16), TypeError, "float16"),
        (lambda: normal(3, 0, offset=2**64), ValueError, "offset"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_kernels_compile_where_there_is_no_place_for_a_cache():
    scope: dict = {}
    exec("def double(x): return x + x", scope)  # not from a file, so there is no cache folder
    double = vector_math.njit_elementwise(scope["double"], no_cpython_wrapper=False)
    assert double(2.0) == 4.0
