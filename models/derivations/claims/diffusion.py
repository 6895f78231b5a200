"""Claims about the Gaussians of a diffusion (Sohl-Dickstein et al. 2015; Ho et al. 2020).

The schedule is the linear one of Ho et al., from 1e-4 to 0.02 in T = 1000 steps.
"""

import math
from decimal import Decimal, localcontext

import numpy as np
from matplotlib.axes import Axes
from scipy import integrate, stats

from models.derivations.claim import Formula, Routes, claim
from models.diffusion.gaussian_diffusion import GaussianDiffusion, cosine, linear

BETAS = linear(1000)
DIFFUSION = GaussianDiffusion(BETAS)


@claim(
    r"q(x_t|x_0) = \mathcal{N}(\sqrt{\bar\alpha_t} \, x_0, (1 - \bar\alpha_t) I), \quad "
    r"\bar\alpha_t = \prod_{s=1}^t (1 - \beta_s)",
    source="Ho et al. 2020, eq. 4",
    given="x_0 = 1 and t = 100 steps of the linear schedule: the mean and the variance",
    tolerance=1e-12,
    because="a hundred products, each rounded to 1e-16",
    mistakes={
        "the mean without the root": lambda betas: [np.prod(1 - betas), 1 - np.prod(1 - betas)],
        "standard deviations summed, not variances": lambda betas: [
            np.sqrt(np.prod(1 - betas)),
            np.sum(np.sqrt(betas)) ** 2,
        ],
        "the noise of earlier steps never shrinks": lambda betas: [
            np.sqrt(np.prod(1 - betas)),
            betas.sum(),
        ],
    },
)
def steps_compose(
    formula: Formula = lambda betas: [np.sqrt(np.prod(1 - betas)), 1 - np.prod(1 - betas)],
) -> Routes:
    """Many small steps of noise equal one large step."""
    t = 100
    yield "closed form", formula(BETAS[:t])
    mean, variance = 1.0, 0.0
    for beta in BETAS[:t]:  # x -> a x + sqrt(b) eps has the mean a m and the variance a^2 v + b
        mean, variance = np.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
    yield "step by step", [mean, variance]
    at, one, none = np.array([t]), np.ones((1, 1)), np.zeros((1, 1))
    signal, noise = (DIFFUSION.q_sample(*parts, at).item() for parts in ((one, none), (none, one)))
    yield "our q_sample", [signal, noise**2]
    rng, x = np.random.default_rng(0), np.ones(20_000)
    for beta in BETAS[:t]:
        x = np.sqrt(1 - beta) * x + np.sqrt(beta) * rng.standard_normal(len(x))
    squares = (x - x.mean()) ** 2
    errors = [stats.sem(x), stats.sem(squares)]
    yield "Monte Carlo", [x.mean(), x.var(ddof=1)], errors


@claim(
    r"\bar\alpha_{500} = 0.0786, \quad \bar\alpha_{1000} = 4.036 \times 10^{-5}",
    source="Ho et al. 2020, section 4",
    given="beta linear in t, from 1e-4 at t = 1 to 0.02 at t = 1000",
    tolerance=1e-12,
    because="a thousand products, each rounded to 1e-16",
    mistakes={
        "exp(-sum of beta), which needs small beta": lambda betas: np.exp(-np.cumsum(betas)),
        "one step short": lambda betas: np.cumprod([1.0, *(1 - betas)])[:-1],
        "its root": lambda betas: np.sqrt(np.cumprod(1 - betas)),
    },
)
def the_linear_schedule_ends_in_noise(
    formula: Formula = lambda betas: np.cumprod(1 - betas),
) -> Routes:
    """After a thousand steps, 4 parts in 100,000 of the variance of the image are left."""
    t = np.array([500, 1000])
    yield "the product", formula(BETAS)[t - 1]
    yield "our diffusion", DIFFUSION.alpha_bar[t]
    with localcontext(prec=50):
        first, last = Decimal("1e-4"), Decimal("0.02")
        alphas = [1 - first - (last - first) * t / 999 for t in range(1000)]
        yield "with 50 digits", [float(math.prod(alphas[:end])) for end in t]


@the_linear_schedule_ends_in_noise.plot
def _(axes: Axes) -> None:
    for name, betas in (("linear", BETAS), ("cosine", cosine(1000))):
        axes.plot(GaussianDiffusion(betas).alpha_bar, label=name)
    axes.set_xlabel("$t$")
    axes.set_ylabel("$\\bar\\alpha_t$")
    axes.legend(frameon=False)


def _cosine(t: np.ndarray, offset: float = 0.008) -> np.ndarray:
    """f(t) for t = 0 ... 1."""
    return np.cos((t + offset) / (1 + offset) * math.pi / 2) ** 2


