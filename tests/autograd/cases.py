"""For every primitive, ways to call it: the tests of its derivative sample them.

A case is a function of a `Sampler`, which samples shapes, options and values, and returns
a function of Tensors and the float64 arrays to call it with. Values keep away from kinks, where
there is no derivative to compare with; `test_numerics` tests what happens there.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import autograd as ag
from autograd.tensor import array_of

Case = Callable[["Sampler"], tuple[Callable, list[np.ndarray]]]


class Sampler:
    """Shapes and options from Hypothesis, which shrinks them; values from a seeded generator."""

    def __init__(self, draw: Callable):
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 999)))

    def choose(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def shape(self, low: int = 0, high: int = 3, smallest: int = 0) -> tuple[int, ...]:
        """From 0-d to 3-d, with empty ones among them."""
        return tuple(self.draw(st.lists(st.integers(smallest, 3), min_size=low, max_size=high)))

    def broadcastable(self, count: int) -> list[tuple[int, ...]]:
        """Shapes that broadcast together: axes made 1, and leading axes left out."""
        whole = self.shape()
        return [
            tuple(self.choose(1, n) for n in whole)[self.integer(0, len(whole)) :]
            for _ in range(count)
        ]

    def axis(self, ndim: int) -> Any:
        axes = list(range(-ndim, ndim))
        several = [tuple(range(-k, 0)) for k in range(ndim + 1)]
        return self.choose(None, *axes, *map(np.int64, axes), *several)

    def index(self, shape: tuple[int, ...]) -> Any:
        """Whatever NumPy takes between brackets, for at least two axes, none empty."""
        n, m = shape[:2]
        rows, columns = self.rng.integers(0, n, (2, 3)), self.rng.integers(0, m, 4)  # some twice
        mask, of_rows, of_columns = (self.normal(size) > 0 for size in (shape, (n,), (m,)))
        return self.choose(
            *(0, -1, np.int64(0), None, ..., (), True, False, slice(None, None, -1), slice(0, 0)),
            *((slice(None), -1), (..., None, slice(None, None, -1)), (None, 0), (0, ..., 0)),
            *(rows, rows.astype(np.uint8), rows[0].tolist(), [], [-1, 0], range(n)),
            *((rows[0], columns[:3]), (rows, 0), (slice(None), columns), (0, [0])),
            *((rows[:, :, None], columns), (rows[0], None, slice(1))),
            *(mask, of_rows, of_rows.tolist(), (slice(None), of_columns), (rows[0], ..., None)),
        )

    def normal(self, shape: tuple[int, ...]) -> np.ndarray:
        return self.rng.standard_normal(shape)

    def positive(self, shape: tuple[int, ...]) -> np.ndarray:
        return self.rng.uniform(0.5, 2, shape)

    def nonzero(self, shape: tuple[int, ...]) -> np.ndarray:
        """Away from 0 and from +-1, on both sides of each."""
        size = self.rng.choice([0.2, 1.2], shape) + self.rng.uniform(0, 0.6, shape)
        return self.rng.choice([-1, 1], shape) * size

    def distinct(self, shape: tuple[int, ...]) -> np.ndarray:
        """No two closer than 0.25."""
        return self.rng.permutation(int(np.prod(shape))).reshape(shape) * 0.25 - 1.0


def beside(x: Any, constant: np.ndarray) -> Any:
    """`constant` on the device of `x`, an array or a Tensor."""
    return ag.namespace(array_of(x)).asarray(constant)


CASES: dict[str, list[Case]] = {}


def case(*names: str) -> Callable[[Callable], Callable]:
    """Declare a case of these primitives: the decorated function gets the primitive first."""

    def declare(function: Callable) -> Callable:
        for name in names:
            one = ag.PRIMITIVES[name]
            CASES.setdefault(name, []).append(lambda s, one=one: function(one, s))
        return function

    return declare


@case("neg", "erf", "exp", "expm1", "sin", "cos", "tanh", "sigmoid", "silu", "softplus")
def anywhere(primitive, s):
    return primitive, [s.normal(s.shape())]


@case("lgamma", "log", "log1p", "sqrt")
def positive(primitive, s):
    return primitive, [s.positive(s.shape())]


@case("abs", "relu", "leaky_relu")
def away_from_zero(primitive, s):
    return primitive, [s.nonzero(s.shape())]


@case("leaky_relu_grad")
def on_either_side(leaky_relu_grad, s):
    shape, slope = s.shape(), s.choose(0.0, 0.2)
    y = s.nonzero(shape)
    y = np.where(y > 0, y, slope * y)
    return lambda g: leaky_relu_grad(g, beside(g, y.astype(g.dtype)), slope=slope), [
        s.normal(shape)
    ]


@case("silu_grad")
def of_one_shape(silu_grad, s):
    shape = s.shape()
    return silu_grad, [s.normal(shape), s.normal(shape)]


@case("clip")
def away_from_edges(clip, s):
    shape = s.shape()
    low = s.choose(None, -1, -1.0, np.full(shape, -1.0))
    high = s.choose(None, 1, 1.0, np.full((2, *shape), 1.0))

    def clipped(x):
        arrays = [b.astype(x.dtype) if isinstance(b, np.ndarray) else b for b in (low, high)]
        bounds = (beside(x, b) if isinstance(b, np.ndarray) else b for b in arrays)
        return clip(x, **dict(zip(("low", "high"), bounds)))

    return clipped, [s.nonzero(shape)]


@case("add", "sub", "mul", "logaddexp")
def broadcast(primitive, s):
    return primitive, [s.normal(shape) for shape in s.broadcastable(2)]


@case("add", "mul", "logaddexp")
def with_itself(primitive, s):
    return lambda x: primitive(x, x), [s.normal(s.shape())]


@case("sub", "mul", "div", "logaddexp")
def with_a_number(primitive, s):
    return lambda x: primitive(3.0, x), [s.positive(s.shape())]


@case("div")
def quotient(div, s):
    a, b = s.broadcastable(2)
    return div, [s.normal(a), s.nonzero(b)]


@case("maximum", "minimum")
def apart(primitive, s):
    a, b = s.broadcastable(2)
    return primitive, [
        s.rng.integers(-4, 4, a) * 0.5,
        s.rng.integers(-4, 4, b) * 0.5 + 0.25,
    ]


@case("power")
def both_vary(power, s):
    a, b = s.broadcastable(2)
    return power, [s.positive(a), s.normal(b)]


@case("power")
def literal_exponent(power, s):
    exponent = s.choose(0, 1, 2, 3, -1, 0.5, True)
    return lambda x: power(x, exponent), [s.positive(s.shape())]


@case("where")
def mixed(where, s):
    condition, a, b = s.broadcastable(3)
    chosen = s.normal(condition) > 0
    if s.choose(False, True):
        chosen = chosen.astype(s.choose(np.float32, np.int64))  # true where it is not 0
    return lambda x, y: where(beside(x, chosen), x, y), [s.normal(a), s.normal(b)]


@case("where")
def of_one_condition(where, s):
    a, b = s.broadcastable(2)
    chosen = np.array(s.choose(True, False))
    return lambda x, y: where(beside(x, chosen), x, y), [s.normal(a), s.normal(b)]


@case("astype")
def same_dtype(astype, s):
    spelt = s.choose(lambda dtype: dtype, lambda dtype: dtype.name, lambda dtype: dtype.type)
    return lambda x: astype(x, dtype=spelt(x.dtype)), [s.normal(s.shape())]


@case("reshape")
def flat(reshape, s):
    shape = s.shape(smallest=s.choose(0, 1))
    size = int(np.prod(shape))
    inferred = [(-1, 1), -1, [1, -1]] if size else []
    into = s.choose((size, 1), size, (np.int64(size),), [1, size], *inferred)
    return lambda x: reshape(x, shape=into), [s.normal(shape)]


@case("squeeze")
def without_ones(squeeze, s):
    shape = s.shape()
    ones = [i for i, n in enumerate(shape) if n == 1]
    single = [i - s.choose(0, len(shape)) for i in ones]
    axis = s.choose(None, *single, tuple(single))
    return lambda x: squeeze(x, axis=axis), [s.normal(shape)]


@case("transpose")
def permuted(transpose, s):
    shape = s.shape()
    order = s.draw(st.permutations(range(len(shape))))
    axes = s.choose(None, [s.choose(i, i - len(shape)) for i in order])  # either spelling of each
    return lambda x: transpose(x, axes=axes), [s.normal(shape)]


@case("broadcast_to")
def stretched(broadcast_to, s):
    (shape,) = s.broadcastable(1)
    whole = (2, *(3 if n == 1 else n for n in shape))
    spelt = s.choose(whole, list(whole), *([2] if whole == (2,) else []))
    return lambda x: broadcast_to(x, shape=spelt), [s.normal(shape)]


@case("sum_to")
def summed_to(sum_to, s):
    shape = s.shape()
    kept = s.choose(tuple, list)(s.choose(1, n) for n in shape)[s.integer(0, len(shape)) :]
    return lambda x: sum_to(x, shape=kept), [s.normal(shape)]


@case("concatenate_pair")
def two_parts(concatenate_pair, s):
    shape = s.shape(low=1)
    axis = s.choose(int, np.int64)(s.integer(-len(shape), len(shape) - 1))
    other = list(shape)
    other[axis] = s.integer(0, 3)
    return lambda x, y: concatenate_pair(x, y, axis=axis), [s.normal(shape), s.normal(tuple(other))]


@case("pad")
def some_sides(pad, s):
    shape = s.shape()
    pairs = [(s.integer(0, 2), s.integer(0, 2)) for _ in shape]
    widths = s.choose(1, (2,), (1, 2), ((0, 2),), *([pairs, np.array(pairs)] if pairs else []))
    return lambda x: pad(x, widths=widths), [s.normal(shape)]


@case("sum", "max", "min", "logsumexp", "norm")
def over_axes(reduction, s):
    values = {"max": s.distinct, "min": s.distinct, "norm": s.nonzero}.get(reduction.name, s.normal)
    shape = s.shape(smallest=0 if reduction.name == "sum" else 1)
    axis, keepdims = s.axis(len(shape)), s.choose(False, True, 0, 1)
    return lambda x: reduction(x, axis=axis, keepdims=keepdims), [values(shape)]


@case("polygamma")
def of_some_order(polygamma, s):
    n = s.integer(0, 1)
    return lambda x: polygamma(x, n=n), [1 + s.positive(s.shape())]


@case("cumsum")
def from_the_first(cumsum, s):
    shape = s.shape(low=1)
    axis = s.integer(-len(shape), len(shape) - 1)
    return lambda x: cumsum(x, axis=axis), [s.normal(shape)]


@case("sum_by_channel")
def of_images(sum_by_channel, s):
    return sum_by_channel, [s.normal(s.shape(low=2, high=4))]


@case("log_softmax")
def along_an_axis(log_softmax, s):
    shape = s.shape(low=1, smallest=1)
    axis = s.axis(len(shape))
    return lambda x: log_softmax(x, axis=axis), [s.normal(shape)]


@case("getitem")
def picked(getitem, s):
    shape = s.shape(low=2, smallest=1)
    index = s.index(shape)
    return lambda x: getitem(x, index=index), [s.normal(shape)]


@case("scatter_add")
def put_back(scatter_add, s):
    shape = s.shape(low=2, smallest=1)
    index = s.index(shape)
    values = s.normal(np.empty(shape)[index].shape)
    return lambda x: scatter_add(x, index=index, shape=shape), [values]


@case("matrix_product")
def batches_of_matrices(matrix_product, s):
    k = s.integer(0, 3)
    batch, other = s.broadcastable(2)
    return matrix_product, [s.normal((*batch, 2, k)), s.normal((*other, k, 3))]


def invertible(s: Sampler, shape: tuple[int, ...]) -> np.ndarray:
    """Far from a singular matrix, with a determinant of either sign."""
    n = shape[-1]
    return 0.2 * s.normal(shape) + np.diag(s.nonzero((n,)) * 2)


@case("matrix_solve", "triangular_solve")
def systems(primitive, s):
    batch, n = s.shape(high=1), s.integer(0, 2)
    options = {"lower": s.choose(True, False)} if primitive.name == "triangular_solve" else {}
    arrays = [invertible(s, (*batch, n, n)), s.normal((*batch, n, s.integer(0, 2)))]
    return lambda a, b: primitive(a, b, **options), arrays


@case("sign_and_logdet")
def determinants(sign_and_logdet, s):
    n = s.integer(0, 3)
    return sign_and_logdet, [invertible(s, (*s.shape(high=1), n, n))]


@case("cholesky")
def positive_definite(cholesky, s):
    n = s.integer(0, 3)
    return cholesky, [0.1 * s.normal((*s.shape(high=1), n, n)) + np.diag(s.positive((n,)))]


@case("linear")
def affine(linear, s):
    inputs, outputs = s.integer(1, 3), s.integer(1, 3)
    arrays = [s.normal((*s.shape(high=2), inputs)), s.normal((outputs, inputs))]
    return linear, [*arrays, *s.choose([s.normal((outputs,))], [])]  # with a bias, or none


@case("z_and_kl")
def sampled(z_and_kl, s):
    shape = (*s.shape(high=2), s.integer(0, 5))
    noise = {"seed": s.integer(0, 2**64 - 1), "offset": s.integer(0, 2**64 - 1)}
    return lambda mu, logvar: z_and_kl(mu, logvar, **noise), [s.normal(shape), s.normal(shape)]


@case("z_and_kl_logvar_grad")
def sampled_backwards(z_and_kl_logvar_grad, s):
    shape = (*s.shape(high=2), s.integer(0, 5))
    noise = {"seed": s.integer(0, 2**64 - 1), "offset": s.integer(0, 2**64 - 1)}
    g = s.normal((int(np.prod(shape) + np.prod(shape[:-1])),))
    return lambda g, logvar: z_and_kl_logvar_grad(g, logvar, **noise), [g, s.normal(shape)]


@case("bce_with_logits", "bce_with_logits_grad")
def together(primitive, s):
    return primitive, [s.normal(shape) for shape in s.broadcastable(len(primitive.inputs))]


@case("group_norm", "group_norm_input_grad", "group_norm_weight_grad")
def normalised(primitive, s):
    groups, size = s.integer(1, 3), s.integer(1, 2)
    shape = (s.integer(1, 3), groups * size, *s.shape(low=1, high=2, smallest=2))
    weights = [s.normal(shape[1:2]) for name in primitive.inputs if name in "wb"]
    values = [s.normal(shape) for name in primitive.inputs if name in "gx"]
    return lambda *arrays: primitive(*arrays, groups=groups, eps=0.1), [*values, *weights]


def geometry(s: Sampler) -> tuple[dict[str, Any], tuple[int, int], tuple[int, int]]:
    """Stride, padding and dilation, a kernel, and an image that it fits."""
    options = {
        "stride": s.choose(1, np.int64(2), (1, 2), [2, 1]),
        "padding": s.choose(0, 1, (2, 0), [0, 1]),
        "dilation": s.choose(1, 2, (1, np.int64(2))),
    }
    return options, s.choose((1, 1), (2, 3), (3, 3)), s.choose((5, 6), (7, 5))


def convolution(s: Sampler) -> tuple[dict[str, Any], tuple[int, int], tuple[int, int]]:
    """The geometry of a convolution, perhaps with a mask."""
    options, kernel_size, size = geometry(s)
    masks = ["B", "A", np.eye(3), np.eye(3) > 0] if kernel_size == (3, 3) else []
    return options | {"mask": s.choose(None, *masks)}, kernel_size, size


@case("conv2d")
def convolved(conv2d, s):
    options, kernel_size, size = convolution(s)
    arrays = [s.normal((2, 2, *size)), s.normal((3, 2, *kernel_size))]
    return lambda *xs: conv2d(*xs, **options), arrays


@case("conv2d_input_grad")
def transposed(conv2d_input_grad, s):
    options, kernel_size, size = convolution(s)
    w = s.normal((3, 2, *kernel_size))
    g = s.normal(ag.conv2d(np.zeros((2, 2, *size)), w, **options).shape)
    return lambda *xs: conv2d_input_grad(*xs, input_size=size, **options), [g, w]


@case("conv2d", "conv2d_input_grad")
def with_a_bias(primitive, s):
    f, (images, w) = (convolved if primitive.name == "conv2d" else transposed)(primitive, s)
    channels = w.shape[primitive.name == "conv2d_input_grad"]
    return f, [images, w, s.normal((channels,))]


@case("conv2d_weight_grad")
def correlated(conv2d_weight_grad, s):
    options, kernel_size, size = convolution(s)
    x = s.normal((2, 2, *size))
    g = s.normal(ag.conv2d(x, np.zeros((3, 2, *kernel_size)), **options).shape)
    return lambda x, g: conv2d_weight_grad(x, g, kernel_size=kernel_size, **options), [x, g]


@case("unfold")
def windows(unfold, s):
    options, kernel_size, size = geometry(s)
    return lambda x: unfold(x, kernel_size=kernel_size, **options), [s.normal((1, 2, *size))]


@case("fold")
def windows_back(fold, s):
    options, kernel_size, size = geometry(s)
    shape = ag.unfold(np.zeros((1, 2, *size)), kernel_size=kernel_size, **options).shape
    return lambda x: fold(x, input_size=size, **options), [s.normal(shape)]


MULTILINEAR = [
    "leaky_relu_grad",
    *(
        "neg",
        "sum",
        "sum_by_channel",
        "sum_to",
        "broadcast_to",
        "reshape",
        "transpose",
        "pad",
        "astype",
        "getitem",
        "cumsum",
    ),
    *("scatter_add", "mul", "matrix_product", "unfold", "fold"),
    *("conv2d", "conv2d_input_grad", "conv2d_weight_grad"),
]
"""Linear in each argument but the bias, so that the adjoint identity holds."""
