"""Claims about distances between distributions: KL, Jensen-Shannon, Wasserstein."""

import math
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from scipy import integrate, optimize, special, stats

from autograd import Rng, Tensor, grad
from autograd import abs as absolute
from models.derivations.claim import Formula, Routes, claim


def _kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """KL(p || q) over the last axis; 0 log 0 = 0, and infinite off q's support."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * np.log(p / q), 0.0).sum(-1)


def _js(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The Jensen-Shannon divergence over the last axis, in nats."""
    m = (p + q) / 2
    return (_kl(p, m) + _kl(q, m)) / 2


def _pairs(rng: Rng) -> Iterator[np.ndarray]:
    """Two batches of 12 distributions on four outcomes, from nearly certain to nearly uniform."""
    for _ in range(2):
        yield np.concatenate([rng.dirichlet(np.full(4, alpha), 4) for alpha in (0.3, 1, 30)])


@claim(
    r"0 \leq \frac{1}{2} \left(\sum_x |p - q|\right)^2 \leq \mathrm{KL}(p \| q) \leq "
    r"\log \mathbb{E}_p\left[\frac{p}{q}\right]",
    source="Cover & Thomas 2006, theorem 2.6.3; Pinsker's inequality; Jensen's",
    given="12 pairs of distributions on four outcomes, q > 0; one pair is equal",
    tolerance=1e-12,
    because="sums of four terms, rounded to 1e-15",
    relation="<=",
    mistakes={
        "the wrong sign": lambda p, q: (p * np.log(q / p)).sum(-1),
        "weighted by q": lambda p, q: (q * np.log(p / q)).sum(-1),
        "not weighted": lambda p, q: np.log(p / q).mean(-1),
        "the cross-entropy, without the entropy of p": lambda p, q: -(p * np.log(q)).sum(-1),
    },
)
def kl_is_not_negative(formula: Formula = _kl) -> Routes:
    """The KL divergence is at least 0, and between two bounds that are 0 only for p = q."""
    p, q = _pairs(np.random.default_rng(0))
    p[0] = q[0]  # then all of them are 0
    yield "zero", np.zeros(len(p))
    yield "Pinsker: (sum |p - q|)^2 / 2", np.abs(p - q).sum(-1) ** 2 / 2
    yield "KL", formula(p, q)
    yield "Jensen: log E_p[p / q]", np.log((p * p / q).sum(-1))


def _gaussian_kl(mu: float, sigma: float, nu: float, tau: float) -> float:
    """KL(N(mu, sigma^2) || N(nu, tau^2))."""
    return np.log(tau / sigma) + (sigma**2 + (mu - nu) ** 2) / (2 * tau**2) - 0.5


@claim(
    r"\mathrm{KL}(\mathcal{N}_p \| \mathcal{N}_q) = \log \frac{\sigma_q}{\sigma_p} + "
    r"\frac{\sigma_p^2 + (\mu_p - \mu_q)^2}{2 \sigma_q^2} - \frac{1}{2} "
    r"\neq \mathrm{KL}(\mathcal{N}_q \| \mathcal{N}_p)",
    source="Kullback & Leibler 1951; Kingma & Welling 2014, appendix B, with q = N(0, 1)",
    given="p = N(0, 1) and q = N(1, 4): 0.443147 one way and 1.306853 the other",
    tolerance=1e-9,
    because="quadrature of a smooth function over 24 sigma is exact to about 1e-12",
    mistakes={
        "the mean of both directions": lambda mu, sigma, nu, tau: (
            (_gaussian_kl(mu, sigma, nu, tau) + _gaussian_kl(nu, tau, mu, sigma)) / 2
        ),
        "the other direction": lambda mu, sigma, nu, tau: _gaussian_kl(nu, tau, mu, sigma),
        "the wrong sign of the logarithm": lambda mu, sigma, nu, tau: (
            _gaussian_kl(mu, sigma, nu, tau) - 2 * np.log(tau / sigma)
        ),
    },
)
def kl_is_asymmetric(formula: Formula = _gaussian_kl) -> Routes:
    """KL(p || q) is not KL(q || p): two Gaussians."""
    p, q = (0.0, 1.0), (1.0, 2.0)
    yield "closed form: KL(p || q), KL(q || p)", [formula(*p, *q), formula(*q, *p)]

    def quadrature(p: tuple, q: tuple) -> float:
        a, b = stats.norm(*p), stats.norm(*q)
        return integrate.quad(lambda x: a.pdf(x) * (a.logpdf(x) - b.logpdf(x)), -24, 24)[0]

    yield "quadrature", [quadrature(p, q), quadrature(q, p)]


