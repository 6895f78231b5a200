"""Where the textbook formula overflows, cancels or has no derivative: what each must do there."""

import numpy as np
import pytest
from numpy.linalg import LinAlgError

import autograd as ag
from autograd import Tensor, check, grad

INF, EULER = np.inf, 0.5772156649015329


def derivatives(f, x, order):
    """The first `order` derivatives of f, an elementwise function or a sum, at the array x."""
    x = Tensor(np.array(x, dtype=np.float64), requires_grad=True)
    y, found = f(x), []
    for _ in range(order):
        y = grad(y.sum(), x, create_graph=True)
        found.append(y.data)
    return found


@pytest.mark.parametrize(
    ("what", "f", "x", "expected"),
    [
        ("max shares among ties", ag.max, [1.0, 3.0, 3.0, 3.0], [0, 1 / 3, 1 / 3, 1 / 3]),
        ("min shares among ties", ag.min, [1.0, 1.0, 2.0], [0.5, 0.5, 0]),
        ("maximum halves a tie", lambda x: ag.maximum(x, 1.0), [0.0, 1.0, 2.0], [0, 0.5, 1]),
        ("minimum halves a tie", lambda x: ag.minimum(x, 1.0), [0.0, 1.0, 2.0], [1, 0.5, 0]),
        ("maximum with itself", lambda x: ag.maximum(x, x), [0.0, 1.0], [1, 1]),
        ("abs at 0", ag.abs, [-2.0, 0.0, 2.0], [-1, 0, 1]),
        ("relu at 0", ag.relu, [-2.0, 0.0, 2.0], [0, 0, 1]),
        ("edges of clip", lambda x: ag.clip(x, low=0, high=1), [-1.0, 0, 1, 2], [0, 1, 1, 0]),
        ("x^0 at 0", lambda x: x**0, [0.0, 2.0], [0, 0]),
        ("x^1 at 0", lambda x: x**1, [0.0, 2.0], [1, 1]),
        ("x^2 at 0", lambda x: x**2, [0.0, 2.0], [0, 4]),
        ("y^x at y = 0", lambda x: 0.0**x, [1.0, 2.0], [0, 0]),
        ("prod with a zero", ag.prod, [0.0, 2.0, 3.0], [6, 0, 0]),
        ("prod with two", ag.prod, [0.0, 0.0, 3.0], [0, 0, 0]),
        ("norm at 0", ag.norm, [0.0, 0.0], [0, 0]),
        ("softplus far out", ag.softplus, [-1e4, 0.0, 1e4], [0, 0.5, 1]),
        ("sigmoid far out", ag.sigmoid, [-1e4, 0.0, 1e4], [0, 0.25, 0]),
        ("log-sigmoid far out", ag.log_sigmoid, [-1e4, 0.0, 1e4], [1, 0.5, 0]),
        ("BCE far out", lambda x: ag.bce_with_logits(x, 1.0), [-1e4, 0.0, 1e4], [-1, -0.5, 0]),
        ("logsumexp of -inf", ag.logsumexp, [-INF, -INF], [0, 0]),
        ("logsumexp with one -inf", ag.logsumexp, [-INF, 0.0], [0, 1]),
        ("logsumexp of large", ag.logsumexp, [1e4, 1e4], [0.5, 0.5]),
        ("log-softmax of -inf", ag.log_softmax, [-INF, -INF], [0, 0]),
        ("log-softmax of large", ag.log_softmax, [1e4, 1e4], [0, 0]),
        ("logaddexp of -inf", lambda x: ag.logaddexp(x, x), [-INF], [0]),
        ("logaddexp with one -inf", lambda x: ag.logaddexp(x, 1.0), [-INF, 1e4], [0, 1]),
        ("logaddexp of large", lambda x: ag.logaddexp(x, 1e300), [1e300], [0.5]),
        ("log1p far out", ag.log1p, [0, 1e300], [1, 0]),
        ("expm1 far out", ag.expm1, [-1e4, 0], [0, 1]),
        ("erf far out", ag.erf, [-1e4, 0, 1e4], [0, 2 / np.sqrt(np.pi), 0]),
        ("digamma", ag.lgamma, [1.0, 2.0, -0.5], [-EULER, 1 - EULER, 2 - EULER - np.log(4)]),
        ("lgamma near 0", ag.lgamma, [1e-100, -1e-100], [-1e100, 1e100]),
        ("a zero row", ag.normalize, [[0.0, 0.0], [3.0, 4.0]], [[0, 0], [0.032, -0.024]]),
        ("std of equals", ag.std, [2.0, 2.0], [0, 0]),
        ("logcumsumexp of -inf", ag.logcumsumexp, [-INF, -INF, 0.0], [1, 0, 1]),
        ("logcumsumexp of large", ag.logcumsumexp, [1e4, 1e4], [1.5, 0.5]),
        ("sort of ties", lambda x: ag.sort(x)[:2], [1.0, 2.0, 1.0], [1, 0, 1]),
        ("topk of ties", lambda x: ag.topk(x, 1)[0], [1.0, 2.0, 2.0], [0, 1, 0]),
        ("cross-entropy far out", lambda x: ag.cross_entropy(x, [0]), [[-1e4, 1e4]], [[-1, 1]]),
        ("cross-entropy of -inf", lambda x: ag.cross_entropy(x, [1]), [[-INF, 0.0]], [[0, 0]]),
        ("distance 0", lambda x: ag.squared_distances(x, x[:1]), [[1e3, 1.0]], [[0, 0]]),
    ],
)  # fmt: skip
def test_first_derivative_and_a_finite_second(what, f, x, expected):
    first, second = derivatives(f, x, 2)
    np.testing.assert_allclose(first, expected, atol=1e-12)
    assert np.isfinite(second).all()


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (ag.softplus, [-1e4, 1e4], [0, 1e4]),
        (ag.log_sigmoid, [-1e4, 1e4], [-1e4, 0]),
        (lambda x: ag.bce_with_logits(x, 0.0), [-1e4, 1e4], [0, 1e4]),
        (ag.logsumexp, [-INF, -INF], -INF),
        (ag.logsumexp, [INF, 0.0], INF),
        (ag.logsumexp, [1e4, 1e4], 1e4 + np.log(2)),
        (ag.log_softmax, [-INF, -INF], [-INF, -INF]),
        (lambda x: ag.log_softmax(x, axis=0), [1e4, 0.0], [0, -1e4]),
        (ag.softmax, [1e4, -1e4], [1, 0]),
        (lambda x: ag.logaddexp(x, -INF), [-INF, 0.0, INF], [-INF, 0, INF]),
        (ag.log1p, [1e-10, -1e-20], [1e-10 - 5e-21, -1e-20]),
        (ag.expm1, [1e-10, -1e4], [1e-10 + 5e-21, -1]),
        (lambda x: ag.cross_entropy(x, [0, 1]), [[0.0, 0], [-INF, 3]], [np.log(2), 0]),
        (lambda x: ag.cross_entropy(x, [0]), [[-INF, 3.0]], INF),
        (ag.argmin, [3.0, 1.0, 1.0], 1),
        (
            ag.lgamma,
            [1e-10, 1.0, 1e4, -0.5],
            [np.log(1e10) - 1e-10 * EULER, 0, 82099.71749644238, 1.2655121234846454],
        ),
        (lambda x: ag.lgamma(x), [0.0, -3.0], [INF, INF]),
        (ag.logcumsumexp, [-INF, 1e4, 1e4], [-INF, 1e4, 1e4 + np.log(2)]),
        (lambda x: ag.roll(x, -1, axis=0), [[1.0], [2.0], [3.0]], [[2], [3], [1]]),
        (lambda x: ag.split(x, [1, 3])[1], [1.0, 2.0, 3.0, 4.0], [2, 3]),
        (lambda x: ag.split(x, 2, axis=-1)[1], [[1.0, 2.0], [3.0, 4.0]], [[2], [4]]),
        (lambda x: ag.topk(x, 2)[1], [1.0, 3.0, 3.0], [1, 2]),
        (lambda x: ag.topk(x.astype(np.uint8), 2)[1], [0.0, 5.0, 5.0], [1, 2]),
        (lambda a: ag.slogdet(a)[0], [[[0.0, 1], [1, 0]], [[1, 1], [1, 1]]], [-1, 0]),
        (lambda a: ag.slogdet(a)[1], [[[0.0, 9], [1, 0]], [[1, 1], [1, 1]]], [np.log(9), -INF]),
        (lambda a: ag.slogdet(a)[1], 1e-4 * np.eye(200), 200 * np.log(1e-4)),  # det A underflows
        (lambda x: ag.tril(x), [[1.0, INF], [3, np.nan]], [[1, 0], [3, np.nan]]),
        (lambda x: ag.argmax(x, axis=1), [[3.0, 1.0], [0.0, 0.0]], [0, 0]),
        (lambda x: ag.one_hot(x.astype(int), 3), [[2.0], [0.0]], [[[0, 0, 1]], [[1, 0, 0]]]),
        (ag.sigmoid, [-800.0, 800.0], [0, 1]),
        (ag.sum, [], 0),
        (ag.prod, [], 1),
        (ag.var, [1e8, 1e8 + 2], 1),  # E[x^2] - E[x]^2 would give 0 or 2
    ],
)
def test_values(f, x, expected):
    np.testing.assert_allclose(f(np.array(x, dtype=np.float64)), expected, rtol=1e-12)


