"""Claims about probabilities: maximum likelihood, the chain rule, and Bayes' theorem."""

import itertools
import math
from collections.abc import Callable

import numpy as np
from scipy import optimize, special, stats

from autograd import Tensor, bce_with_logits, exp, grad, logsumexp
from models.autoregressive.pixelcnn import PixelCNN
from models.autoregressive.pixelcnn import Settings as PixelCNNSettings
from models.derivations.claim import Formula, Routes, claim


@claim(
    r"\arg\max_\theta \sum_i \log p_\theta(x_i) = \arg\min_\theta \mathrm{KL}(\hat{p} \| p_\theta)"
    r" = \arg\min_\theta H(\hat{p}, p_\theta)",
    source="Bishop 2006, section 1.6.1",
    given="ten samples of a binomial of 3 tosses; p-hat is their frequencies",
    tolerance=1e-6,
    because="a search finds a minimum up to the root of the rounding error, 1e-8",
    mistakes={
        "the KL in the other direction": lambda p_hat, p: special.rel_entr(p, p_hat).sum(),
        "the entropy of the model subtracted, not of the data": lambda p_hat, p: (
            p * np.log(p) - p_hat * np.log(p)
        ).sum(),
        "least squares": lambda p_hat, p: ((p_hat - p) ** 2).sum(),
    },
)
def likelihood_and_kl(
    formula: Formula = lambda p_hat, p: special.rel_entr(p_hat, p).sum(),
) -> Routes:
    """Maximum likelihood minimises the KL divergence from the data, and the cross-entropy."""
    samples, k = np.array([0, 1, 1, 2, 2, 2, 3, 3, 3, 3]), np.arange(4)
    p_hat = np.bincount(samples) / len(samples)

    def minimise(loss: Callable) -> float:
        return optimize.minimize_scalar(
            loss, bounds=(0.01, 0.99), method="bounded", options={"xatol": 1e-10}
        ).x

    yield "maximum likelihood", minimise(lambda t: -stats.binom.logpmf(samples, 3, t).sum())
    yield "minimum KL", minimise(lambda t: formula(p_hat, stats.binom.pmf(k, 3, t)))

    # KL = sum p_hat log p_hat - sum p_hat log p_theta. The first sum does not depend on theta; the
    # second is -H, here without the binomial coefficients, which do not depend on theta either.
    def slope(logit: float) -> float:
        s = Tensor(np.full(4, logit), requires_grad=True)
        nll = k * bce_with_logits(s, 1.0) + (3 - k) * bce_with_logits(s, 0.0)
        return grad((p_hat * nll).sum(), s).data.sum()

    logit = optimize.brentq(slope, -5, 5)
    yield "cross-entropy, where the gradient of our engine is 0", special.expit(logit)
    yield "closed form: the frequency of heads", samples.mean() / 3


def _gaussian_fit(x: np.ndarray, spread: Callable = np.var) -> list[float]:
    """mu, sigma^2 and the log-likelihood of x, -N/2 (log 2 pi sigma^2 + 1)."""
    variance = spread(x)
    return [x.mean(), variance, -len(x) / 2 * (math.log(2 * math.pi * variance) + 1)]


@claim(
    r"\hat{\mu} = \frac{1}{N} \sum_i x_i, \quad "
    r"\hat{\sigma}^2 = \frac{1}{N} \sum_i (x_i - \hat{\mu})^2",
    source="Bishop 2006, section 1.2.4",
    given="the data 2, 3, 5: 10/3, 14/9 and a log-likelihood of -4.919565",
    tolerance=1e-9,
    because="the root of the gradient is found to 1e-12",
    mistakes={
        "N - 1, which is unbiased": lambda x: _gaussian_fit(x, lambda x: x.var(ddof=1)),
        "sigma instead of sigma^2": lambda x: _gaussian_fit(x, np.std),
        "the exponent forgotten in the log-likelihood": lambda x: [
            x.mean(),
            x.var(),
            -len(x) / 2 * math.log(2 * math.pi * x.var()),
        ],
    },
)
def gaussian_maximum_likelihood(formula: Formula = _gaussian_fit) -> Routes:
    """The Gaussian of maximum likelihood has the mean of the data and their variance over N."""
    x = np.array([2.0, 3.0, 5.0])
    yield "closed form: mu, sigma^2, log-likelihood", formula(x)

    def slopes(parameters: np.ndarray) -> np.ndarray:
        mu, logvar = (Tensor(value, requires_grad=True) for value in parameters)
        # -log N(x; mu, sigma^2) without (log 2 pi) / 2
        nll = ((logvar + (x - mu) ** 2 / exp(logvar)) / 2).sum()
        return np.array([slope.data for slope in grad(nll, [mu, logvar])])

    mu, logvar = optimize.root(slopes, [3.0, 1.0], tol=1e-13).x
    log_p = stats.norm.logpdf(x, mu, np.exp(logvar / 2)).sum()
    yield "where the gradient of our engine is 0", [mu, np.exp(logvar), log_p]
    mu, sigma = stats.norm.fit(x)
    yield "scipy", [mu, sigma**2, stats.norm.logpdf(x, mu, sigma).sum()]


