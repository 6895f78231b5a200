"""Claims about the gradients of layers, derived by hand.

Throughout, L = <g, y>, where y is the output of the layer, so that dL/dy = g.
"""

import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from autograd import (
    Tensor,
    conv2d,
    conv2d_input_grad,
    conv2d_weight_grad,
    grad,
    linear,
    nn,
    softmax,
)
from models.derivations.claim import Formula, Routes, claim

DIFFERENCES = "central differences with a step of 1e-5 are exact to about 1e-9"


def _flat(arrays: Any) -> np.ndarray:
    return np.concatenate([np.ravel(array) for array in arrays])


def three_routes(
    by_hand: Callable[..., tuple], layer: Callable[..., Tensor], *shapes: tuple[int, ...]
) -> Routes:
    """dL/dx of each input x, for L = <g, layer(*inputs)>, at random inputs of these shapes.

    By `by_hand(g, *inputs)`, by our engine and by finite differences.
    """
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal(shape) for shape in shapes]
    tensors = [Tensor(x, requires_grad=True) for x in inputs]
    y = layer(*tensors)
    g = np.asarray(rng.standard_normal(y.shape))
    yield "by hand", _flat(by_hand(g, *inputs))
    yield "our engine", _flat(gradient.data for gradient in grad(y, tensors, g))
    yield "finite differences", _flat(_differences(layer, g, inputs))


def _differences(
    layer: Callable[..., Tensor], g: np.ndarray, inputs: list[np.ndarray], h: float = 1e-5
) -> Iterator[float]:
    """The slope of L along each element of each input."""

    def loss(k: int, moved: np.ndarray) -> float:
        return (g * layer(*map(Tensor, [*inputs[:k], moved, *inputs[k + 1 :]])).data).sum()

    for k, x in enumerate(inputs):
        for i in np.ndindex(x.shape):
            step = np.zeros_like(x)
            step[i] = h
            yield (loss(k, x + step) - loss(k, x - step)) / (2 * h)


@claim(
    r"y = x W^T + b: \quad \frac{\partial L}{\partial x} = g W, \quad "
    r"\frac{\partial L}{\partial W} = g^T x, \quad \frac{\partial L}{\partial b} = \sum_n g_n",
    source="Rumelhart, Hinton & Williams 1986",
    given="four examples; a square W, so that a wrong transposition has the right shape",
    tolerance=1e-7,
    because=DIFFERENCES,
    mistakes={
        "W transposed": lambda g, x, w, b: (g @ w.T, g.T @ x, g.sum(0)),
        "dL/dW transposed": lambda g, x, w, b: (g @ w, x.T @ g, g.sum(0)),
        "the mean over the examples, not the sum": lambda g, x, w, b: (g @ w, g.T @ x, g.mean(0)),
    },
)
def linear_layer(
    # y_no = sum_i x_ni W_oi + b_o, so L = sum_no g_no y_no contains
    #   x_ni with the factor sum_o g_no W_oi: row n, column i of g W,
    #   W_oi with sum_n g_no x_ni: of g^T x,  and b_o with sum_n g_no.
    formula: Formula = lambda g, x, w, b: (g @ w, g.T @ x, g.sum(0)),
) -> Routes:
    """The gradients of a linear layer, for its input, weights and bias."""
    yield from three_routes(formula, linear, (4, 3), (3, 3), (3,))