def test_the_log_determinant_by_a_badly_conditioned_cholesky_factor():
    """Of Hilbert's matrix, of condition 1.5e10; d log|det A| / dA = A^-1, which has integers."""
    i = np.arange(8.0)
    a = Tensor(1 / (1 + i + i[:, None]), requires_grad=True)
    factor = ag.cholesky(a)
    np.testing.assert_allclose(factor.data @ factor.data.T, a.data, rtol=1e-14)
    slope = grad(2 * ag.log(factor[range(8), range(8)]).sum(), a)
    np.testing.assert_allclose(slope.data, np.rint(np.linalg.inv(a.data)), rtol=1e-5)


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("ji", [(2, 3)]),  # in alphabetical order, so transposed
        ("ii", [(3, 3)]),
        ("iii->i", [(2, 2, 2)]),
        ("iijj->ji", [(2, 2, 3, 3)]),
        ("ij->", [(2, 3)]),
        ("i,j->ji", [(2,), (3,)]),
        ("ij,ij->i", [(2, 3), (2, 3)]),
        ("iij,jk->k", [(3, 3, 2), (2, 4)]),
        ("ij,kl->k", [(2, 3), (4, 5)]),
        ("i, ij, j ->", [(2,), (2, 3), (3,)]),
        ("ij,ik,il->jkl", [(2, 3), (2, 4), (2, 2)]),
        ("bhqd,bhkd->bhqk", [(2, 1, 3, 4), (2, 1, 5, 4)]),
        ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]),
        ("i...,ij", [(2, 3), (2, 4)]),
        ("...ii->...", [(2, 3, 3)]),
        (",i->i", [(), (3,)]),
        ("ij,jk", [(2, 0), (0, 3)]),
        ("iij->j", [(0, 0, 2)]),
    ],
)
def test_einsum(subscripts, shapes):
    arrays = [np.random.default_rng(i).standard_normal(shape) for i, shape in enumerate(shapes)]
    found = ag.einsum(subscripts, *arrays)
    np.testing.assert_allclose(found, np.einsum(subscripts, *arrays), rtol=1e-12, atol=1e-12)
    check.gradients(lambda *xs: ag.einsum(subscripts, *xs), *arrays, order=2)