def _product_of_conditionals(p: np.ndarray, given: Callable) -> np.ndarray:
    """prod_i p(x_i | x_j for j in given(i)), from a table of p with an axis for each x_i."""

    def marginal(kept: set) -> np.ndarray:
        return p.sum(axis=tuple(set(range(p.ndim)) - kept), keepdims=True)

    conditionals = (marginal({i, *given(i)}) / marginal(set(given(i))) for i in range(p.ndim))
    return math.prod(conditionals, start=np.ones(p.shape))


@claim(
    r"p(x) = \prod_{i=1}^{4} p(x_i | x_1, ..., x_{i-1}), \quad \sum_x p(x) = 1",
    source="van den Oord et al. 2016 (PixelRNN), eq. 1",
    given="all 16 binary images of 2x2 pixels; p is a PixelCNN with random weights",
    tolerance=1e-5,
    because="the network computes in float32",
    mistakes={
        "independent pixels": lambda i: (),
        "each given the previous one only": lambda i: range(max(i - 1, 0), i),
        "each given all others": lambda i: {0, 1, 2, 3} - {i},
    },
)
def chain_rule_of_probability(formula: Formula = range) -> Routes:
    """A joint probability is the product of conditionals, each given the pixels before it."""
    rng = np.random.default_rng(0)
    model = PixelCNN(PixelCNNSettings(kernel_size=3, channels=8, blocks=1), (2, 2), 2, rng)
    for weight in model.parameters().values():
        weight.data *= 2  # further from uniform
    images = np.array(list(itertools.product([0.0, 1.0], repeat=4)), np.float32)
    p = np.exp(model.log_prob(images).astype(float))
    yield "p of the 16 images by the network, and their sum", [*p, 1.0]
    product = _product_of_conditionals(p.reshape(2, 2, 2, 2), formula).ravel()
    yield "product of the conditionals from the table", [*product, p.sum()]
    n = 5000
    sampled = model.sample(n, rng).reshape(n, 4) @ [8, 4, 2, 1]
    frequency = np.bincount(sampled.astype(int), minlength=16) / n
    errors = [*np.sqrt(p * (1 - p) / n), 0]
    yield "frequency among images sampled pixel by pixel", [*frequency, 1], errors


@claim(
    r"p(c = 1 | x) = \frac{p(x | 1) \, p(1)}{\sum_c p(x | c) \, p(c)} = \sigma(w x + b), \quad "
    r"b = \frac{\mu_0^2 - \mu_1^2}{2 \sigma^2} + \log \frac{p(1)}{p(0)}",
    source="Bishop 2006, section 4.2.1",
    given="p(x | c) = N(mu_c, sigma^2), w = (mu_1 - mu_0) / sigma^2 and p(1) = 0.2, at five x",
    tolerance=1e-9,
    because="the regression is fitted until the gradient is 1e-13",
    mistakes={
        "the prior forgotten": lambda likelihood, prior: likelihood,
        "the odds of the prior inverted": lambda likelihood, prior: likelihood - prior,
        "the probability of the prior, not the odds": lambda likelihood, prior: (
            likelihood - np.logaddexp(0, -prior)
        ),
    },
)
def generative_classifier(
    formula: Formula = lambda likelihood, prior: likelihood + prior,
) -> Routes:
    """By Bayes' theorem a generative model classifies: two Gaussians, as a logistic regression."""
    mu, sigma, prior = np.array([-0.5, 1.5]), 1.2, np.array([0.8, 0.2])
    x = np.linspace(-3, 4, 5)
    # log p(x|1) / p(x|0): the squares of x cancel, since both classes have the same sigma.
    log_likelihood_ratio = (mu[1] - mu[0]) / sigma**2 * x + (mu[0] ** 2 - mu[1] ** 2) / 2 / sigma**2
    log_odds = formula(log_likelihood_ratio, np.log(prior[1] / prior[0]))
    yield "closed form", special.expit(log_odds)
    # The gradient of log sum_c exp(s_c) is a softmax; for s_c = log p(x, c) it is the posterior.
    joint = stats.norm.logpdf(x[:, None], mu, sigma) + np.log(prior)
    scores = Tensor(joint, requires_grad=True)
    posterior = grad(logsumexp(scores, axis=1).sum(), scores).data
    yield "gradient of log p(x), by our engine", posterior[:, 1]
    # A logistic regression on infinite data: a grid of x, weighted by the density of each class.
    places = np.linspace(-12, 12, 2001)
    weights = stats.norm.pdf(places[:, None], mu, sigma) * prior * (places[1] - places[0])

    def slopes(parameters: np.ndarray) -> np.ndarray:
        w, b = (Tensor(value, requires_grad=True) for value in parameters)
        logits = w * places + b
        losses = [bce_with_logits(logits, c) * weights[:, c] for c in (0, 1)]
        return np.array([slope.data for slope in grad((losses[0] + losses[1]).sum(), [w, b])])

    w, b = optimize.root(slopes, [0.0, 0.0], tol=1e-13).x
    yield "logistic regression, fitted with gradients of our engine", special.expit(w * x + b)