@claim(
    r"\bar\alpha_t = \frac{f(t)}{f(0)}, \quad "
    r"f(t) = \cos^2 (\frac{t / T + s}{1 + s} \cdot \frac{\pi}{2}), \ s = 0.008",
    source="Nichol & Dhariwal 2021, eq. 17",
    given="T = 1000, and t = 10, 500 and 900, before the betas that are clipped",
    tolerance=1e-10,
    because="a thousand quotients, each rounded to 1e-16",
    mistakes={
        "f(0) taken for 1": _cosine,
        "without the offset": lambda t: _cosine(t, 0.0),
        "the cosine not squared": lambda t: np.sqrt(_cosine(t) / _cosine(0.0 * t)),
    },
)
def the_cosine_schedule(formula: Formula = lambda t: _cosine(t) / _cosine(0.0 * t)) -> Routes:
    """The product of all 1 - beta of the cosine schedule is the squared cosine it is made from."""
    t = np.array([10, 500, 900])
    yield "closed form", formula(t / 1000)
    yield "our diffusion", GaussianDiffusion(cosine(1000)).alpha_bar[t]
    # d log cos^2 a = -2 tan a da
    rate = math.pi / 2 / 1.008
    slope = lambda u: -2 * rate * math.tan(rate * (u + 0.008))  # noqa: E731
    yield "quadrature of d log f", [math.exp(integrate.quad(slope, 0, u)[0]) for u in t / 1000]


def posterior(beta: float, abar: float, abar_before: float) -> list[float]:
    """The weights of x_0 and x_t in the mean, and the variance (Ho et al. 2020, eq. 7)."""
    on_x_0 = np.sqrt(abar_before) * beta / (1 - abar)
    on_x_t = np.sqrt(1 - beta) * (1 - abar_before) / (1 - abar)
    return [on_x_0, on_x_t, beta * (1 - abar_before) / (1 - abar)]


@claim(
    r"\tilde\mu_t = \frac{\sqrt{\bar\alpha_{t-1}} \beta_t}{1 - \bar\alpha_t} x_0 + "
    r"\frac{\sqrt{\alpha_t} (1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t} x_t, \quad "
    r"\tilde\beta_t = \frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t} \beta_t",
    source="Ho et al. 2020, eq. 6 and 7",
    given="t = 20 of the linear schedule: the weights of x_0 and x_t, and the variance",
    tolerance=1e-8,
    because="quadrature of a Gaussian over 12 sigma; 1 - abar_t loses 3 digits of 16",
    mistakes={
        "the variance is beta": lambda beta, abar, before: [
            *posterior(beta, abar, before)[:2],
            beta,
        ],
        "the weights exchanged": lambda beta, abar, before: [
            posterior(beta, abar, before)[i] for i in (1, 0, 2)
        ],
        "abar_t instead of abar_{t-1}": lambda beta, abar, before: posterior(beta, abar, abar),
        "weights with the sum 1": lambda beta, abar, before: [
            beta / (1 - abar),
            1 - beta / (1 - abar),
            posterior(beta, abar, before)[2],
        ],
    },
)
def posterior_by_bayes(formula: Formula = posterior) -> Routes:
    """The step from x_t back to x_{t-1} is a Gaussian too, given x_0."""
    t = 20
    beta, abar, before = BETAS[t - 1], DIFFUSION.alpha_bar[t], DIFFUSION.alpha_bar[t - 1]
    yield "closed form", formula(beta, abar, before)
    ours = DIFFUSION.posterior(np.array([t]), np.array([t - 1]))
    yield "our posterior", np.concatenate(ours)
    # As a function of x_{t-1}, q(x_t|x_{t-1}) q(x_{t-1}|x_0) is a product of two Gaussians: the
    # precisions add, and they are the weights of the means.
    precision = (1 - beta) / beta + 1 / (1 - before)
    on_x_0, on_x_t = np.sqrt(before) / (1 - before), np.sqrt(1 - beta) / beta
    yield "precisions", [on_x_0 / precision, on_x_t / precision, 1 / precision]

    def moment(power: int, x_0: float, x_t: float) -> float:
        def product(x: float) -> float:
            forward = stats.norm.pdf(x_t, math.sqrt(1 - beta) * x, math.sqrt(beta))
            return x**power * forward * stats.norm.pdf(x, prior, deviation)

        prior, deviation = math.sqrt(before) * x_0, math.sqrt(1 - before)
        ends = (prior - 12 * deviation, prior + 12 * deviation)
        return integrate.quad(product, *ends, epsabs=1e-13, epsrel=1e-12)[0]

    means = [moment(1, *at) / moment(0, *at) for at in ((0.1, 0.0), (0.0, 0.1))]
    variance = moment(2, 0.0, 0.0) / moment(0, 0.0, 0.0)
    yield "quadrature", [means[0] / 0.1, means[1] / 0.1, variance]