def test_a_long_sum_of_single_precision_is_exact_to_single_precision():
    x = np.full(10**6, 0.1, np.float32)
    found = ag.cumsum(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[-1], 1e6 * np.float64(x[0]), rtol=1e-7)


def test_sigmoid_keeps_its_relative_precision():
    x = np.float32([-80, -40, -20])
    np.testing.assert_allclose(ag.sigmoid(x), np.exp(x.astype(np.float64)), rtol=1e-6)


def test_derivatives_of_the_kl_of_a_collapsed_posterior_do_not_cancel():
    """d^2 KL / dlogvar dweight, where KL has a weight, is (e^logvar - 1) / 2."""
    logvar = np.float32([[1e-7], [-1e-5], [1e-3], [2], [-90]])
    v, weight = Tensor(logvar, requires_grad=True), Tensor(np.ones(5, "f"), requires_grad=True)
    _, kl = ag.reparameterize(0 * v, v, seed=0)
    second = grad(grad((weight * kl).sum(), v, create_graph=True).sum(), weight)
    np.testing.assert_allclose(second.data, np.expm1(logvar[:, 0].astype(float)) / 2, rtol=1e-6)


FAR = np.concatenate([np.linspace(40, 110, 71), np.linspace(300, 400, 101), [1e4, 1e13, 1e30]])
STEP_0, STEP_1 = (FAR * 0, FAR * 0 + 1), (FAR * 0, FAR)  # to the left and to the right


