"""Claims about the bound of a diffusion model on -log p(x_0) (Ho et al. 2020, eq. 5)."""

import itertools
import math
from typing import Any

import numpy as np
from scipy import integrate, stats

import kernels
from models.derivations.claim import Formula, Routes, claim
from models.derivations.claims.diffusion import DIFFUSION, posterior
from models.diffusion.ddpm import DDPM, Settings
from models.diffusion.gaussian_diffusion import GaussianDiffusion, log_mass

X_0 = np.array([2.0, -1.5, 0.5])


def _untrained_ddpm(objective: str, variance: str) -> DDPM:
    """A DDPM of 3 numbers and 6 steps; the output of its untrained network is 0."""
    settings = Settings(
        T=6,
        schedule="linear",
        beta_start=0.1,
        beta_end=0.85,
        objective=objective,
        variance=variance,
        network="mlp",
        width=4,
    )
    model = DDPM(settings, (3,), 0, np.random.default_rng(0))
    model.center.data[...], model.scale.data[...] = 0, 1
    return model


@claim(
    r"L_T = \mathrm{KL}(q(x_T|x_0) \| \mathcal{N}(0, I)) = "
    r"\frac{1}{2} (\bar\alpha_T \|x_0\|^2 - D (\bar\alpha_T + \log(1 - \bar\alpha_T)))",
    source="Ho et al. 2020, eq. 5",
    given="T = 6 linear steps, so that abar_T = .0082 is not negligible; x_0 of D = 3 numbers",
    tolerance=1e-6,
    because="our DDPM computes in float32, which has 7 digits",
    mistakes={
        "the logarithm of one dimension": lambda abar, x_0: (
            (abar * x_0 @ x_0 - len(x_0) * abar - np.log1p(-abar)) / 2
        ),
        "the terms of the variance forgotten": lambda abar, x_0: abar * x_0 @ x_0 / 2,
        "the mean not squared": lambda abar, x_0: (
            (np.sqrt(abar) * x_0 @ x_0 - len(x_0) * (abar + np.log1p(-abar))) / 2
        ),
    },
)
def prior_term(
    formula: Formula = lambda abar, x_0: (
        (abar * x_0 @ x_0 - len(x_0) * (abar + np.log1p(-abar))) / 2
    ),
) -> Routes:
    """The prior term: the information about x_0 that is left in x_T; no network can reduce it."""
    model = _untrained_ddpm("v", "large")
    abar = model.diffusion.alpha_bar[-1]
    yield "closed form", formula(abar, X_0)
    bound = model.bound(X_0[None].astype(np.float32), np.random.default_rng(0), None)
    yield "our DDPM.bound", bound["prior"].item()
    total = 0.0
    for mean in np.sqrt(abar) * X_0:
        q = stats.norm(mean, np.sqrt(1 - abar))
        integrand = lambda x, q=q: q.pdf(x) * (q.logpdf(x) - stats.norm.logpdf(x))  # noqa: E731
        total += integrate.quad(integrand, mean - 12, mean + 12)[0]
    yield "quadrature", total


def _kl(mu: Any, to_mu: Any, variance: float) -> float:
    """KL between two Gaussians of equal variance, by our kernel."""
    distance = np.atleast_1d(mu - to_mu) / math.sqrt(variance)
    return kernels.reparameterize(distance, np.zeros_like(distance), seed=0)[1].item()


def _error_weight(beta: Any, abar: Any, sigma2: Any) -> Any:
    """The weight of |eps - eps'|^2 in the bound (Ho et al. 2020, eq. 12)."""
    return beta**2 / (2 * sigma2 * (1 - beta) * (1 - abar))


