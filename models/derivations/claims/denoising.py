"""Claims about what a denoiser predicts, and about the samplers of Song et al. 2021 (DDIM).

The linear schedule of Ho et al. 2020 is used at T = 300, where abar = 0.40.
"""

import math

import numpy as np
from scipy import stats

from autograd import Tensor, exp, grad, log
from models.derivations.claim import Formula, Routes, claim
from models.diffusion.gaussian_diffusion import OBJECTIVES, GaussianDiffusion, linear

DIFFUSION = GaussianDiffusion(linear(1000))
T = 300
SIGNAL, NOISE = math.sqrt(DIFFUSION.alpha_bar[T]), math.sqrt(DIFFUSION.noise[T])
H = 1e-5  # step of the finite differences


@claim(
    r"\nabla_{x_t} \log q(x_t|x_0) = -\frac{\epsilon}{\sqrt{1 - \bar\alpha_t}}",
    source="Vincent 2011; Song & Ermon 2019; Ho et al. 2020, section 3.2",
    given="x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps, in three dimensions",
    tolerance=1e-8,
    because="the logarithm is quadratic, so the differences have only rounding errors, 1e-11",
    mistakes={
        "the wrong sign": lambda eps, noise: eps / noise,
        "the variance of the noise, not its root": lambda eps, noise: -eps / noise**2,
        "eps itself": lambda eps, noise: -eps,
    },
)
def score_is_the_noise(formula: Formula = lambda eps, noise: -eps / noise) -> Routes:
    """The score of x_t given x_0 is minus its noise, divided by the standard deviation."""
    x_0, eps = np.array([0.5, -1.0, 0.2]), np.array([0.3, 1.2, -0.7])
    yield "closed form", formula(eps, NOISE)
    x_t = DIFFUSION.q_sample(x_0[None], eps[None], np.array([T]))[0]
    at = Tensor(x_t, requires_grad=True)
    log_q = -(((at - SIGNAL * x_0) / NOISE) ** 2).sum() / 2
    yield "our engine", grad(log_q, at).data
    q = stats.norm(SIGNAL * x_0, NOISE)
    yield "finite differences", (q.logpdf(x_t + H) - q.logpdf(x_t - H)) / (2 * H)


@claim(
    r"\mathbb{E}[x_0|x_t] = \frac{x_t + (1 - \bar\alpha_t) \nabla \log q(x_t)}"
    r"{\sqrt{\bar\alpha_t}}",
    source="Robbins 1956 (Tweedie's formula); Efron 2011",
    given="x_0 = -1 with the probability 0.3, or 1",
    tolerance=1e-8,
    because="finite differences of a smooth function, 1e-10",
    mistakes={
        "the root of the variance": lambda x, score: (x + NOISE * score) / SIGNAL,
        "the wrong sign": lambda x, score: (x - NOISE**2 * score) / SIGNAL,
        "abar instead of its root": lambda x, score: (x + NOISE**2 * score) / SIGNAL**2,
    },
)
def best_denoiser_has_the_score(
    formula: Formula = lambda x, score: (x + NOISE**2 * score) / SIGNAL,
) -> Routes:
    """The best denoiser makes a step along the score: its output determines the score."""
    x, places, p = 0.4, np.array([-1.0, 1.0]), np.array([0.3, 0.7])

    def log_q(x: float) -> float:
        return math.log(p @ stats.norm.pdf(x, SIGNAL * places, NOISE))

    likelihood = p * stats.norm.pdf(x, SIGNAL * places, NOISE)
    yield "Bayes", likelihood @ places / likelihood.sum()
    yield "score by finite differences", formula(x, (log_q(x + H) - log_q(x - H)) / (2 * H))
    at = Tensor(np.array(x), requires_grad=True)
    mixture = log((exp(-(((at - SIGNAL * places) / NOISE) ** 2) / 2) * p).sum())
    yield "score by our engine", formula(x, grad(mixture, at).item())


@claim(
    r"v = \sqrt{\bar\alpha_t} \, \epsilon - \sqrt{1 - \bar\alpha_t} \, x_0 = "
    r"\frac{d x_\phi}{d \phi}, \quad x_\phi = \cos \phi \, x_0 + \sin \phi \, \epsilon",
    source="Salimans & Ho 2022, appendix D",
    given="cos phi = sqrt(abar_t), so that sin phi = sqrt(1 - abar_t)",
    tolerance=1e-8,
    because="finite differences of a sine and a cosine, 1e-11",
    mistakes={
        "the wrong sign": lambda x_0, eps: NOISE * x_0 - SIGNAL * eps,
        "the roots exchanged": lambda x_0, eps: NOISE * eps - SIGNAL * x_0,
        "no roots": lambda x_0, eps: SIGNAL**2 * eps - NOISE**2 * x_0,
    },
)
def v_is_the_velocity(formula: Formula = lambda x_0, eps: SIGNAL * eps - NOISE * x_0) -> Routes:
    """v is the velocity of x_t as the angle from image to noise grows."""
    x_0, eps = np.array([0.5, -1.0]), np.array([0.3, 1.2])
    yield "closed form", formula(x_0, eps)
    yield "our target", DIFFUSION.target("v", x_0[None], eps[None], np.array([T]))[0]
    phi = math.acos(SIGNAL)
    x = lambda phi: math.cos(phi) * x_0 + math.sin(phi) * eps  # noqa: E731
    yield "finite difference", (x(phi + H) - x(phi - H)) / (2 * H)