@pytest.mark.parametrize("copies", [1, 4])  # few elements, and enough for a kernel of its own
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("f", "values", "slopes"),
    [
        (ag.softplus, STEP_1, STEP_0),
        (ag.log_sigmoid, (-FAR, FAR * 0), (FAR * 0 + 1, FAR * 0)),
        (lambda x: ag.bce_with_logits(x, 1.0), (FAR, FAR * 0), (FAR * 0 - 1, FAR * 0)),
        (ag.sigmoid, STEP_0, (FAR * 0, FAR * 0)),
        (ag.silu, STEP_1, STEP_0),
        (ag.gelu, STEP_1, STEP_0),
        (lambda x: ag.gelu(x, exact=True), STEP_1, STEP_0),
        (ag.erf, (FAR * 0 - 1, FAR * 0 + 1), (FAR * 0, FAR * 0)),
        (ag.tanh, (FAR * 0 - 1, FAR * 0 + 1), (FAR * 0, FAR * 0)),
    ],
)
def test_the_tails_to_the_third_derivative(f, values, slopes, dtype, copies):
    x = Tensor(np.tile([-FAR, FAR], copies).astype(dtype), requires_grad=True)
    y = f(x)
    for expected in (values, slopes, (FAR * 0, FAR * 0), (FAR * 0, FAR * 0)):
        assert y.dtype == dtype
        np.testing.assert_allclose(y.data, np.tile(expected, copies), rtol=1e-6, atol=1e-15)
        y = grad(y.sum(), x, create_graph=True)


