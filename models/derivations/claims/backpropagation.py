"""Claims about gradients: each layer's, derived by hand, against the engine's and differences.

Throughout, g is the cotangent of a layer's output y, so that L = <g, y> and dL/dy = g.
"""

import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from scipy import special

from autograd import (
    Tensor,
    bce_with_logits,
    concatenate,
    conv2d,
    conv2d_input_grad,
    conv2d_weight_grad,
    grad,
    linear,
    log_softmax,
    nn,
    reparameterize,
    softmax,
)
from kernels import normal
from models.derivations.claim import Formula, Routes, claim

DIFFERENCES = "central differences with a step of 1e-5 are exact to about 1e-9"


def _flat(arrays: Any) -> np.ndarray:
    return np.concatenate([np.ravel(array) for array in arrays])


def _three_routes(
    by_hand: Callable[..., tuple], layer: Callable[..., Tensor], *shapes: tuple[int, ...]
) -> Routes:
    """dL/dx of each random input x, for L = <g, layer(inputs)>: `by_hand(g, *inputs)`, and two."""
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
    given="four examples; a square W, so that no shape gives a transposition away",
    tolerance=1e-7,
    because=DIFFERENCES,
    mistakes={
        "W transposed": lambda g, x, w, b: (g @ w.T, g.T @ x, g.sum(0)),
        "dL/dW transposed": lambda g, x, w, b: (g @ w, x.T @ g, g.sum(0)),
        "the mean of the examples, not their sum": lambda g, x, w, b: (g @ w, g.T @ x, g.mean(0)),
    },
)
def linear_layer(
    # y_no = sum_i x_ni W_oi + b_o, so L = sum_no g_no y_no contains
    #   x_ni with the factor sum_o g_no W_oi: row n, column i of g W,
    #   W_oi with sum_n g_no x_ni: of g^T x,  and b_o with sum_n g_no.
    formula: Formula = lambda g, x, w, b: (g @ w, g.T @ x, g.sum(0)),
) -> Routes:
    """The gradients of a linear layer: the weights', the input's and the bias's."""
    yield from _three_routes(formula, linear, (4, 3), (3, 3), (3,))