@claim(
    r"x_0 = \frac{x_t - \sqrt{1 - \bar\alpha_t} \, \epsilon}{\sqrt{\bar\alpha_t}} = "
    r"\sqrt{\bar\alpha_t} \, x_t - \sqrt{1 - \bar\alpha_t} \, v",
    source="Ho et al. 2020, eq. 15; Salimans & Ho 2022, appendix D",
    given="x_t and the right prediction, as eps or as v",
    tolerance=1e-12,
    because="a few sums and products",
    mistakes={
        "the sign of v": lambda x_t, eps, v: [
            (x_t - NOISE * eps) / SIGNAL,
            SIGNAL * x_t + NOISE * v,
        ],
        "v divided as eps is": lambda x_t, eps, v: [
            (x_t - NOISE * eps) / SIGNAL,
            (x_t - NOISE * v) / SIGNAL,
        ],
        "the variance of the noise, not its root": lambda x_t, eps, v: [
            (x_t - NOISE**2 * eps) / SIGNAL,
            SIGNAL * x_t - NOISE * v,
        ],
    },
)
def eps_v_and_x_0_are_one_another(
    formula: Formula = lambda x_t, eps, v: [(x_t - NOISE * eps) / SIGNAL, SIGNAL * x_t - NOISE * v],
) -> Routes:
    """From a prediction of eps, v or x_0, the other two follow."""
    x_0, eps, t = np.array([0.5, -1.0]), np.array([0.3, 1.2]), np.array([T, T])
    x_t = DIFFUSION.q_sample(x_0, eps, t)
    yield "x_0 itself", [x_0, x_0]
    targets = {name: DIFFUSION.target(name, x_0, eps, t) for name in OBJECTIVES}
    yield "closed form: from eps, from v", formula(x_t, targets["epsilon"], targets["v"])
    back = {name: DIFFUSION.x_0_from(name, targets[name], x_t, t) for name in OBJECTIVES}
    yield "our diffusion, there and back", [back["epsilon"], back["v"]]
    # (x_t, v) is (x_0, eps), rotated by phi
    rotation = np.array([[SIGNAL, NOISE], [-NOISE, SIGNAL]])
    solved = np.linalg.solve(rotation, np.stack([x_t, targets["v"]]))[0]
    yield "the linear equations, solved", [solved, solved]


@claim(
    r"\|\hat{x}_0 - x_0\|^2 = \frac{\|\hat\epsilon - \epsilon\|^2}{\mathrm{SNR}_t}, \quad "
    r"\|\hat{v} - v\|^2 = (1 + \frac{1}{\mathrm{SNR}_t}) \|\hat\epsilon - \epsilon\|^2",
    source="Salimans & Ho 2022, section 4",
    given="one wrong prediction, as eps, x_0 and v; SNR_t = abar_t / (1 - abar_t)",
    tolerance=1e-10,
    because="differences of numbers of size 1",
    mistakes={
        "SNR upside down": lambda snr: [snr, 1 + snr],
        "the SNR of standard deviations": lambda snr: [snr**-0.5, 1 + snr**-0.5],
        "the errors in v and eps are equal": lambda snr: [1 / snr, 1.0],
    },
)
def one_error_in_three_units(formula: Formula = lambda snr: [1 / snr, 1 + 1 / snr]) -> Routes:
    """The losses of eps, x_0 and v are the same loss with weights that depend on the SNR."""
    yield "closed form", formula(SIGNAL**2 / NOISE**2)
    x_0, eps, t = np.array([[0.5, -1.0]]), np.array([[0.3, 1.2]]), np.array([T])
    x_t, wrong = DIFFUSION.q_sample(x_0, eps, t), eps + np.array([[0.6, -0.8]])  # |wrong - eps| = 1
    prediction = DIFFUSION.x_0_from("epsilon", wrong, x_t, t)
    v = DIFFUSION.target("v", prediction, wrong, t) - DIFFUSION.target("v", x_0, eps, t)
    yield "our diffusion", [((prediction - x_0) ** 2).sum(), (v**2).sum()]
    # With x_t fixed, x_0 = (x_t - NOISE eps) / SIGNAL and v = (eps - NOISE x_t) / SIGNAL.
    at = Tensor(eps, requires_grad=True)
    image, velocity = (x_t - NOISE * at) / SIGNAL, (at - NOISE * x_t) / SIGNAL
    slopes = [grad(y.sum(), at).data[0, 0] for y in (image, velocity)]
    yield "slopes by our engine, squared", np.square(slopes)