@pytest.mark.parametrize(
    ("f", "shape", "value"),
    [
        *(
            (f, shape, np.empty(shape))
            for f in (ag.softmax, ag.log_softmax, lambda x: ag.log_softmax(x, axis=0))
            for shape in [(0,), (3, 0), (0, 3), (2, 0, 3)]
        ),
        (ag.logsumexp, (0,), -INF),
        (lambda x: ag.logsumexp(x, axis=1), (2, 0, 3), np.full((2, 3), -INF)),
        (lambda x: ag.logsumexp(x, axis=1), (0, 3), np.empty(0)),
        *(
            (lambda x: ag.linear(x, np.ones((2, x.shape[-1])), np.ones(2)), shape, np.ones(value))
            for shape, value in [
                ((0,), 2), ((0, 3), (0, 2)), ((2, 5, 0), (2, 5, 2)), ((0, 5, 3), (0, 5, 2)),
            ]
        ),
        (lambda w: ag.linear(np.ones((2, 5, 0)), w, np.ones(4)), (4, 0), np.ones((2, 5, 4))),
        (lambda w: ag.linear(np.ones((2, 5, 3)), w, np.ones(0)), (0, 3), np.empty((2, 5, 0))),
        (lambda b: ag.linear(np.ones((2, 5, 0)), np.ones((4, 0)), b), (4,), None),
        (lambda x: ag.conv2d(x, np.ones((3, 2, 3, 3))), (0, 2, 4, 4), np.empty((0, 3, 2, 2))),
        (lambda w: ag.conv2d(np.ones((0, 2, 4, 4)), w), (3, 2, 3, 3), np.empty((0, 3, 2, 2))),
        (lambda x: ag.max_pool2d(x, 2), (0, 2, 4, 4), np.empty((0, 2, 2, 2))),
        (lambda x: ag.avg_pool2d(x, 2), (0, 2, 4, 4), np.empty((0, 2, 2, 2))),
        (lambda x: ag.upsample_nearest(x, 2), (0, 2, 4, 4), np.empty((0, 2, 8, 8))),
        *(
            (lambda x: ag.group_norm(x, *np.ones((2, 4)), groups=2, eps=1), shape, np.empty(shape))
            for shape in [(0, 4, 5), (2, 4, 0)]
        ),
        (lambda x: ag.reparameterize(x, x, 0)[1], (3, 0), np.zeros(3)),
        (lambda x: ag.squared_distances(x, np.ones((2, 3))), (0, 3), np.empty((0, 2))),
        (lambda x: ag.squared_distances(x, np.ones((0, 3))), (2, 3), np.empty((2, 0))),
        (lambda x: ag.squared_distances(x, np.ones((4, 0))), (2, 0), np.zeros((2, 4))),
        (lambda x: ag.cross_entropy(x, np.zeros(0, int)), (0, 3), np.empty(0)),
        *((f, (2, 0), np.empty((2, 0))) for f in (ag.sort, ag.cumsum, ag.logcumsumexp, ag.flip)),
        (lambda x: ag.roll(x, 1), (2, 0), np.empty((2, 0))),
        (lambda x: ag.split(x, 2)[1], (0, 3), np.empty((0, 3))),
        (lambda x: ag.gather(x, np.zeros((2, 0), int)), (2, 3), np.empty((2, 0))),
        (lambda x: ag.topk(x, 0)[0], (2, 3), np.empty((2, 0))),
        (ag.normalize, (2, 0), np.empty((2, 0))),
        (lambda a: ag.slogdet(a)[1], (2, 0, 0), np.zeros(2)),
        (lambda a: ag.slogdet(a)[1], (0, 2, 2), np.empty(0)),
        *((f, (2, 0, 0), np.empty((2, 0, 0))) for f in (ag.inverse, ag.cholesky, ag.tril)),
        (lambda b: ag.solve_triangular(np.eye(2), b), (2, 0), np.empty((2, 0))),
    ],
)  # fmt: skip
def test_empty_axes_have_values_and_gradients_to_the_second_order(f, shape, value):
    x = Tensor(np.zeros(shape), requires_grad=True)
    y = f(x)
    if value is not None:
        np.testing.assert_array_equal(y.data, value)
    g = grad(y.sum(), x, create_graph=True)
    assert g.shape == shape and np.isfinite(g.data).all()
    if g.node is not None:
        assert grad(g.sum(), x).shape == shape


