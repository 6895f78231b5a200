"""Claims about gradients through a sample (Kingma & Welling 2014; Rezende et al. 2014)."""

import numpy as np
from scipy import integrate, stats

import kernels
from autograd import Tensor, exp, grad, reparameterize
from models.derivations.claim import Formula, Routes, claim


@claim(
    r"\frac{\partial}{\partial \mu} \mathbb{E}_{z \sim \mathcal{N}(\mu, \sigma^2)}[f(z)] = "
    r"\mathbb{E}_{\epsilon \sim \mathcal{N}(0, 1)}[f'(\mu + \sigma \epsilon)]",
    source="Kingma & Welling 2014, section 2.4; Williams 1992 for the score function",
    given="f(z) = exp(-z^2), which is smooth",
    tolerance=1e-6,
    because="finite differences of a quadrature: the rounding is 1e-11 over a step of 1e-4",
    mistakes={
        "a factor sigma": lambda slope, sigma: sigma * slope,
        "the wrong sign": lambda slope, sigma: -slope,
    },
)
def reparameterised_gradient(formula: Formula = lambda slope, sigma: slope) -> Routes:
    """The mean of the pathwise and of the score-function estimator is the gradient of E f(z)."""
    mu, sigma, n = 0.3, 0.7, 200_000

    def mean(mu: float) -> float:
        q = stats.norm(mu, sigma)
        return integrate.quad(lambda z: q.pdf(z) * np.exp(-z * z), mu - 9, mu + 9)[0]

    h = 1e-4
    yield "finite difference", (mean(mu + h) - mean(mu - h)) / (2 * h)
    epsilon = np.random.default_rng(0).standard_normal(n)
    each_mu = Tensor(np.full(n, mu), requires_grad=True)  # one for each sample
    z = each_mu + sigma * epsilon
    pathwise = formula(grad(exp(-z * z).sum(), each_mu).data, sigma)
    yield "pathwise, by our engine", pathwise.mean(), stats.sem(pathwise)
    score = np.exp(-(z.data**2)) * epsilon / sigma  # f(z) d log q(z) / d mu
    yield "score function", score.mean(), stats.sem(score)


@claim(
    r"\mathrm{Var}[f'(z)] = 4 \sigma^2, \quad \mathrm{Var}[f(z) \frac{\partial \log q(z)}"
    r"{\partial \mu}] = \frac{\mu^4}{\sigma^2} + 14 \mu^2 + 15 \sigma^2",
    source="Mohamed et al. 2020, Monte Carlo Gradient Estimation, compares both estimators",
    given="f(z) = z^2 with z ~ N(mu, sigma^2), mu = 1 and sigma = 1/2: 1 against 21.75",
    tolerance=1e-10,
    because="Gauss-Hermite quadrature with 20 points is exact for a polynomial of degree 6",
    mistakes={
        "the squared mean is not subtracted": lambda mu, sigma: [
            4 * sigma**2 + 4 * mu**2,
            mu**4 / sigma**2 + 18 * mu**2 + 15 * sigma**2,
        ],
        "E eps^6 = 3, which is E eps^4": lambda mu, sigma: [
            4 * sigma**2,
            mu**4 / sigma**2 + 14 * mu**2 + 3 * sigma**2,
        ],
        "a score without 1 / sigma": lambda mu, sigma: [
            4 * sigma**2,
            mu**4 + 14 * mu**2 * sigma**2 + 15 * sigma**4,
        ],
    },
)
def variance_of_the_gradients(
    formula: Formula = lambda mu, sigma: [
        4 * sigma**2,
        # E (mu^2 eps + 2 mu sigma eps^2 + sigma^2 eps^3)^2 / sigma^2 - (2 mu)^2, where
        # E eps^2 = 1, E eps^4 = 3 and E eps^6 = 15
        mu**4 / sigma**2 + 14 * mu**2 + 15 * sigma**2,
    ],
) -> Routes:
    """Both estimators have the same mean, and the score function has a far larger variance."""
    mu, sigma = 1.0, 0.5

    def estimates(epsilon: np.ndarray) -> np.ndarray:
        each_mu = Tensor(np.full(len(epsilon), mu), requires_grad=True)
        z = each_mu + sigma * epsilon
        return np.stack([grad((z * z).sum(), each_mu).data, z.data**2 * epsilon / sigma])

    yield "closed form: pathwise, score function", formula(mu, sigma)
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    weights /= weights.sum()
    found = estimates(nodes)
    yield "quadrature", (found - (found @ weights)[:, None]) ** 2 @ weights
    squares = (estimates(np.random.default_rng(0).standard_normal(400_000)) - 2 * mu) ** 2
    yield "Monte Carlo", squares.mean(1), stats.sem(squares, axis=1)