@claim(
    r"\mathrm{KL}(p \| q) = \infty \ \mathrm{where} \ p > 0 = q, \quad "
    r"\mathrm{KL}(q \| p) = \log 2",
    source="Cover & Thomas 2006, eq. 2.26 and the conventions below it",
    given="p uniform on {0, 1}, q(0) = 1; the third number: growth as q(1) shrinks by 1/e",
    tolerance=1e-6,
    because="the growth is a difference quotient at q(1) = 1e-8",
    mistakes={
        "terms with q = 0 left out": lambda p, q: special.xlogy(p, p / np.where(q > 0, q, p)).sum(),
        "a small number added to q": lambda p, q: _kl(p, q + 1e-12),
        "not defined": lambda p, q: _kl(p, q) if q.all() else math.nan,
    },
)
def kl_off_the_support(formula: Formula = _kl) -> Routes:
    """KL(p || q) is infinite where q = 0 < p: it grows without bound as q goes to 0."""
    p, q = np.array([0.5, 0.5]), np.array([1.0, 0.0])
    yield "closed form", [math.inf, math.log(2), 0.5]
    near = [formula(p, np.array([1 - rest, rest])) for rest in (1e-8, 1e-8 / math.e)]
    yield "by the sum", [formula(p, q), formula(q, p), near[1] - near[0]]
    yield "scipy", [*(special.rel_entr(a, b).sum() for a, b in ((p, q), (q, p))), p[1]]


@claim(
    r"0 \leq \mathrm{JS}(p, q) = H\left(\frac{p + q}{2}\right) - \frac{H(p) + H(q)}{2} = "
    r"\mathrm{JS}(q, p) \leq \log 2",
    source="Lin 1991, section 4; Goodfellow et al. 2014, section 4.1",
    given="12 pairs of distributions on four outcomes; one pair has no common outcome",
    tolerance=1e-12,
    because="sums of four terms",
    relation="<=",
    mistakes={
        "no half, as in Arjovsky et al. 2017, section 2": lambda p, q: 2 * _js(p, q),
        "only one of the two terms": lambda p, q: _kl(p, (p + q) / 2),
        "the KL to each other, not to the mixture": lambda p, q: (_kl(p, q) + _kl(q, p)) / 2,
    },
)
def js_is_symmetric_and_bounded(formula: Formula = _js) -> Routes:
    """JS is symmetric and at most log 2: at most one bit about which distribution x is from."""
    p, q = _pairs(np.random.default_rng(1))
    p[0], q[0] = [0.5, 0.5, 0, 0], [0, 0, 0.2, 0.8]  # log 2 is reached
    # With a fair coin c for p or q, JS is the mutual information of c and x: H(x) - H(x | c).
    information = stats.entropy((p + q) / 2, axis=1)
    information -= (stats.entropy(p, axis=1) + stats.entropy(q, axis=1)) / 2
    yield "zero", np.zeros(len(p))
    yield "JS(p, q)", formula(p, q)
    yield "by entropies", information
    yield "JS(q, p)", formula(q, p)
    yield "JS(p, q) again, so both are equal", formula(p, q)
    yield "log 2", np.full(len(p), math.log(2))


@claim(
    r"\mathrm{JS}(p, q) = \log 2 \ \mathrm{and} \ \nabla \mathrm{JS} = 0, \quad "
    r"W_1 = |\theta|, \ \nabla W_1 = \mathrm{sign} \, \theta",
    source="Arjovsky et al. 2017, example 1",
    given="a point mass at 0 and one at theta = 3: the supports do not overlap",
    tolerance=1e-9,
    because="sums of two terms; the linear programme is solved to 1e-9",
    mistakes={
        "JS depends on the distance": lambda theta: [np.log(2) * theta, np.log(2), theta, 1.0],
        "JS without the half": lambda theta: [2 * np.log(2), 0.0, theta, 1.0],
        "W_1 is flat too": lambda theta: [np.log(2), 0.0, theta, 0.0],
    },
)
def js_is_flat_where_supports_part(
    formula: Formula = lambda theta: [np.log(2), 0.0, theta, 1.0],
) -> Routes:
    """JS has no gradient where the supports do not overlap; W_1 has one."""

    def both(theta: float) -> np.ndarray:
        p, q = np.array([1.0, 0.0]), np.array([0.0, 1.0])
        return np.array([_js(p, q), _primal(np.array([0.0, theta]), p, q)])

    yield "closed form: JS, its slope, W_1, its slope", formula(3.0)
    (js, w), h = both(3.0), 1e-3
    js_slope, w_slope = (both(3 + h) - both(3 - h)) / (2 * h)
    yield "enumeration and finite differences", [js, js_slope, w, w_slope]


@js_is_flat_where_supports_part.plot
def _(axes: Axes) -> None:
    x = np.linspace(-15, 15, 6001)
    shifts = np.linspace(0, 6, 40)
    density = lambda mu: stats.norm.pdf(x, mu, 0.4) * (x[1] - x[0])  # noqa: E731
    axes.plot(shifts, [_js(density(-s / 2), density(s / 2)) for s in shifts], color="C0")
    axes.axhline(np.log(2), color="0.6", linestyle="--", linewidth=1)
    axes.set_xlabel("distance of two Gaussians with $\\sigma = 0.4$")
    axes.set_ylabel("JS, nats (dashed: log 2)", color="C0")
    other = axes.twinx()  # W_1 has the unit of x
    other.plot(shifts, shifts, color="C3")
    other.set_ylabel("$W_1$, in the unit of $x$", color="C3")
    other.spines["top"].set_visible(False)


