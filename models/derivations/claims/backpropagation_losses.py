"""Claims about the gradients of losses and of the reparameterised sample, derived by hand.

As in `backpropagation`, g is the gradient of L with respect to the output y.
"""

import numpy as np
from scipy import special

from autograd import Tensor, bce_with_logits, concatenate, log_softmax, reparameterize, softmax
from kernels import normal
from models.derivations.claim import Formula, Routes, claim
from models.derivations.claims.backpropagation import DIFFERENCES, three_routes


@claim(
    r"L = -\frac{1}{N} \sum_n \log p_{n, y_n}, \ p = \mathrm{softmax}(\ell): \quad "
    r"\frac{\partial L}{\partial \ell} = \frac{p - \mathrm{onehot}(y)}{N}",
    source="Bishop 2006, eq. 4.109",
    given="four examples of three classes",
    tolerance=1e-7,
    because=DIFFERENCES,
    mistakes={
        "the wrong sign": lambda p, y: (y - p) / len(p),
        "the sum over the examples, not the mean": lambda p, y: p - y,
        "multiplied by p (1 - p) once more": lambda p, y: p * (1 - p) * (p - y) / len(p),
        "only the true class": lambda p, y: (p - 1) * y / len(p),
    },
)
def softmax_with_cross_entropy(
    # -log p_y = logsumexp(l) - l_y. The gradient of the first term is e^l / sum e^l = p, that of
    # the second is onehot(y).
    formula: Formula = lambda p, y: (p - y) / len(p),
) -> Routes:
    """The gradient of the cross-entropy of a softmax is p - y."""
    labels = np.array([2, 0, 1, 1])

    def by_hand(g: np.ndarray, logits: np.ndarray) -> tuple:
        return (g * formula(special.softmax(logits, axis=1), np.eye(3)[labels]),)

    def loss(logits: Tensor) -> Tensor:
        return -log_softmax(logits, axis=1)[np.arange(4), labels].mean()

    yield from three_routes(by_hand, loss, (4, 3))


@claim(
    r"y = \mathrm{softmax}(x): \quad J^T g = y \odot (g - \langle g, y \rangle)",
    source="Bridle 1990",
    given="three softmaxes of four numbers; J has 16 entries for each",
    tolerance=1e-7,
    because=DIFFERENCES,
    mistakes={
        "the diagonal of J only": lambda g, y: g * y * (1 - y),
        "without <g, y>": lambda g, y: g * y,
        "the mean of g instead of <g, y>": lambda g, y: y * (g - g.mean(-1, keepdims=True)),
    },
)
def softmax_alone(
    # dy_i/dx_j = y_i (delta_ij - y_j), so sum_i g_i dy_i/dx_j = y_j (g_j - sum_i g_i y_i).
    formula: Formula = lambda g, y: y * (g - (g * y).sum(-1, keepdims=True)),
) -> Routes:
    """The vector-Jacobian product of a softmax needs no matrix: y (g - <g, y>)."""

    def by_hand(g: np.ndarray, x: np.ndarray) -> tuple:
        return (formula(g, special.softmax(x, axis=-1)),)

    yield from three_routes(by_hand, softmax, (3, 4))


@claim(
    r"L = -t \log \sigma(\ell) - (1 - t) \log(1 - \sigma(\ell)): \quad "
    r"\frac{\partial L}{\partial \ell} = \sigma(\ell) - t",
    source="Bishop 2006, eq. 4.91",
    given="six logits with targets of 0 and 1",
    tolerance=1e-7,
    because=DIFFERENCES,
    mistakes={
        "the wrong sign": lambda p, t: t - p,
        "the gradient of the squared error": lambda p, t: (p - t) * p * (1 - p),
        "the gradient for p, not for the logit": lambda p, t: (p - t) / (p * (1 - p)),
    },
)
def sigmoid_with_bce(
    # dL/dp = -t / p + (1 - t) / (1 - p) = (p - t) / (p (1 - p)), and dp/dl = p (1 - p) cancels it.
    formula: Formula = lambda p, t: p - t,
) -> Routes:
    """The gradient of the binary cross-entropy of a sigmoid is p - t, which does not saturate."""
    t = np.array([0.0, 1, 1, 0, 1, 0])

    def by_hand(g: np.ndarray, logits: np.ndarray) -> tuple:
        return (g * formula(special.expit(logits), t),)

    yield from three_routes(by_hand, lambda logits: bce_with_logits(logits, t), (6,))


@claim(
    r"\frac{\partial L}{\partial \mu} = g_z + g_{\mathrm{KL}} \, \mu, \quad "
    r"\frac{\partial L}{\partial \log \sigma^2} = \frac{1}{2} g_z \sigma \epsilon + "
    r"\frac{1}{2} g_{\mathrm{KL}} (\sigma^2 - 1)",
    source="Kingma & Welling 2014, section 2.4 and appendix B",
    given="L = <g_z, z> + <g_KL, KL>, z = mu + sigma epsilon, KL to N(0, 1)",
    tolerance=1e-7,
    because=DIFFERENCES,
    mistakes={
        "without the half of log sigma^2": lambda g_z, g_kl, mu, sigma, epsilon: (
            g_z + g_kl * mu,
            g_z * sigma * epsilon + g_kl * (sigma**2 - 1) / 2,
        ),
        "the gradient for sigma, not for log sigma^2": lambda g_z, g_kl, mu, sigma, epsilon: (
            g_z + g_kl * mu,
            g_z * epsilon + g_kl * (sigma - 1 / sigma),
        ),
        "z taken for independent of mu": lambda g_z, g_kl, mu, sigma, epsilon: (
            g_kl * mu,
            g_z * sigma * epsilon / 2 + g_kl * (sigma**2 - 1) / 2,
        ),
        "the logarithm in the KL forgotten": lambda g_z, g_kl, mu, sigma, epsilon: (
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

    yield from three_routes(by_hand, z_and_kl, (n, d), (n, d))