S = 200  # the time after one step of DDIM from T
TIMES = np.array([T]), np.array([S])
ETAS = (0.0, 0.5, 1.0)


def _ddim_variance(abar_t: float, abar_s: float, eta: float = 1.0) -> float:
    """sigma^2 (Song et al. 2021, eq. 16)."""
    return eta**2 * (1 - abar_s) / (1 - abar_t) * (1 - abar_t / abar_s)


@claim(
    r"\int q_\eta(x_s|x_t, x_0) \, q(x_t|x_0) \, dx_t = "
    r"\mathcal{N}(\sqrt{\bar\alpha_s} \, x_0, (1 - \bar\alpha_s) I), \quad 0 \leq \eta \leq 1",
    source="Song et al. 2021, DDIM, lemma 1 and eq. 7",
    given="from t = 300 to s = 200 with eta = 0, 1/2 and 1: means and variances for x_0 = 1",
    tolerance=1e-9,
    because="a few sums and products of numbers of size 1",
    mistakes={
        "fresh noise is added, but eps is not reduced": lambda noise, variance: np.sqrt(noise),
        "roots subtracted": lambda noise, variance: np.sqrt(noise) - np.sqrt(variance),
        "the wrong sign": lambda noise, variance: np.sqrt(noise + variance),
    },
)
def ddim_has_the_same_marginals(
    formula: Formula = lambda noise, variance: np.sqrt(noise - variance),
) -> Routes:
    """For every eta, the x_s of DDIM has the distribution of the forward process."""
    abar_t, abar_s = DIFFUSION.alpha_bar[[T, S]]
    marginal = [math.sqrt(abar_s), 1 - abar_s]
    yield "q(x_s|x_0)", [marginal] * 3
    # x_s = sqrt(abar_s) x_0 + on_eps eps + sigma eps'; eps, from x_t, and eps' are independent.
    noise = 1 - abar_s
    found = []
    for eta in ETAS:
        variance = _ddim_variance(abar_t, abar_s, eta)
        found.append([math.sqrt(abar_s), formula(noise, variance) ** 2 + variance])
    yield "closed form", found
    composed, sampled = [], []
    rng = np.random.default_rng(0)
    x_t = SIGNAL + NOISE * rng.standard_normal(100_000)
    for eta in ETAS:
        on_x_0, on_x_t, variance = (part.item() for part in DIFFUSION.posterior(*TIMES, eta))
        composed.append([on_x_0 + on_x_t * SIGNAL, (on_x_t * NOISE) ** 2 + variance])
        x = on_x_0 + on_x_t * x_t + math.sqrt(variance) * rng.standard_normal(len(x_t))
        squares = (x - x.mean()) ** 2
        sampled.append([x.mean(), squares.mean(), stats.sem(x), stats.sem(squares)])
    yield "our posterior", composed
    yield "Monte Carlo", np.array(sampled)[:, :2], np.array(sampled)[:, 2:]


@claim(
    r"\sigma^2 = \frac{1 - \bar\alpha_s}{1 - \bar\alpha_t} (1 - \frac{\bar\alpha_t}{\bar\alpha_s}) "
    r"= \mathrm{Var}[x_s | x_t, x_0]",
    source="Song et al. 2021, DDIM, eq. 16; Ho et al. 2020, eq. 7",
    given="eta = 1, from t = 300 to s = 200",
    tolerance=1e-9,
    because="a few sums and products of numbers of size 1",
    mistakes={
        "the beta of the step": lambda abar_t, abar_s: 1 - abar_t / abar_s,
        "the factor upside down": lambda abar_t, abar_s: (
            (1 - abar_t) / (1 - abar_s) * (1 - abar_t / abar_s)
        ),
        "the beta of t, as if s were t - 1": lambda abar_t, abar_s: (
            (1 - abar_s) / (1 - abar_t) * DIFFUSION.beta[T]
        ),
        "sigma": lambda abar_t, abar_s: math.sqrt(_ddim_variance(abar_t, abar_s)),
    },
)
def ddim_with_eta_one_is_ancestral(formula: Formula = _ddim_variance) -> Routes:
    """At eta = 1 the variance of DDIM is that of the posterior, however many steps it skips."""
    abar_t, abar_s = DIFFUSION.alpha_bar[[T, S]]
    yield "closed form", formula(abar_t, abar_s)
    yield "our posterior", DIFFUSION.posterior(*TIMES).variance.item()
    kept = np.prod(1 - DIFFUSION.beta[S + 1 : T + 1])  # x_t = sqrt(kept) x_s + noise
    yield "precisions", 1 / (kept / (1 - kept) + 1 / (1 - abar_s))
    # x_t and x_s given x_0 are Gaussian: regress x_s on x_t, the rest is the variance.
    covariance = math.sqrt(kept) * (1 - abar_s)
    yield "regression", 1 - abar_s - covariance**2 / (kept * (1 - abar_s) + 1 - kept)