def _primal(places: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
    """W_1 as the cost of the cheapest plan that moves p to q, by linear programming."""
    n = len(places)
    cost = np.abs(places[:, None] - places).ravel()
    rows, columns = np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))
    return optimize.linprog(cost, A_eq=np.vstack([rows, columns]), b_eq=[*p, *q]).fun


@claim(
    r"W_1(p, q) = \min_{\gamma \in \Pi(p, q)} \mathbb{E}_\gamma |x - y| = "
    r"\max_{|f(x) - f(y)| \leq |x - y|} \mathbb{E}_p f - \mathbb{E}_q f",
    source="Kantorovich & Rubinstein 1958; Arjovsky et al. 2017, eq. 1 and 2",
    given="two distributions on ten points of the line",
    tolerance=1e-7,
    because="the linear programmes are solved to 1e-9",
    mistakes={
        "the square of the distance": lambda u, v: ((u - v) ** 2).mean(),
        "the means only": lambda u, v: np.abs(u.mean() - v.mean()),
        "unsorted": lambda u, v: np.abs(u[::-1] - v).mean(),
    },
)
def wasserstein(formula: Formula = lambda u, v: np.abs(u - v).mean()) -> Routes:
    """The cheapest plan, the sorted samples and the best critic agree on W_1."""
    rng = np.random.default_rng(0)
    places = np.arange(10.0)
    u, v = np.sort(rng.choice(places, 200)), np.sort(rng.choice(places[3:8], 200))
    p, q = (np.array([(w == x).mean() for x in places]) for w in (u, v))
    yield "sorting: the mean of |u_(i) - v_(i)|", formula(u, v)
    yield "primal: the cheapest plan", _primal(places, p, q)
    slopes = np.eye(10)[1:] - np.eye(10)[:-1]  # neighbours are 1 apart
    steep = {"A_ub": np.vstack([slopes, -slopes]), "b_ub": np.ones(18)}
    critic = optimize.linprog(q - p, bounds=(-20, 20), **steep)
    yield "dual: the best 1-Lipschitz critic", -critic.fun


@claim(
    r"\nabla_\theta W_1(p_\theta, q) = -\mathbb{E}_z[\nabla_\theta f^*(\theta + \sigma z)] = "
    r"2 \Phi\left(\frac{\theta}{|\sigma - \tau|}\right) - 1",
    source="Arjovsky et al. 2017, theorem 3",
    given="p = N(theta, sigma^2), q = N(0, tau^2), and f* the best critic of E_q f - E_p f",
    tolerance=1e-6,
    because="finite differences of a quadrature: the rounding is 1e-11 over a step of 1e-4",
    mistakes={
        "independent samples, not sorted ones": lambda theta, sigma, tau: (
            theta / math.hypot(sigma, tau)
        ),
        "the standard deviation of q alone": lambda theta, sigma, tau: theta / tau,
        "as if p were q, shifted": lambda theta, sigma, tau: math.inf,
        "the wrong sign of the critic": lambda theta, sigma, tau: -theta / abs(sigma - tau),
    },
)
def wasserstein_gradient(
    formula: Formula = lambda theta, sigma, tau: theta / abs(sigma - tau),
) -> Routes:
    """The gradient of W_1 for the generator comes from the best critic, held fixed."""
    theta, sigma, tau, n = 0.6, 0.5, 1.5, 100_000
    # Sorted samples: theta + sigma z goes to tau z, so W_1 = E|theta + (sigma - tau) z|. Its slope
    # is P(theta + (sigma - tau) z > 0) - P(theta + (sigma - tau) z < 0).
    yield "closed form", 2 * stats.norm.cdf(formula(theta, sigma, tau)) - 1

    def crossing(theta: float) -> float:
        """The x at which both distribution functions are equal: (x - theta) / sigma = x / tau."""
        return theta * tau / (tau - sigma)

    def distance(theta: float) -> float:
        """W_1 as the area between the distribution functions."""
        p, q, c = stats.norm(theta, sigma), stats.norm(0, tau), crossing(theta)
        sides = [integrate.quad(lambda x: p.cdf(x) - q.cdf(x), *s)[0] for s in ((-12, c), (c, 12))]
        return abs(sides[0]) + abs(sides[1])

    h = 1e-4
    yield "finite difference of W_1", (distance(theta + h) - distance(theta - h)) / (2 * h)
    # f* has the slope 1 where q has more mass to the right than p, and -1 where it has less, so it
    # is |x - crossing|. It is held fixed while our engine differentiates through the generator.
    each_theta = Tensor(np.full(n, theta), requires_grad=True)
    samples = each_theta + sigma * np.random.default_rng(0).standard_normal(n)
    critic = absolute(samples - crossing(theta))
    slopes = -grad(critic.sum(), each_theta).data
    yield "through the generator, by our engine", slopes.mean(), stats.sem(slopes)