@pytest.mark.parametrize(
    ("f", "x", "slope"), [(ag.sqrt, 4.0, 0.25), (lambda x: ag.log1p(x - 1), 4.0, 0.25)]
)
def test_a_pole_has_an_infinite_derivative(f, x, slope):
    with np.errstate(divide="ignore"):
        (first,) = derivatives(f, [0.0, x], 1)
    np.testing.assert_array_equal(first, [INF, slope])


def test_gradient_of_the_norm_of_a_gradient_at_zero_is_zero():
    """The gradient penalty of WGAN-GP, for a critic that is flat somewhere."""
    first, second = derivatives(lambda x: ag.norm(x, axis=1), [[0.0, 0.0], [3.0, 4.0]], 2)
    np.testing.assert_array_equal(first, [[0, 0], [0.6, 0.8]])
    np.testing.assert_array_equal(second[0], [0, 0])


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (ag.min, 0),
        (lambda x: ag.minimum(x, np.uint8(3)), [0, 3]),
        (lambda x: ag.sum(x, axis=np.int64(0)), 5),
        (ag.prod, 0),
    ],
)
def test_integers_keep_their_values(f, expected):
    np.testing.assert_array_equal(f(np.array([0, 5], np.uint8)), expected)


@pytest.mark.parametrize("axis", [np.int64(0), -1, (0, np.int64(-1)), None])
@pytest.mark.parametrize("f", [ag.sum, ag.max, ag.min, ag.prod, ag.mean, ag.var, ag.logsumexp])
def test_axes_of_any_spelling(f, axis):
    x = np.random.default_rng(0).permutation(12).reshape(3, 4) / 10
    check.gradients(lambda x: f(x, axis=axis), x)


@pytest.mark.parametrize("f", [ag.sum, ag.max, ag.prod, ag.mean, ag.var, ag.logsumexp])
def test_an_axis_that_is_not_there_is_refused(f):
    with pytest.raises(ValueError, match="axis 2 is out of bounds"):
        f(Tensor(np.ones((2, 3))), axis=2)


def test_empty_sum_has_a_gradient_of_its_shape():
    x = Tensor(np.empty((0, 3)), requires_grad=True)
    assert grad(x.sum(), x).shape == (0, 3)


@pytest.mark.parametrize("f", [ag.max, ag.min])
def test_extreme_of_nothing_is_an_error(f):
    with pytest.raises(ValueError, match=r"(max|min) of float64\(0,\): zero-size array"):
        f(Tensor(np.empty(0)))


def test_a_repeated_index_accumulates():
    x = Tensor(np.zeros((3, 2)), requires_grad=True)
    y = ag.embedding(x, np.array([[0, 2], [2, 2]]))
    assert y.shape == (2, 2, 2)
    np.testing.assert_array_equal(grad(y.sum(), x).data, [[1, 1], [0, 0], [3, 3]])