def _convolution(
    g: np.ndarray, x: np.ndarray, w: np.ndarray, flip: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """dL/dx and dL/dw where y = conv(x, w), stride 1, with the padding that keeps the size."""
    # y[n,o,i,j] = sum_cab w[o,c,a,b] x[n,c,i+a-p,j+b-p], where x is 0 outside the image.
    size = w.shape[-1]

    def windows(images: np.ndarray) -> np.ndarray:
        padded = np.pad(images, [(0, 0), (0, 0), *[(size // 2,) * 2] * 2])
        return np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(2, 3))

    # In L, w[o,c,a,b] is multiplied by g[n,o,i,j] x[n,c,i+a-p,j+b-p]: correlate x with g.
    d_w = np.einsum("noij,ncijab->ocab", g, windows(x))
    # x[n,c,k,l] has i = k + p - a: the tap a of w is multiplied by g at -a, so the kernel is turned
    # by 180 degrees. The sum is over the outputs o, not over the inputs c.
    turned = w[:, :, ::-1, ::-1] if flip else w
    d_x = np.einsum("noklab,ocab->nckl", windows(g), turned)
    return d_x, d_w


@claim(
    r"y = x \star w: \quad \frac{\partial L}{\partial x} = g \star w^{\mathrm{turned}}, \quad "
    r"\frac{\partial L}{\partial w} = x \star g",
    source="LeCun et al. 1989; Dumoulin & Visin 2016, section 4",
    given="two images of 5x4, two channels to two, kernels of 3x3, padding 1",
    tolerance=1e-7,
    because=DIFFERENCES,
    mistakes={
        "the kernel is not turned": lambda g, x, w: _convolution(g, x, w, flip=False),
        "its input and output channels are not exchanged": lambda g, x, w: (
            _convolution(g, x, w.swapaxes(0, 1))[0],
            _convolution(g, x, w)[1],
        ),
        "dL/dw is turned too": lambda g, x, w: (
            _convolution(g, x, w)[0],
            _convolution(g, x, w)[1][:, :, ::-1, ::-1],
        ),
    },
)
def convolution(formula: Formula = _convolution) -> Routes:
    """Both gradients of a convolution are convolutions: g with the turned kernel, and x with g."""

    def layer(x: Tensor, w: Tensor) -> Tensor:
        return conv2d(x, w, padding=1)

    yield from three_routes(formula, layer, (2, 2, 5, 4), (2, 2, 3, 3))


def _masked(mask: str, g: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple:
    live = np.arange(9).reshape(3, 3) < 4 + (mask == "B")
    d_x, d_w = _convolution(g, x, w * live)
    return d_x, d_w * live


@claim(
    r"y = x \star (w \odot m): \quad \frac{\partial L}{\partial x} = "
    r"g \star (w \odot m)^{\mathrm{turned}}, \quad \frac{\partial L}{\partial w} = "
    r"m \odot (x \star g)",
    source="van den Oord et al. 2016 (PixelRNN), section 3.4",
    given="mask A on two images of 5x4, two channels to two, kernels of 3x3, padding 1",
    tolerance=1e-7,
    because=DIFFERENCES,
    mistakes={
        "mask B": lambda g, x, w: _masked("B", g, x, w),
        "dead weights learn": lambda g, x, w: (_masked("A", g, x, w)[0], _convolution(g, x, w)[1]),
        "dead taps carry gradient": lambda g, x, w: (
            _convolution(g, x, w)[0],
            _masked("A", g, x, w)[1],
        ),
    },
)
def masked_convolution(
    # y depends on w through v = w m, so dL/dw = m dL/dv; dL/dx is that of the kernel v.
    formula: Formula = lambda g, x, w: _masked("A", g, x, w),
) -> Routes:
    """The gradients of a masked convolution: the mask applies to the kernel and to its gradient."""

    def layer(x: Tensor, w: Tensor) -> Tensor:
        return conv2d(x, w, padding=1, mask="A")

    yield from three_routes(formula, layer, (2, 2, 5, 4), (2, 2, 3, 3))


def _batch_norm(
    g: np.ndarray,
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    weights: tuple[float, float, float] = (1, 1, 1),
) -> tuple:
    """dL/dx, dL/dgamma and dL/dbeta; `weights` multiply the three terms of dL/dx."""
    n, r = len(x), 1 / np.sqrt(x.var(0) + 1e-5)  # r = 1 / sigma
    xhat = (x - x.mean(0)) * r
    d_xhat = g * gamma  # since y = gamma xhat + beta
    # xhat depends on x in three ways: directly, through the mean mu, through the variance v.
    direct = d_xhat * r
    by_mean = d_xhat.sum(0) * -r / n  # dxhat/dmu = -r and dmu/dx = 1/n
    # dxhat/dv = -(x - mu) r^3 / 2 = -xhat r^2 / 2, and dv/dx = 2 (x - mu) / n = 2 xhat / (r n).
    by_variance = (d_xhat * -xhat * r**2 / 2).sum(0) * 2 * xhat / (r * n)
    d_x = sum(w * term for w, term in zip(weights, (direct, by_mean, by_variance)))
    return d_x, (g * xhat).sum(0), g.sum(0)


@claim(
    r"\frac{\partial L}{\partial x} = \frac{\gamma}{\sigma} "
    r"(g - \overline{g} - \hat{x} \, \overline{g \hat{x}})",
    source="Ioffe & Szegedy 2015, section 3",
    given="a batch of six in training mode; the gradients for gamma and beta too",
    tolerance=1e-7,
    because=DIFFERENCES,
    mistakes={
        "mean and variance as constants": partial(_batch_norm, weights=(1, 0, 0)),
        "without the term of the mean": partial(_batch_norm, weights=(1, 0, 1)),
        "without the term of the variance": partial(_batch_norm, weights=(1, 1, 0)),
        "n - 1 in the term of the variance": partial(_batch_norm, weights=(1, 1, 6 / 5)),
        "the wrong sign of the term of the mean": partial(_batch_norm, weights=(1, -1, 1)),
    },
)
def batch_norm(formula: Formula = _batch_norm) -> Routes:
    """The gradient of batch norm has three terms: direct, by the mean, and by the variance."""

    def layer(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        norm = nn.BatchNorm(3)
        norm.weight, norm.bias = gamma, beta
        return norm(x)

    yield from three_routes(formula, layer, (6, 3), (3,), (3,))


@claim(
    r"\langle g, x \star w \rangle = \langle \mathrm{input\,grad}(g, w), x \rangle = "
    r"\langle \mathrm{weight\,grad}(x, g), w \rangle",
    source="Dumoulin & Visin 2016, section 4",
    given="stride 2, padding 1, dilation 2, on images of 9x8",
    tolerance=1e-12,
    because="sums of some hundred products in float64",
    mistakes={
        "the kernel turned a second time": lambda w: w[:, :, ::-1, ::-1],
        "its channels exchanged": lambda w: w.swapaxes(0, 1),
    },
)
def convolutions_are_adjoint(formula: Formula = lambda w: w) -> Routes:
    """A convolution and its two gradients compute the same sum of products g x w."""
    rng = np.random.default_rng(0)
    x, w, g = (rng.standard_normal(s) for s in [(2, 3, 9, 8), (3, 3, 3, 3), (2, 3, 4, 3)])
    options = {"stride": 2, "padding": 1, "dilation": 2}
    back = conv2d_input_grad(g, formula(w), input_size=(9, 8), **options)
    yield "<input_grad(g, w), x>", (back * x).sum()
    yield "<g, conv(x, w)>", (g * conv2d(x, w, **options)).sum()
    yield "<weight_grad(x, g), w>", (conv2d_weight_grad(x, g, kernel_size=3, **options) * w).sum()
    # Tap (a, b) of output (i, j) is multiplied by the padded pixel (2 i + 2 a, 2 j + 2 b).
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    taps = [
        np.einsum(
            "noij,ncij,oc", g, padded[:, :, 2 * a :: 2, 2 * b :: 2][..., :4, :3], w[..., a, b]
        )
        for a, b in np.ndindex(3, 3)
    ]
    yield "the sum over all taps, written out", sum(taps)


def _jacobian_built(x: Tensor, g: np.ndarray) -> np.ndarray:
    """J^T g with the matrix J, by one sweep for each of its rows."""
    return g @ np.stack([grad(softmax(x), x, unit).data for unit in np.eye(len(g))])


def _jacobian_by_hand(x: Tensor, g: np.ndarray) -> np.ndarray:
    y = softmax(x).data
    return g @ (np.diag(y) - np.outer(y, y))


@claim(
    r"\mathrm{memory}(J^T g) \leq 30 \, n \ll \mathrm{memory}(J) = n^2",
    source="Griewank & Walther 2008, chapter 3",
    given="y = softmax(x) of n = 400 numbers, forward and backward",
    tolerance=1e-12,
    because="bytes are counted; a sweep allocates about ten vectors of n numbers and its nodes",
    mistakes={"J row by row": _jacobian_built, "J in closed form": _jacobian_by_hand},
    relation="<=",
)
def no_jacobian_is_built(formula: Formula = lambda x, g: grad(softmax(x), x, g)) -> Routes:
    """A vector-Jacobian product needs memory for a few vectors, not for the Jacobian."""
    rng = np.random.default_rng(0)
    x, g = Tensor(rng.standard_normal(400), requires_grad=True), rng.standard_normal(400)
    formula(x, g)  # not measured: the first call also fills caches
    tracemalloc.start()
    try:
        formula(x, g)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    yield "bytes at the peak", peak
    yield "30 vectors", 30 * g.nbytes
    yield "the Jacobian", len(g) * g.nbytes