@claim(
    r"L_{t-1} = \frac{\beta_t^2}{2 \sigma_t^2 \alpha_t (1 - \bar\alpha_t)} "
    r"\|\epsilon - \hat\epsilon\|^2",
    source="Ho et al. 2020, eq. 8 and 12",
    given="sigma_t^2 of the posterior, 3 dimensions; |eps - eps'|^2 = 3, its mean if eps' = 0",
    tolerance=1e-9,
    because="differences of means of size 1, divided by a variance of 0.08",
    mistakes={
        "the weight 1 of eq. 14": lambda beta, abar, sigma2: 1.0,
        "beta not squared": lambda beta, abar, sigma2: _error_weight(beta**0.5, abar, sigma2),
        "abar_t instead of alpha_t": lambda beta, abar, sigma2: (
            _error_weight(beta, abar, sigma2) * (1 - beta) / abar
        ),
        "the half forgotten": lambda beta, abar, sigma2: 2 * _error_weight(beta, abar, sigma2),
    },
)
def step_term(formula: Formula = _error_weight) -> Routes:
    """A term of the bound is a KL between Gaussians: a weight times the squared error in eps."""
    model, t = _untrained_ddpm("epsilon", "small"), np.array([2])
    diffusion = model.diffusion
    on_x_0, on_x_t, sigma2 = diffusion.posterior(t, t - 1)
    yield "closed form", 3 * formula(diffusion.beta[2], diffusion.alpha_bar[2], sigma2.item())
    x_0, eps = np.array([[1.0, -0.3, 0.2]]), np.array([[1.5, -0.5, 0.2]])
    x_t = diffusion.q_sample(x_0, eps, t)
    predicted = diffusion.x_0_from("epsilon", eps - np.array([1.0, -1.0, 1.0]), x_t, t)
    mean, predicted = (on_x_0 * x + on_x_t * x_t for x in (x_0, predicted))
    yield "KL of the posteriors' means, our kernel", _kl(mean, predicted, sigma2.item())
    n = 50_000
    x_0 = np.repeat(x_0, n, axis=0).astype(np.float32)
    terms = model.step_terms(x_0, np.full(n, 2), np.random.default_rng(0), None)
    yield "our DDPM with the output 0, Monte Carlo", terms.mean(), stats.sem(terms)


@claim(
    r"L_{t-1} = \frac{1}{2} (\frac{\mathrm{SNR}_{t-1}}{\mathrm{SNR}_t} - 1) "
    r"\|\epsilon - \hat\epsilon\|^2, \quad \mathrm{SNR}_t = \frac{\bar\alpha_t}{1 - \bar\alpha_t}",
    source="Kingma et al. 2021, Variational GaussianDiffusion Models; Ho et al. 2020, eq. 12",
    given="sigma_t^2 of the posterior; the weights at t = 2, 10, 100, 500 and 1000",
    tolerance=1e-9,
    because="1 - abar_t is exact; the quotient of two SNRs loses 2 of 16 digits",
    mistakes={
        "the weights of the error in x_0": lambda snr, before: (before - snr) / 2,
        "the half forgotten": lambda snr, before: before / snr - 1,
        "the quotient inverted": lambda snr, before: (1 - snr / before) / 2,
        "the same at every t, as in eq. 14": lambda snr, before: np.full_like(snr, 0.5),
    },
)
def eps_loss_is_a_weighted_bound(
    formula: Formula = lambda snr, before: (before / snr - 1) / 2,
) -> Routes:
    """The weights of the error in eps, which the simple loss drops, are quotients of SNRs."""
    t = np.array([2, 10, 100, 500, 1000])
    snr, before = (DIFFUSION.alpha_bar[at] / DIFFUSION.noise[at] for at in (t, t - 1))
    yield "closed form", formula(snr, before)
    on_x_0, _, sigma2 = DIFFUSION.posterior(t, t - 1)
    weights = _error_weight(DIFFUSION.beta[t], DIFFUSION.alpha_bar[t], sigma2)
    yield "eq. 12", weights
    # An error of 1 in eps moves the predicted x_0, and this moves the mean of x_{t-1}.
    moved = on_x_0 * DIFFUSION.x_0_from("epsilon", np.ones((5, 1)), np.zeros((5, 1)), t)[:, 0]
    yield "KL, our kernel", [_kl(m, 0.0, v) for m, v in zip(moved, sigma2)]