def _convolution(
    g: np.ndarray, x: np.ndarray, w: np.ndarray, flip: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """dL/dx and dL/dw where y = conv(x, w), stride 1, with the padding that keeps the size."""
    # y[n,o,i,j] = sum_cab w[o,c,a,b] x[n,c,i+a-p,j+b-p], and x is 0 outside of the image.
    size = w.shape[-1]

    def windows(images: np.ndarray) -> np.ndarray:
        padded = np.pad(images, [(0, 0), (0, 0), *[(size // 2,) * 2] * 2])
        return np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(2, 3))

    # w[o,c,a,b] meets g[n,o,i,j] at x[n,c,i+a-p,j+b-p]: a correlation of x with g.
    d_w = np.einsum("noij,ncijab->ocab", g, windows(x))
    # x[n,c,k,l] is at i = k + p - a: the tap a of w meets g at -a, so the kernel is turned by 180
    # degrees; and the sum is over the outputs o, not over c.
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
        "its channels are not swapped": lambda g, x, w: (
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
    """A convolution's gradients are convolutions: with the kernel turned, and of the input."""

    def layer(x: Tensor, w: Tensor) -> Tensor:
        return conv2d(x, w, padding=1)

    yield from _three_routes(formula, layer, (2, 2, 5, 4), (2, 2, 3, 3))


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
    # y depends on w by v = w m, so dL/dw = m dL/dv, and dL/dx is that of the kernel v.
    formula: Formula = lambda g, x, w: _masked("A", g, x, w),
) -> Routes:
    """A masked convolution's gradients: the mask again, on the kernel and on its gradient."""

    def layer(x: Tensor, w: Tensor) -> Tensor:
        return conv2d(x, w, padding=1, mask="A")

    yield from _three_routes(formula, layer, (2, 2, 5, 4), (2, 2, 3, 3))


def _batch_norm(
    g: np.ndarray,
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    weights: tuple[float, float, float] = (1, 1, 1),
) -> tuple:
    """dL/dx, dL/dgamma and dL/dbeta; the three terms of the first have `weights`."""
    n, r = len(x), 1 / np.sqrt(x.var(0) + 1e-5)  # r = 1 / sigma
    xhat = (x - x.mean(0)) * r
    d_xhat = g * gamma  # since y = gamma xhat + beta
    # x reaches xhat in three ways: itself, through the mean mu, and through the variance v.
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
    given="training, where mean and variance are those of the batch of six; of gamma, beta too",
    tolerance=1e-7,
    because=DIFFERENCES,
    mistakes={
        "mean and variance as constants": partial(_batch_norm, weights=(1, 0, 0)),
        "the mean's term is missing": partial(_batch_norm, weights=(1, 0, 1)),
        "the variance's term is missing": partial(_batch_norm, weights=(1, 1, 0)),
        "n - 1 in the variance's term": partial(_batch_norm, weights=(1, 1, 6 / 5)),
        "the sign of the mean's term": partial(_batch_norm, weights=(1, -1, 1)),
    },
)
def batch_norm(formula: Formula = _batch_norm) -> Routes:
    """Batch norm's gradient has three terms: direct, through the mean, through the variance."""

    def layer(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        norm = nn.BatchNorm(3)
        norm.weight, norm.bias = gamma, beta
        return norm(x)

    yield from _three_routes(formula, layer, (6, 3), (3,), (3,))


@claim(
    r"L = -\frac{1}{N} \sum_n \log p_{n, y_n}, \ p = \mathrm{softmax}(\ell): \quad "
    r"\frac{\partial L}{\partial \ell} = \frac{p - \mathrm{onehot}(y)}{N}",
    source="Bishop 2006, eq. 4.109",
    given="four examples of three classes",
    tolerance=1e-7,
    because=DIFFERENCES,
    mistakes={
        "the sign": lambda p, y: (y - p) / len(p),
        "the sum of the examples, not their mean": lambda p, y: p - y,
        "through the softmax twice": lambda p, y: p * (1 - p) * (p - y) / len(p),
        "only the true class": lambda p, y: (p - 1) * y / len(p),
    },
)
def softmax_with_cross_entropy(
    # -log p_y = logsumexp(l) - l_y. The gradient of the first is e^l / sum e^l = p, and that of the
    # second onehot(y).
    formula: Formula = lambda p, y: (p - y) / len(p),
) -> Routes:
    """The gradient of the cross-entropy of a softmax is p - y."""
    labels = np.array([2, 0, 1, 1])

    def by_hand(g: np.ndarray, logits: np.ndarray) -> tuple:
        return (g * formula(special.softmax(logits, axis=1), np.eye(3)[labels]),)

    def loss(logits: Tensor) -> Tensor:
        return -log_softmax(logits, axis=1)[np.arange(4), labels].mean()

    yield from _three_routes(by_hand, loss, (4, 3))


@claim(
    r"y = \mathrm{softmax}(x): \quad J^T g = y \odot (g - \langle g, y \rangle)",
    source="Bridle 1990",
    given="three softmaxes of four numbers, of which J itself has 16 entries each",
    tolerance=1e-7,
    because=DIFFERENCES,
    mistakes={
        "the diagonal of J only": lambda g, y: g * y * (1 - y),
        "without <g, y>": lambda g, y: g * y,
        "the mean for <g, y>": lambda g, y: y * (g - g.mean(-1, keepdims=True)),
    },
)
def softmax_alone(
    # dy_i/dx_j = y_i (delta_ij - y_j), so sum_i g_i dy_i/dx_j = y_j (g_j - sum_i g_i y_i).
    formula: Formula = lambda g, y: y * (g - (g * y).sum(-1, keepdims=True)),
) -> Routes:
    """A softmax's vector-Jacobian product needs no matrix: y (g - <g, y>)."""

    def by_hand(g: np.ndarray, x: np.ndarray) -> tuple:
        return (formula(g, special.softmax(x, axis=-1)),)

    yield from _three_routes(by_hand, softmax, (3, 4))


@claim(
    r"L = -t \log \sigma(\ell) - (1 - t) \log(1 - \sigma(\ell)): \quad "
    r"\frac{\partial L}{\partial \ell} = \sigma(\ell) - t",
    source="Bishop 2006, eq. 4.91",
    given="six logits with targets of 0 and 1",
    tolerance=1e-7,
    because=DIFFERENCES,
    mistakes={
        "the sign": lambda p, t: t - p,
        "that of the squared error": lambda p, t: (p - t) * p * (1 - p),
        "that of the loss in p": lambda p, t: (p - t) / (p * (1 - p)),
    },
)
def sigmoid_with_bce(
    # dL/dp = -t / p + (1 - t) / (1 - p) = (p - t) / (p (1 - p)), and dp/dl = p (1 - p) cancels it.
    formula: Formula = lambda p, t: p - t,
) -> Routes:
    """The gradient of the binary cross-entropy of a sigmoid is p - t: nothing saturates."""
    t = np.array([0.0, 1, 1, 0, 1, 0])

    def by_hand(g: np.ndarray, logits: np.ndarray) -> tuple:
        return (g * formula(special.expit(logits), t),)

    yield from _three_routes(by_hand, lambda logits: bce_with_logits(logits, t), (6,))


@claim(
    r"\frac{\partial L}{\partial \mu} = g_z + g_{\mathrm{KL}} \, \mu, \quad "
    r"\frac{\partial L}{\partial \log \sigma^2} = \frac{1}{2} g_z \sigma \epsilon + "
    r"\frac{1}{2} g_{\mathrm{KL}} (\sigma^2 - 1)",
    source="Kingma & Welling 2014, section 2.4 and appendix B",
    given="z = mu + sigma epsilon and KL(N(mu, sigma^2) || N(0, 1)), both with a cotangent",
    tolerance=1e-7,
    because=DIFFERENCES,
    mistakes={
        "the half of log sigma^2": lambda g_z, g_kl, mu, sigma, epsilon: (
            g_z + g_kl * mu,
            g_z * sigma * epsilon + g_kl * (sigma**2 - 1) / 2,
        ),
        "the gradient in sigma": lambda g_z, g_kl, mu, sigma, epsilon: (
            g_z + g_kl * mu,
            g_z * epsilon + g_kl * (sigma - 1 / sigma),
        ),
        "z through sigma only": lambda g_z, g_kl, mu, sigma, epsilon: (
            g_kl * mu,
            g_z * sigma * epsilon / 2 + g_kl * (sigma**2 - 1) / 2,
        ),
        "the KL's logarithm": lambda g_z, g_kl, mu, sigma, epsilon: (
            g_z + g_kl * mu,
            g_z * sigma * epsilon / 2 + g_kl * sigma**2 / 2,
        ),
    },
)
def reparameterised_layer(
    # sigma = e^(logvar / 2), so dsigma/dlogvar = sigma / 2 and dz/dlogvar = sigma epsilon / 2;
    # KL = (mu^2 + e^logvar - 1 - logvar) / 2 has the gradients mu and (sigma^2 - 1) / 2.
    formula: Formula = lambda g_z, g_kl, mu, sigma, epsilon: (
        g_z + g_kl * mu,
        g_z * sigma * epsilon / 2 + g_kl * (sigma**2 - 1) / 2,
    ),
) -> Routes:
    """The gradients that reach mu and log sigma^2 through the sample and through the KL."""
    n, d = 3, 2
    epsilon = normal((n, d), seed=0, dtype=np.float64)

    def by_hand(g: np.ndarray, mu: np.ndarray, logvar: np.ndarray) -> tuple:
        g_z, g_kl = g[: n * d].reshape(n, d), g[n * d :].reshape(n, 1)
        return formula(g_z, g_kl, mu, np.exp(logvar / 2), epsilon)

    def z_and_kl(mu: Tensor, logvar: Tensor) -> Tensor:
        z, kl = reparameterize(mu, logvar, seed=0)
        return concatenate([z.reshape(-1), kl])

    yield from _three_routes(by_hand, z_and_kl, (n, d), (n, d))


@claim(
    r"\langle g, x \star w \rangle = \langle \mathrm{input\,grad}(g, w), x \rangle = "
    r"\langle \mathrm{weight\,grad}(x, g), w \rangle",
    source="Dumoulin & Visin 2016, section 4; the definition of an adjoint",
    given="stride 2, padding 1, dilation 2, on images of 9x8",
    tolerance=1e-12,
    because="sums of some hundred products in float64",
    mistakes={
        "the kernel turned once more": lambda w: w[:, :, ::-1, ::-1],
        "inputs and outputs swapped": lambda w: w.swapaxes(0, 1),
    },
)
def convolutions_are_adjoint(formula: Formula = lambda w: w) -> Routes:
    """Convolution and its two gradients are one trilinear form, seen from its three arguments."""
    rng = np.random.default_rng(0)
    x, w, g = (rng.standard_normal(s) for s in [(2, 3, 9, 8), (3, 3, 3, 3), (2, 3, 4, 3)])
    how = {"stride": 2, "padding": 1, "dilation": 2}
    back = conv2d_input_grad(g, formula(w), input_size=(9, 8), **how)
    yield "<input_grad(g, w), x>", (back * x).sum()
    yield "<g, conv(x, w)>", (g * conv2d(x, w, **how)).sum()
    yield "<weight_grad(x, g), w>", (conv2d_weight_grad(x, g, kernel_size=3, **how) * w).sum()
    # Output (i, j) sees with tap (a, b) the padded pixel (2 i + 2 a, 2 j + 2 b).
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    taps = [
        np.einsum(
            "noij,ncij,oc", g, padded[:, :, 2 * a :: 2, 2 * b :: 2][..., :4, :3], w[..., a, b]
        )
        for a, b in np.ndindex(3, 3)
    ]
    yield "the sum over all taps, written out", sum(taps)


def _jacobian_built(x: Tensor, g: np.ndarray) -> np.ndarray:
    """J^T g by way of J, with a sweep for each of its rows."""
    return g @ np.stack([grad(softmax(x), x, unit).data for unit in np.eye(len(g))])


def _jacobian_by_hand(x: Tensor, g: np.ndarray) -> np.ndarray:
    y = softmax(x).data
    return g @ (np.diag(y) - np.outer(y, y))


@claim(
    r"\mathrm{memory}(J^T g) \leq 30 \, n \ll \mathrm{memory}(J) = n^2",
    source="Griewank & Walther 2008, chapter 3",
    given="y = softmax(x) of n = 400 numbers, forwards and backwards",
    tolerance=1e-12,
    because="bytes are counted; a sweep allocates about ten vectors of n and its own bookkeeping",
    mistakes={"J row by row": _jacobian_built, "J in closed form": _jacobian_by_hand},
    relation="<=",
)
def no_jacobian_is_built(formula: Formula = lambda x, g: grad(softmax(x), x, g)) -> Routes:
    """A vector-Jacobian product takes memory for a few vectors, and never for the Jacobian."""
    rng = np.random.default_rng(0)
    x, g = Tensor(rng.standard_normal(400), requires_grad=True), rng.standard_normal(400)
    formula(x, g)  # once unmeasured: what is only imported or cached is not its own
    tracemalloc.start()
    try:
        formula(x, g)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    yield "bytes at the peak", peak
    yield "30 vectors", 30 * g.nbytes
    yield "the Jacobian", len(g) * g.nbytes
