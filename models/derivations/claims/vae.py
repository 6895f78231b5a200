"""Claims about the bounds of variational autoencoders (Kingma & Welling 2014).

The model is linear, so that log p(x) is known: z ~ N(0, 1) and x|z ~ N(w z, sigma^2), so
x ~ N(0, w^2 + sigma^2), and the posterior is a Gaussian too.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import integrate, optimize, stats

from autograd import Tensor, exp, grad, reparameterize
from models.autoencoders.vae import VAE
from models.derivations.claim import Formula, Routes, claim

X, W, SIGMA = 1.5, 0.9, 0.6
LOG_P = stats.norm.logpdf(X, 0, np.hypot(W, SIGMA))
Q_MU, Q_SIGMA = 0.7, 0.4  # a q(z|x) that is not the posterior


def expected_log_p(mu: float, sigma: float) -> float:
    """E_q log N(x; w z, SIGMA^2), since E (x - w z)^2 = (x - w mu)^2 + (w sigma)^2."""
    return stats.norm.logpdf(X, W * mu, SIGMA) - (W * sigma / SIGMA) ** 2 / 2


def divergence(mu: float, sigma: float, to_mu: float = 0.0, to_sigma: float = 1.0) -> float:
    """KL(N(mu, sigma^2) || N(to_mu, to_sigma^2)), in units in which the latter is N(0, 1)."""
    mu, sigma = (mu - to_mu) / to_sigma, sigma / to_sigma
    return (mu**2 + sigma**2 - 1) / 2 - np.log(sigma)


def elbo(mu: float, sigma: float) -> float:
    """Of q(z|x) = N(mu, sigma^2)."""
    return expected_log_p(mu, sigma) - divergence(mu, sigma)


def _posterior(w: float, sigma: float) -> tuple[float, float]:
    """The mean and the standard deviation of p(z|x): the precisions 1 and (w / sigma)^2 add."""
    variance = 1 / (1 + (w / sigma) ** 2)
    return variance * w * X / sigma**2, variance**0.5


def linear(model: type[VAE] = VAE, classes: int = 0, **settings: Any) -> Any:
    """Our VAE as the linear model, with q(z|x) = N(Q_MU, Q_SIGMA^2) for every x."""
    form: dict[str, Any] = {"hidden": (2,), "latent": 1, "decoder": "gaussian"}
    chosen = model.settings_type(**form, pixels="dequantised", **settings)
    vae = model(chosen, (1, 1), 1, np.random.default_rng(0), classes)
    numbers = {
        "mu.bias": [Q_MU],
        "logvar.bias": [2 * np.log(Q_SIGMA)],
        "decoder.steps.0.weight": [[1, *[0] * classes], [-1, *[0] * classes]],
        "output.weight": [[W, -W]],  # w relu(z) - w relu(-z) = w z
        "log_sigma": [np.log(SIGMA)],
        "scale": [1],
    }
    zero = {name: np.zeros_like(array) for name, array in vae.state().items()}
    vae.load_state(zero | {name: np.array(value, np.float32) for name, value in numbers.items()})
    return vae


@claim(
    r"\log p(x) \geq \mathbb{E}_{q}[\log p(x|z)] - \mathrm{KL}(q(z|x) \| p(z))",
    source="Kingma & Welling 2014, eq. 3",
    given="the linear model and a q that is not the posterior; each route is at most the next",
    relation="<=",
    tolerance=1e-9,
    because="sums of a few terms; the quadrature of a Gaussian over 12 sigma is exact to 1e-12",
    mistakes={
        "the KL added": lambda reconstruction, kl: reconstruction + kl,
        "without the KL": lambda reconstruction, kl: reconstruction,
        "the loss, which is -ELBO": lambda reconstruction, kl: kl - reconstruction,
        "the KL twice": lambda reconstruction, kl: reconstruction - 2 * kl,
    },
)
def elbo_is_a_bound(formula: Formula = lambda reconstruction, kl: reconstruction - kl) -> Routes:
    """The ELBO is at most log p(x), by Jensen: E log w <= log E w with w = p(x, z) / q(z|x)."""
    bound = linear().bound(np.full((100_000, 1), X, np.float32), np.random.default_rng(0))
    each = -bound["negative_elbo"].astype(float)
    yield "ELBO of our VAE, Monte Carlo", each.mean(), stats.sem(each)
    yield "ELBO, closed form", formula(expected_log_p(Q_MU, Q_SIGMA), divergence(Q_MU, Q_SIGMA))
    joint = lambda z: stats.norm.pdf(z) * stats.norm.pdf(X, W * z, SIGMA)  # noqa: E731
    yield "log p(x), quadrature", np.log(integrate.quad(joint, -12, 12)[0])
    yield "log p(x), closed form", LOG_P


@claim(
    r"\log p(x) = \mathrm{ELBO} + \mathrm{KL}(q(z|x) \| p(z|x))",
    source="Kingma & Welling 2014, eq. 1",
    given="the linear model, and a q that is not the posterior",
    tolerance=1e-9,
    because="sums of a few terms; the quadrature of a Gaussian over 12 sigma is exact to 1e-12",
    mistakes={
        "the KL to the prior": lambda elbo, m, s: elbo + divergence(Q_MU, Q_SIGMA),
        "q and the posterior exchanged": lambda elbo, m, s: elbo + divergence(m, s, Q_MU, Q_SIGMA),
        "the wrong sign": lambda elbo, m, s: elbo - divergence(Q_MU, Q_SIGMA, m, s),
        "a posterior without the precision of the prior": lambda elbo, m, s: (
            elbo + divergence(Q_MU, Q_SIGMA, X / W, SIGMA / W)
        ),
    },
)
def gap_of_the_elbo(
    formula: Formula = lambda elbo, m, s: elbo + divergence(Q_MU, Q_SIGMA, m, s),
) -> Routes:
    """The gap between log p(x) and the ELBO is the KL from q to the posterior."""
    yield "log p(x), closed form", LOG_P
    m, s = _posterior(W, SIGMA)
    yield "ELBO + KL, closed form", formula(elbo(Q_MU, Q_SIGMA), m, s)
    q = stats.norm(Q_MU, Q_SIGMA)

    def mean_log(w: Callable) -> float:
        ends = (Q_MU - 12 * Q_SIGMA, Q_MU + 12 * Q_SIGMA)
        return integrate.quad(lambda z: q.pdf(z) * (w(z) - q.logpdf(z)), *ends)[0]

    joint = lambda z: stats.norm.logpdf(z) + stats.norm.logpdf(X, W * z, SIGMA)  # noqa: E731
    yield "quadrature", mean_log(joint) - mean_log(stats.norm(m, s).logpdf)


@claim(
    r"\mathbb{E}_q[\log p(x|z)] - \beta \, \mathrm{KL} \leq \mathrm{ELBO} \leq \log p(x), "
    r"\quad \beta \geq 1",
    source="Higgins et al. 2017, eq. 4",
    given="the linear model with beta = 4, 2 and 1; each route is at most the next",
    relation="<=",
    tolerance=1e-9,
    because="closed forms of a few terms",
    mistakes={
        "beta divides": lambda reconstruction, kl, beta: reconstruction - kl / beta,
        "the KL added": lambda reconstruction, kl, beta: reconstruction + beta * kl,
        "the whole ELBO divided by beta": lambda reconstruction, kl, beta: (
            (reconstruction - kl) / beta
        ),
    },
)
def beta_lowers_the_bound(
    formula: Formula = lambda reconstruction, kl, beta: reconstruction - beta * kl,
) -> Routes:
    """With beta above 1 the objective is still a lower bound of log p(x), but a looser one."""
    x = np.full((100_000, 1), X, np.float32)
    reconstruction, kl = linear().terms(x, np.random.default_rng(0))
    each = -(reconstruction + 4 * kl).data.astype(float)
    yield "beta = 4, our VAE by Monte Carlo", each.mean(), stats.sem(each)
    for beta in (4, 2, 1):
        value = formula(expected_log_p(Q_MU, Q_SIGMA), divergence(Q_MU, Q_SIGMA), beta)
        yield f"beta = {beta}, closed form", value
    yield "log p(x)", LOG_P


@claim(
    r"\arg\max_q \ \mathbb{E}_q[\log p_\sigma(x|z)] - \beta \, \mathrm{KL} = "
    r"p_{\sigma \sqrt{\beta}}(z|x)",
    source="Higgins et al. 2017, eq. 4, in the linear model",
    given="the linear model with beta = 4: the mean and the logarithm of the variance of q",
    tolerance=1e-6,
    because="the minimiser stops at a gradient of 1e-9",
    mistakes={
        "the posterior, for every beta": lambda beta: _posterior(W, SIGMA),
        "sigma multiplied by beta": lambda beta: _posterior(W, SIGMA * beta),
        "the noise divided by beta": lambda beta: _posterior(W, SIGMA / beta**0.5),
    },
)
def beta_widens_the_decoder(
    formula: Formula = lambda beta: _posterior(W, SIGMA * beta**0.5),
) -> Routes:
    """The best q for beta is the posterior of a decoder whose variance is beta times as large."""
    beta = 4.0
    # The objective is beta (E log p(x|z) / beta - KL); p^(1/beta) is, up to a factor, a Gaussian
    # with beta times the variance.
    mean, deviation = formula(beta)
    yield "closed form", [mean, 2 * np.log(deviation)]

    def loss(q: np.ndarray) -> tuple[float, np.ndarray]:
        mu, logvar = Tensor(q[:1], requires_grad=True), Tensor(q[1:], requires_grad=True)
        _, kl = reparameterize(mu, logvar, seed=0)
        squares = (X - W * mu) ** 2 + W**2 * exp(logvar)
        value = (squares / (2 * SIGMA**2)).sum() + beta * kl
        return value.item(), np.concatenate([g.data for g in grad(value, [mu, logvar])])

    found = optimize.minimize(loss, [0.0, 0.0], jac=True, options={"gtol": 1e-9})
    yield "minimised with our gradients", found.x
    z = np.linspace(-8, 8, 20_001)
    tempered = stats.norm.pdf(z) * stats.norm.pdf(X, W * z, SIGMA) ** (1 / beta)
    tempered /= tempered.sum()
    mean = tempered @ z
    yield "p(z) p(x|z)^(1/beta) on a grid", [mean, np.log(tempered @ (z - mean) ** 2)]