def _terms(diffusion: GaussianDiffusion, sigma2: np.ndarray, x_0: np.ndarray) -> list[float]:
    """L_T, the sum of all L_{t-1}, and L_0, for p(x_{t-1}|x_t) = N(sqrt(alpha_t) x_t, sigma2_t)."""
    abar, squares, dims = diffusion.alpha_bar, x_0 @ x_0, len(x_0)
    prior = (abar[-1] * squares - dims * (abar[-1] + math.log(1 - abar[-1]))) / 2
    steps = 0.0
    for t in range(2, len(abar)):
        beta, ratio = diffusion.beta[t], 1 / sigma2[t]
        on_x_0, on_x_t, variance = posterior(beta, abar[t], abar[t - 1])
        # The means differ by on_x_0 x_0 + error x_t, and x_t ~ N(sqrt(abar_t) x_0, 1 - abar_t).
        error = on_x_t - math.sqrt(1 - beta)
        gap = (on_x_0 + error * math.sqrt(abar[t])) ** 2 * squares
        gap += dims * error**2 * (1 - abar[t])
        steps += (gap * ratio + dims * (variance * ratio - 1 - math.log(variance * ratio))) / 2
    # x_0 - sqrt(alpha_1) x_1 is beta_1 x_0, and noise of variance alpha_1 beta_1.
    beta = diffusion.beta[1]
    gap = beta**2 * squares + dims * (1 - beta) * beta
    return [prior, steps, (gap / sigma2[1] + dims * math.log(2 * math.pi * sigma2[1])) / 2]


def _variances(diffusion: GaussianDiffusion, kind: str) -> np.ndarray:
    """sigma_t^2 of the step back, (T + 1,)."""
    t = np.arange(1, diffusion.steps + 1)
    return np.concatenate([[0.0], diffusion.variance(kind, t, t - 1)])


def _sampled_bound(model: DDPM) -> np.ndarray:
    """The bound of our DDPM at X_0, with 20,000 samples of the noise."""
    x = np.repeat(X_0[None], 20_000, axis=0).astype(np.float32)
    return model.bound(x, np.random.default_rng(0), None)["nll"]


@claim(
    r"-\log p(x_0) = L_T + \sum_{t=2}^T L_{t-1} + L_0 \quad "
    r"\mathrm{if} \quad p(x_{t-1}|x_t) = q(x_{t-1}|x_t)",
    source="Ho et al. 2020, eq. 5",
    given="x_0 ~ N(0, I), where each step back is known: N(sqrt(alpha_t) x_t, beta_t I)",
    tolerance=1e-9,
    because="a few terms; Monte Carlo has its standard error, far above float32's rounding",
    mistakes={
        "without the prior term": lambda prior, steps, decoder: steps + decoder,
        "without the decoder term": lambda prior, steps, decoder: prior + steps,
        "the mean of the steps": lambda prior, steps, decoder: prior + steps / 5 + decoder,
    },
)
def bound_is_tight_for_gaussian_data(
    formula: Formula = lambda prior, steps, decoder: prior + steps + decoder,
) -> Routes:
    """With the right step back, the terms of the bound add up to -log p(x_0), for every x_0."""
    # Here v = sqrt(abar) eps - sqrt(1 - abar) x_0 is independent of x_t and its mean is 0, so the
    # untrained network, whose output is 0, is the right one.
    model = _untrained_ddpm("v", "large")
    yield "-log p(x_0), closed form", -stats.norm.logpdf(X_0).sum()
    sigma2 = _variances(model.diffusion, "large")
    yield "the terms, closed form", formula(*_terms(model.diffusion, sigma2, X_0))
    sampled = _sampled_bound(model)
    yield "our DDPM.bound, Monte Carlo", sampled.mean(), stats.sem(sampled)


