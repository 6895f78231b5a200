"""Claims about importance weighting: the bound L_k and its gradients (Burda et al. 2016).

The model is the linear one of `claims.vae`. Where k is large, q is wider than the posterior, so
that no weight is large.
"""

from functools import cache

import numpy as np
from matplotlib.axes import Axes
from scipy import integrate, special, stats

from autograd import grad
from models.autoencoders.iwae import IWAE
from models.derivations.claim import Formula, Routes, claim
from models.derivations.claims.vae import LOG_P, Q_MU, Q_SIGMA, SIGMA, W, X, elbo, linear

WIDE_MU, WIDE_SIGMA = 0.9, 0.8  # a q(z|x) that is wider than the posterior


def _log_w(z: np.ndarray, w: float = W, mu: float = WIDE_MU, sigma: float = WIDE_SIGMA):
    """log p(x, z) / q(z|x)."""
    log_joint = stats.norm.logpdf(z) + stats.norm.logpdf(X, w * z, SIGMA)
    return log_joint - stats.norm.logpdf(z, mu, sigma)


def _wide(**settings) -> IWAE:
    """Our IWAE as the linear model, with q(z|x) = N(WIDE_MU, WIDE_SIGMA^2) for every x."""
    iwae = linear(IWAE, **settings)
    iwae.mu.bias.data[...], iwae.logvar.bias.data[...] = WIDE_MU, 2 * np.log(WIDE_SIGMA)
    return iwae


