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
        "sigma as a factor": lambda slope, sigma: sigma * slope,
        "the sign": lambda slope, sigma: -slope,
    },
)
def reparameterised_gradient(formula: Formula = lambda slope, sigma: slope) -> Routes:
    """The pathwise gradient is the gradient of the mean, and so is the score function's."""
    mu, sigma, n = 0.3, 0.7, 200_000

    def mean(mu: float) -> float:
        q = stats.norm(mu, sigma)
        return integrate.quad(lambda z: q.pdf(z) * np.exp(-z * z), mu - 9, mu + 9)[0]

    h = 1e-4
    yield "finite difference", (mean(mu + h) - mean(mu - h)) / (2 * h)
    epsilon = np.random.default_rng(0).standard_normal(n)
    each_mu = Tensor(np.full(n, mu), requires_grad=True)  # so each draw has a gradient of its own
    z = each_mu + sigma * epsilon
    pathwise = formula(grad(exp(-z * z).sum(), each_mu).data, sigma)
    yield "pathwise, by our engine", pathwise.mean(), stats.sem(pathwise)
    score = np.exp(-(z.data**2)) * epsilon / sigma  # f(z) d log q(z) / d mu
    yield "score function", score.mean(), stats.sem(score)


@claim(
    r"\mathrm{Var}[f'(z)] = 4 \sigma^2, \quad \mathrm{Var}[f(z) \frac{\partial \log q(z)}"
    r"{\partial \mu}] = \frac{\mu^4}{\sigma^2} + 14 \mu^2 + 15 \sigma^2",
    source="by hand; Mohamed et al. 2020, Monte Carlo Gradient Estimation, compares the two",
    given="f(z) = z^2 with z ~ N(mu, sigma^2), mu = 1 and sigma = 1/2: 1 against 21.75",
    tolerance=1e-10,
    because="Gauss-Hermite quadrature with 20 points is exact for a polynomial of degree 6",
    mistakes={
        "the squared mean not subtracted": lambda mu, sigma: [
            4 * sigma**2 + 4 * mu**2,
            mu**4 / sigma**2 + 18 * mu**2 + 15 * sigma**2,
        ],
        "E eps^6 taken for 3, which is E eps^4": lambda mu, sigma: [
            4 * sigma**2,
            mu**4 / sigma**2 + 14 * mu**2 + 3 * sigma**2,
        ],
        "a score without its 1 / sigma": lambda mu, sigma: [
            4 * sigma**2,
            mu**4 + 14 * mu**2 * sigma**2 + 15 * sigma**4,
        ],
    },
)
def variance_of_the_gradients(
    formula: Formula = lambda mu, sigma: [
        4 * sigma**2,
        # E (mu^2 eps + 2 mu sigma eps^2 + sigma^2 eps^3)^2 / sigma^2 - (2 mu)^2, with 1, 3 and 15
        # for E eps^2, E eps^4 and E eps^6
        mu**4 / sigma**2 + 14 * mu**2 + 15 * sigma**2,
    ],
) -> Routes:
    """Both estimate the same gradient, and the score function's varies far more."""
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
    given="mu = (1.5, -.3), log sigma^2 = (-.5, -1), eps = (.42, -1.10); printed (1.827, -.968)",
    tolerance=1e-9,
    because="two exponentials, and the normal's quantiles to 1e-12",
    mistakes={
        "sigma rounded first, as printed": lambda mu, logvar, eps: (
            mu + np.round(np.exp(logvar / 2), 3) * eps
        ),
        "sigma^2 for sigma": lambda mu, logvar, eps: mu + np.exp(logvar) * eps,
        "the root taken twice": lambda mu, logvar, eps: mu + np.sqrt(np.exp(logvar / 2)) * eps,
    },
)
def reparameterised_sample(
    formula: Formula = lambda mu, logvar, eps: mu + np.exp(logvar / 2) * eps,
) -> Routes:
    """A draw of N(mu, sigma^2) from one of N(0, 1): (1.827096, -.967184), not the printed -.968."""
    mu, logvar, eps = np.array([1.5, -0.3]), np.array([-0.5, -1.0]), np.array([0.42, -1.10])
    yield "closed form", formula(mu, logvar, eps)
    # The map is increasing, so it takes a quantile of N(0, 1) to the same of N(mu, sigma^2).
    quantile = stats.norm.cdf(eps)
    yield "the same quantile", stats.norm.ppf(quantile, mu, np.sqrt(np.exp(logvar)))
    # Our kernel makes an eps of its own; a line through mu and what it drew is at eps here.
    drawn = kernels.reparameterize(mu, logvar, seed=0)[0]
    yield "our kernel", mu + (drawn - mu) / kernels.normal(2, 0, dtype=np.float64) * eps


@claim(
    r"\mathcal{L} = (z - c)^2: \quad \frac{\partial \mathcal{L}}{\partial \mu} = 2 (z - c), \quad "
    r"\frac{\partial \mathcal{L}}{\partial \sigma} = 2 (z - c) \epsilon",
    source="the chain rule; Kingma & Welling 2014, section 2.4",
    given="z = mu + sigma eps with eps held; log sigma^2 has sigma / 2 of sigma's gradient",
    tolerance=1e-8,
    because="the loss is quadratic in sigma, so differences of 1e-4 have only rounding, 1e-11",
    mistakes={
        "eps forgotten": lambda slope, sigma, eps: [slope, slope, slope * sigma / 2],
        "sigma for eps": lambda slope, sigma, eps: [
            slope,
            slope * sigma,
            slope * sigma**2 / 2,
        ],
        "log sigma^2 without its half": lambda slope, sigma, eps: [
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