@claim(
    r"z = \mu + e^{\frac{1}{2} \log \sigma^2} \epsilon",
    source="Kingma & Welling 2014, section 2.4",
    given="mu = (1.5, -.3), log sigma^2 = (-.5, -1), eps = (.42, -1.10)",
    tolerance=1e-9,
    because="two exponentials, and quantiles of the normal distribution to 1e-12",
    mistakes={
        "sigma rounded to three digits first": lambda mu, logvar, eps: (
            mu + np.round(np.exp(logvar / 2), 3) * eps
        ),
        "sigma^2 instead of sigma": lambda mu, logvar, eps: mu + np.exp(logvar) * eps,
        "the root twice": lambda mu, logvar, eps: mu + np.sqrt(np.exp(logvar / 2)) * eps,
    },
)
def reparameterised_sample(
    formula: Formula = lambda mu, logvar, eps: mu + np.exp(logvar / 2) * eps,
) -> Routes:
    """A sample of N(mu, sigma^2) from one of N(0, 1): here (1.827096, -.967184)."""
    mu, logvar, eps = np.array([1.5, -0.3]), np.array([-0.5, -1.0]), np.array([0.42, -1.10])
    yield "closed form", formula(mu, logvar, eps)
    # The map is increasing, so a quantile of N(0, 1) becomes the same quantile of N(mu, sigma^2).
    quantile = stats.norm.cdf(eps)
    yield "the same quantile", stats.norm.ppf(quantile, mu, np.sqrt(np.exp(logvar)))
    # Our kernel makes its own eps. z is linear in eps: scale z - mu to the eps of this claim.
    sampled = kernels.reparameterize(mu, logvar, seed=0)[0]
    yield "our kernel", mu + (sampled - mu) / kernels.normal(2, 0, dtype=np.float64) * eps


@claim(
    r"\mathcal{L} = (z - c)^2: \quad \frac{\partial \mathcal{L}}{\partial \mu} = 2 (z - c), \quad "
    r"\frac{\partial \mathcal{L}}{\partial \sigma} = 2 (z - c) \epsilon",
    source="Kingma & Welling 2014, section 2.4, and the chain rule",
    given="z = mu + sigma eps with eps fixed; dL/dlog sigma^2 = sigma / 2 dL/dsigma",
    tolerance=1e-8,
    because="the loss is quadratic in sigma, so differences have only rounding errors, 1e-11",
    mistakes={
        "without eps": lambda slope, sigma, eps: [slope, slope, slope * sigma / 2],
        "sigma instead of eps": lambda slope, sigma, eps: [
            slope,
            slope * sigma,
            slope * sigma**2 / 2,
        ],
        "log sigma^2 without the half": lambda slope, sigma, eps: [
            slope,
            slope * eps,
            slope * sigma * eps,
        ],
    },
)
def gradient_through_a_sample(
    formula: Formula = lambda slope, sigma, eps: [slope, slope * eps, slope * sigma * eps / 2],
) -> Routes:
    """The gradients of a loss for mu, sigma and log sigma^2, through one sample z."""
    mu, sigma, c, seed = 0.8, 0.6, -0.5, 1
    eps = kernels.normal((1,), seed, dtype=np.float64).item()

    def loss(mu: float, sigma: float, eps: float) -> float:
        return (mu + sigma * eps - c) ** 2

    slope = 2 * (mu + sigma * eps - c)
    yield "closed form: for mu, sigma and log sigma^2", formula(slope, sigma, eps)
    at_mu, at_sigma = (Tensor(np.array([v]), requires_grad=True) for v in (mu, sigma))
    logvar = Tensor(np.array([2 * np.log(sigma)]), requires_grad=True)
    by_sigma = grad(((at_mu + at_sigma * eps - c) ** 2).sum(), [at_mu, at_sigma])
    z, _ = reparameterize(at_mu, logvar, seed=seed)
    by_logvar = grad(((z - c) ** 2).sum(), logvar)
    yield "our engine, and our kernel", [g.item() for g in (*by_sigma, by_logvar)]
    h = 1e-4
    slopes = [
        (loss(mu + h, sigma, eps) - loss(mu - h, sigma, eps)) / (2 * h),
        (loss(mu, sigma + h, eps) - loss(mu, sigma - h, eps)) / (2 * h),
        (loss(mu, sigma * np.exp(h / 2), eps) - loss(mu, sigma * np.exp(-h / 2), eps)) / (2 * h),
    ]
    yield "finite differences", slopes