MATRIX = Tensor(np.arange(6.0).reshape(3, 2))


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda: ag.embedding(MATRIX, [0.5]), TypeError, "integers, not float64"),
        (lambda: ag.one_hot([0.5], 3), TypeError, "integers, not float64"),
        (lambda: ag.one_hot([[0, 3], [-1, 2]], 3), IndexError, "from -1 to 3 for 3 classes: .* 2"),
        (lambda: ag.cross_entropy(MATRIX, [0, 1, 2]), IndexError, "from 0 to 2 for 2 classes"),
        (lambda: ag.cross_entropy(MATRIX, [0, 1]), ValueError, r"\(2,\) for logits \(3, 2\)"),
        (lambda: ag.gather(MATRIX, [0, 1, 1]), ValueError, r"\(3,\) for x \(3, 2\)"),
        (lambda: ag.gather(MATRIX, [[2]]), IndexError, "index 2 is out of bounds"),
        (lambda: ag.split(MATRIX, 2), ValueError, r"axis 0 of \(3, 2\) does not split into 2"),
        *(
            (lambda f=f: f(MATRIX, 1, 2), ValueError, "axis 2 is out of bounds")
            for f in (
                ag.split,
                ag.roll,
                ag.topk,
                lambda x, _, axis: ag.logcumsumexp(x, axis),
                lambda x, _, axis: ag.cumsum(x, axis=axis),
            )
        ),
        (lambda: ag.tril(MATRIX[0]), ValueError, r"\(2,\) is no matrices"),
        (lambda: ag.topk(MATRIX, 3), ValueError, "the 3 largest of 2 along axis -1"),
        (lambda: ag.einsum("ij,jk", MATRIX), ValueError, "'ij,jk': it is of 2 operands, not 1"),
        (lambda: ag.einsum("i", MATRIX), ValueError, r"'i' does not name the axes of \(3, 2\)"),
        (lambda: ag.einsum("i.", MATRIX), ValueError, r"'i\.' does not name the axes of"),
        (lambda: ag.einsum("......", MATRIX), ValueError, "does not name the axes of"),
        (lambda: ag.einsum("ii", MATRIX), ValueError, "the axis 'i' is 3 and 2 long"),
        (lambda: ag.einsum("ij->k", MATRIX), ValueError, "the result 'k' has a name twice, or one"),
        (lambda: ag.einsum("ij->ii", MATRIX), ValueError, "the result 'ii' has a name twice, or"),
        (lambda: ag.einsum("...i->i", MATRIX), ValueError, "lacks the axes of '...'"),
        (lambda: ag.solve(MATRIX, MATRIX), ValueError, r"\(3, 2\) is no square"),
        (lambda: ag.solve(np.eye(2), MATRIX), ValueError, r"\(2, 2\) and \(3, 2\): B has as many"),
        (lambda: ag.solve(np.eye(2), np.float64(3)), ValueError, "with a number B: B has as many"),
        (lambda: ag.inverse(MATRIX), ValueError, r"\(3, 2\) is no square"),
        (lambda: ag.slogdet(MATRIX), ValueError, r"\(3, 2\) is no square"),
        (lambda: ag.cholesky(MATRIX), ValueError, r"cholesky of float64\(3, 2\): .* is no square"),
        (lambda: ag.inverse(np.ones((2, 2))), LinAlgError, r"\(2, 2\) is singular"),
        (
            lambda: ag.solve_triangular(np.diag([1.0, 0]), np.ones(2)),
            LinAlgError,
            r"\(2, 2\) has a 0 on its diagonal",
        ),
        (
            lambda: ag.cholesky(np.diag([1.0, -2])),
            LinAlgError,
            "not positive definite: its smallest eigenvalue is -2; more than 2 added to",
        ),
        (lambda: ag.squared_distances(MATRIX, MATRIX.T), ValueError, r"\(3, 2\) and y \(2, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_was_wrong(f, error, message):
    with pytest.raises(error, match=message):
        f()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_squared_distances_are_not_negative_and_those_of_far_points_do_not_cancel(dtype):
    x = (1e4 + np.random.default_rng(0).standard_normal((40, 3))).astype(dtype)
    found = ag.squared_distances(x, x)
    difference = x[:, None] - x
    assert found.min() >= 0 and found.dtype == dtype
    np.testing.assert_allclose(found, (difference**2).sum(axis=-1), atol=50 * np.finfo(dtype).eps)


def test_nan_passes_through():
    with np.errstate(invalid="ignore"):
        assert np.isnan(ag.relu(Tensor([np.nan, 1.0])).data[0])
        assert np.isnan(ag.max(Tensor([np.nan, 1.0])).data)


@pytest.mark.parametrize(
    ("promoted", "dtype"),
    [
        (lambda x: 2.0 * x + 1 - x / 3, np.float32),
        (lambda x: x**2.5 + 2**x, np.float32),
        (lambda x: ag.maximum(x, 0.5) + ag.where(x > 0, x, 1.0), np.float32),
        (lambda x: ag.mean(x) + ag.var(x), np.float32),
        (lambda x: x * np.float64(2), np.float64),  # NumPy's own rule: its scalars have a dtype
        (lambda x: x + np.zeros(3), np.float64),
    ],
)
def test_python_numbers_never_promote_and_a_gradient_has_its_inputs_dtype(promoted, dtype):
    x = Tensor(np.float32([0.5, 1.0, 2.0]), requires_grad=True)
    y = promoted(x)
    assert y.dtype == dtype
    assert grad(y.sum(), x).dtype == np.float32


@pytest.mark.parametrize(
    ("f", "shape"),
    [
        (lambda x: ag.max_pool2d(x, 2), (1, 2, 4, 6)),
        (lambda x: ag.max_pool2d(x, 3, stride=1), (1, 2, 5, 5)),
        (lambda x: ag.avg_pool2d(x, 2), (1, 2, 5, 5)),
        (lambda x: ag.upsample_nearest(x, 3), (1, 2, 2, 3)),
        (ag.prod, (2, 3)),
        (ag.prod, ()),
        (ag.prod, (0,)),
        (lambda x: ag.prod(x * np.array([0.0, 1, 1, 0, 1]), axis=(0, -1)), (2, 3, 5)),
        (lambda x: ag.prod(x, axis=1, keepdims=True), (2, 3, 2)),
        (ag.silu, (5,)),
        (ag.gelu, (5,)),
        (ag.log_sigmoid, (5,)),
        (ag.softmax, (2, 3)),
        (lambda x: ag.mean(x, axis=(0, 2)), (2, 3, 4)),
        (lambda x: ag.var(x, axis=1, keepdims=True), (2, 3)),
        (lambda x: ag.min(x, axis=0), (3, 2)),
        (lambda x: ag.stack([x, x * x, ag.exp(x)]), (2, 2)),
        (lambda x: ag.concatenate([x, x * x, ag.exp(x)], axis=1), (2, 2)),
        (ag.flatten, (2, 3, 2)),
        (lambda w: ag.embedding(w, np.array([0, 1, 0])), (2, 3)),
        (lambda x: ag.minimum(x, 0.3 - x), (7,)),
        (lambda x: x @ x, (3,)),
        (lambda x: np.ones((2, 4, 3)) @ x, (3,)),
        (lambda x: x @ np.ones((2, 3, 4)), (3,)),
        (lambda x: x @ np.ones(3), (2, 4, 3)),
        (lambda x: ag.cross_entropy(x, [2, 0]), (2, 3)),
        (lambda x: ag.squared_distances(x, x[:, :2]), (2, 4, 3)),
        (lambda x: ag.inverse(x + 3 * np.eye(2)), (3, 2, 2)),
        (lambda x: ag.solve(x[:2] + 3 * np.eye(2), x[2]), (3, 2)),
        (lambda x: ag.slogdet(x @ x.T + np.eye(3))[1], (3, 2)),
        (lambda x: ag.sort(x, axis=0) * ag.topk(x, 3, axis=0)[0], (3, 2)),
        (lambda x: ag.gather(x, [[0, 1], [1, 1]], axis=0), (2, 2)),
        (lambda x: ag.roll(x, 4, axis=0) * ag.flip(x) * ag.split(x, 3)[1], (3, 2)),
        (ag.normalize, (2, 3)),
        (lambda x: ag.std(x, axis=0), (3, 2)),
        (lambda x: ag.logcumsumexp(x, axis=0), (5, 2)),
        (lambda x: ag.gelu(x, exact=True), (5,)),
    ],
)
def test_derivatives_of_what_is_made_of_primitives(f, shape):
    check.gradients(f, np.random.default_rng(3).standard_normal(shape), order=3)


def test_upsampling_and_pooling_undo_each_other():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    for pool in (ag.avg_pool2d, ag.max_pool2d):
        np.testing.assert_allclose(pool(ag.upsample_nearest(x, 2), 2), x)