def _log_weights(k: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """log p(x, z) and log q(z|x) for k samples of q, n times: (k, n) each."""
    z = Q_MU + Q_SIGMA * np.random.default_rng(k).standard_normal((k, n))
    log_joint = stats.norm.logpdf(z) + stats.norm.logpdf(X, W * z, SIGMA)
    return log_joint, stats.norm.logpdf(z, Q_MU, Q_SIGMA)


@claim(
    r"\mathcal{L}_k = \mathbb{E} \, \log \frac{1}{k} \sum_{i=1}^k \frac{p(x, z_i)}{q(z_i|x)}, "
    r"\quad \mathcal{L}_1 \leq \mathcal{L}_k \leq \mathcal{L}_{k+1} \leq \log p(x)",
    source="Burda et al. 2016, theorem 1",
    given="a q that is not the posterior; each route is at most the next",
    relation="<=",
    tolerance=1e-5,
    because="our VAE computes in float32; the rest is Monte Carlo, with its standard error",
    mistakes={
        "without 1/k": lambda log_joint, log_q: special.logsumexp(log_joint - log_q, axis=0),
        "the mean of the logarithms": lambda log_joint, log_q: np.mean(log_joint - log_q, axis=0),
        "without q": lambda log_joint, log_q: (
            special.logsumexp(log_joint, axis=0) - np.log(len(log_q))
        ),
    },
)
def iwae_rises_to_log_p(
    formula: Formula = lambda log_joint, log_q: (
        special.logsumexp(log_joint - log_q, axis=0) - np.log(len(log_q))
    ),
) -> Routes:
    """More importance samples never lower the bound: it rises from the ELBO to log p(x)."""
    n, x = 4000, np.full((4000, 1), X, np.float32)
    yield "ELBO, closed form", elbo(Q_MU, Q_SIGMA)
    for k in (1, 4, 64):
        if k > 1:
            ours = linear().log_prob(x, np.random.default_rng(0), k).astype(float)
            yield f"k = {k}, our VAE", ours.mean(), stats.sem(ours)
        bound = formula(*_log_weights(k, n))
        yield f"k = {k}, Monte Carlo", bound.mean(), stats.sem(bound)
    yield "log p(x)", LOG_P


@iwae_rises_to_log_p.plot
def _(axes: Axes) -> None:
    log_joint, log_q = _log_weights(2**18, 1)
    log_w, ks = log_joint - log_q, 2 ** np.arange(11)
    groups = [special.logsumexp(log_w.reshape(-1, k), axis=1) - np.log(k) for k in ks]
    axes.semilogx(ks, [each.mean() for each in groups], ".-", base=2, label="$\\mathcal{L}_k$")
    axes.axhline(LOG_P, color="0.6", linestyle="--", linewidth=1, label="$\\log p(x)$")
    axes.set_xlabel("$k$, importance samples")
    axes.legend(frameon=False)


@claim(
    r"\nabla \log \frac{1}{k} \sum_i w_i = \sum_i \tilde{w}_i \nabla \log w_i, \quad "
    r"\tilde{w}_i = \frac{w_i}{\sum_j w_j}",
    source="Burda et al. 2016, section 3",
    given="k = 5 samples of one image, and the gradient for the decoder's w",
    tolerance=1e-5,
    because="our IWAE computes in float32, which has 7 digits",
    mistakes={
        "every sample counts alike, as in the ELBO": lambda log_w, slope: slope.mean(),
        "the weights are not normalised": lambda log_w, slope: (np.exp(log_w) * slope).sum(),
        "the best sample alone": lambda log_w, slope: slope[np.argmax(log_w)],
    },
)
def gradient_is_weighted(
    formula: Formula = lambda log_w, slope: special.softmax(log_w) @ slope,
) -> Routes:
    """The gradient of L_k is that of log w, averaged with the normalised weights."""
    iwae = _wide(k=5)
    eps = iwae.normal(np.random.default_rng(0), (5, 1, 1)).ravel().astype(float)
    z, h = WIDE_MU + WIDE_SIGMA * eps, 1e-5
    yield "closed form", formula(_log_w(z), z * (X - W * z) / SIGMA**2)
    bound = lambda w: special.logsumexp(_log_w(z, w)) - np.log(5)  # noqa: E731
    yield "finite differences", (bound(W + h) - bound(W - h)) / (2 * h)
    loss, _ = iwae.loss(np.full((1, 1), X, np.float32), np.random.default_rng(0))
    (plus, minus), *_ = -grad(loss, iwae.output.weight).data  # of w relu(z) - w relu(-z)
    yield "our IWAE", plus - minus


@claim(
    r"\nabla_\phi \mathcal{L}_k = \mathbb{E} \sum_i \tilde{w}_i^2 \, "
    r"\frac{\partial \log w_i}{\partial z_i} \frac{\partial z_i}{\partial \phi}",
    source="Tucker et al. 2019, Doubly Reparameterized Gradient Estimators",
    given="k = 2, and the gradient for mu of q; dz/dmu = 1",
    tolerance=1e-6,
    because="the quadrature has 100 x 100 nodes; the last two routes are Monte Carlo",
    mistakes={
        "the weight once: the score function left out": lambda w, path, score: w * path,
        "the score function kept, the weight squared": lambda w, path, score: w**2 * (path - score),
        "equal weights": lambda w, path, score: path / 2,
    },
)
def doubly_reparameterised_gradient(
    formula: Formula = lambda w, path, score: w**2 * path,
) -> Routes:
    """The encoder's gradient has the same mean without the score function, with weights squared."""
    nodes, mass = np.polynomial.hermite_e.hermegauss(100)
    mass = np.outer(mass, mass) / mass.sum() ** 2
    eps = np.stack(np.meshgrid(nodes, nodes))  # of two samples, on a grid

    def bound(mu: float) -> float:
        log_w = _log_w(mu + WIDE_SIGMA * eps, mu=mu)
        return (mass * (special.logsumexp(log_w, axis=0) - np.log(2))).sum()

    z, h = WIDE_MU + WIDE_SIGMA * eps, 1e-5
    score = (z - WIDE_MU) / WIDE_SIGMA**2  # dlog q/dmu at a fixed z, and -dlog q/dz
    path = W * (X - W * z) / SIGMA**2 - z + score
    weight = special.softmax(_log_w(z), axis=0)
    yield "closed form, quadrature", (mass * formula(weight, path, score)).sum()
    yield "finite differences of L_2", (bound(WIDE_MU + h) - bound(WIDE_MU - h)) / (2 * h)
    for gradient in ("reparameterised", "doubly-reparameterised"):
        each = -_gradients(gradient, k=2, n=2000, times=50)["mu.bias"]
        yield f"our IWAE, {gradient}", each.mean(), stats.sem(each)


@cache
def _gradients(gradient: str, k: int, n: int, times: int) -> dict[str, np.ndarray]:
    """For mu of q and for the decoder's w: of the losses of n images at a time, (times,) each."""
    iwae, rng = _wide(k=k, gradient=gradient), np.random.default_rng(k)
    x = np.full((n, 1), X, np.float32)
    found = []
    for _ in range(times):
        loss, _ = iwae.loss(x, rng)
        mu, output = grad(loss, [iwae.mu.bias, iwae.output.weight])
        found.append((mu.data.item(), output.data[0, 0] - output.data[0, 1]))
    return dict(zip(("mu.bias", "w"), np.array(found, float).T))


@claim(
    r"\mathrm{SNR} = \frac{|\mathbb{E} g|}{\sigma(g)}: \quad k^{-1/2} \ (\phi), \quad "
    r"k^{1/2} \ (\theta), \quad k^{1/2} \ (\phi, \ \mathrm{doubly})",
    source="Rainforth et al. 2018, for phi and theta; Tucker et al. 2019, for the third",
    given="the powers of k between k = 8 and k = 128, for the mean of q and for the decoder",
    tolerance=0.06,
    because="the powers are limits: at k = 8 a tenth of the ratio is still to come",
    mistakes={
        "more samples help the encoder too": lambda: [0.5, 0.5, 0.5],
        "the encoder's noise stays": lambda: [-1, 0.5, 0.5],
        "the doubly reparameterised gradient loses as much": lambda: [-0.5, 0.5, -0.5],
    },
)
def signal_to_noise_ratio(formula: Formula = lambda: [-0.5, 0.5, 0.5]) -> Routes:
    """With more samples the encoder's gradient drowns in its noise; reparameterised twice not."""
    yield "the theory", np.array(formula(), float)
    plain, doubly = "reparameterised", "doubly-reparameterised"
    slopes, errors = [], []
    for gradient, name in ((plain, "mu.bias"), (plain, "w"), (doubly, "mu.bias")):
        each = [_gradients(gradient, k, 500, 200)[name] for k in (8, 128)]
        ratios = [abs(g.mean()) / g.std() for g in each]
        slopes.append(np.log(ratios[1] / ratios[0]) / np.log(16))
        of_log = [1 / len(g) / r**2 + 0.5 / len(g) for g, r in zip(each, ratios)]  # variances
        errors.append(np.sqrt(sum(of_log)) / np.log(16))
    yield "our IWAE", slopes, errors


@claim(
    r"\lim_{k \to \infty} k \, (\log p(x) - \mathcal{L}_k) = \frac{1}{2} \mathrm{Var}_q "
    r"\frac{w}{p(x)}",
    source="Domke & Sheldon 2018, Importance Weighting and Variational Inference",
    given="k = 400, and a q that is wider than the posterior",
    tolerance=0.01,
    because="k = 400 is not the limit: the next term is of order 1/k",
    mistakes={
        "the half forgotten": lambda variance: variance,
        "the standard deviation": lambda variance: variance**0.5 / 2,
        "the wrong sign": lambda variance: -variance / 2,
    },
)
def gap_of_the_importance_weighted_bound(
    formula: Formula = lambda variance: variance / 2,
) -> Routes:
    """With k samples the gap to log p(x) is the variance of the weights, divided by 2 k."""
    relative = lambda z: np.exp(_log_w(z) - LOG_P)  # noqa: E731
    q = stats.norm(WIDE_MU, WIDE_SIGMA)
    variance = integrate.quad(lambda z: q.pdf(z) * (relative(z) - 1) ** 2, -12, 12)[0]
    yield "closed form, quadrature", formula(variance)
    k = 400
    log_w = _wide(k=k).log_weights(np.full((5000, 1), X, np.float32), np.random.default_rng(0))
    mean = np.exp(log_w.data.astype(float) - LOG_P).mean(axis=0)  # of w / p(x), whose mean is 1
    gap = k * (mean - 1 - np.log(mean))  # mean - 1 has no mean, and most of the noise
    yield "our IWAE, Monte Carlo", gap.mean(), stats.sem(gap)