@claim(
    r"-\log p(x_0) \leq L_T + \sum_{t=2}^T L_{t-1} + L_0",
    source="Ho et al. 2020, eq. 3 and 5",
    given="x_0 ~ N(0, I): the right means, but the variance of the posterior, which is too small",
    relation="<=",
    tolerance=1e-9,
    because="a few terms; Monte Carlo has its standard error, far above float32's rounding",
    mistakes={
        "without the decoder term": lambda prior, steps, decoder: prior + steps,
        "the mean of the steps": lambda prior, steps, decoder: prior + steps / 5 + decoder,
        "the ELBO, which is its negative": lambda prior, steps, decoder: -prior - steps - decoder,
    },
)
def bound_of_a_diffusion(
    formula: Formula = lambda prior, steps, decoder: prior + steps + decoder,
) -> Routes:
    """With a wrong step back, the terms add up to more than -log p(x_0)."""
    model = _untrained_ddpm("v", "small")
    sigma2 = _variances(model.diffusion, "small")
    variance = 1.0
    for beta, step in zip(model.diffusion.beta[:0:-1], sigma2[:0:-1]):
        variance = (1 - beta) * variance + step  # of x_{t-1}; its mean is 0
    yield "-log p(x_0), closed form", -stats.norm.logpdf(X_0, 0, math.sqrt(variance)).sum()
    sampled = _sampled_bound(model)
    yield "our DDPM.bound, Monte Carlo", sampled.mean(), stats.sem(sampled)
    yield "the terms, closed form", formula(*_terms(model.diffusion, sigma2, X_0))


def _masses(levels: int, mean: float, sigma: float, outermost: float = np.inf) -> np.ndarray:
    """The mass of each level, up to half way to its neighbours; the outermost extend further."""
    inner = -1 + (2 * np.arange(levels - 1) + 1) / (levels - 1)
    edges = np.array([-outermost, *inner, outermost])
    return np.diff(stats.norm.cdf(edges, mean, sigma))


@claim(
    r"p(x_0|x_1) = \int_{\delta_-}^{\delta_+} \mathcal{N}(u; \mu, \sigma^2) \, du, \quad "
    r"\delta_\pm = x_0 \pm \frac{1}{L - 1}, \ \mathrm{or} \ \pm \infty \ \mathrm{at} \ \pm 1",
    source="Ho et al. 2020, eq. 13",
    given="L = 5 levels from -1 to 1, mu = .4 and sigma = .5",
    tolerance=1e-9,
    because="quadrature of a smooth function",
    mistakes={
        "the outermost levels end half a level further on": lambda levels, mean, sigma: _masses(
            levels, mean, sigma, 1 + 1 / (levels - 1)
        ),
        "the density times the width": lambda levels, mean, sigma: (
            stats.norm.pdf(np.linspace(-1, 1, levels), mean, sigma) * 2 / (levels - 1)
        ),
        "L instead of L - 1": lambda levels, mean, sigma: _masses(levels + 1, mean, sigma)[:levels],
    },
)
def decoder_term(formula: Formula = _masses) -> Routes:
    """The last step gives each grey level a probability, and these add up to 1."""
    levels, mean, sigma = 5, 0.4, 0.5
    yield "closed form, and their sum", [*(masses := formula(levels, mean, sigma)), masses.sum()]
    x_0 = np.linspace(-1, 1, levels)
    ours = np.exp(log_mass(x_0, np.full(levels, mean), np.full(levels, sigma), levels))
    yield "our log_mass", [*ours, 1.0]
    u = stats.norm(mean, sigma)
    edges = [mean - 12 * sigma, -0.75, -0.25, 0.25, 0.75, mean + 12 * sigma]
    parts = [integrate.quad(u.pdf, a, b)[0] for a, b in itertools.pairwise(edges)]
    yield "quadrature", [*parts, 1.0]
