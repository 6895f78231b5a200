"""Claims about what a denoiser says, and how it is sampled from: the score, DDIM and guidance."""

import math

import numpy as np
from scipy import stats

from autograd import Tensor, exp, grad, log, logsumexp, stack
from models.derivations.claim import Formula, Routes, claim
from models.diffusion.ddpm import DDPM, Settings
from models.diffusion.gaussian_diffusion import OBJECTIVES, Diffusion, linear

DIFFUSION = Diffusion(linear(1000))
T = 300  # where most claims are looked at: abar = .40
SIGNAL, NOISE = math.sqrt(DIFFUSION.alpha_bar[T]), math.sqrt(DIFFUSION.noise[T])
H = 1e-5  # step of the finite differences


@claim(
    r"\nabla_{x_t} \log q(x_t|x_0) = -\frac{\epsilon}{\sqrt{1 - \bar\alpha_t}}",
    source="Vincent 2011; Song & Ermon 2019; Ho et al. 2020, section 3.2",
    given="x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps, in three dimensions",
    tolerance=1e-8,
    because="the logarithm is quadratic: of the differences only rounding is left, 1e-11",
    mistakes={
        "the sign": lambda eps, noise: eps / noise,
        "the variance for the deviation": lambda eps, noise: -eps / noise**2,
        "eps itself": lambda eps, noise: -eps,
    },
)
def score_is_the_noise(formula: Formula = lambda eps, noise: -eps / noise) -> Routes:
    """The score of x_t, given x_0, is its noise, turned around and scaled."""
    x_0, eps = np.array([0.5, -1.0, 0.2]), np.array([0.3, 1.2, -0.7])
    yield "closed form", formula(eps, NOISE)
    x_t = DIFFUSION.mix(x_0[None], eps[None], np.array([T]))[0]
    at = Tensor(x_t, requires_grad=True)
    log_q = -(((at - SIGNAL * x_0) / NOISE) ** 2).sum() / 2
    yield "our engine", grad(log_q, at).data
    q = stats.norm(SIGNAL * x_0, NOISE)
    yield "finite differences", (q.logpdf(x_t + H) - q.logpdf(x_t - H)) / (2 * H)


@claim(
    r"\mathbb{E}[x_0|x_t] = \frac{x_t + (1 - \bar\alpha_t) \nabla \log q(x_t)}"
    r"{\sqrt{\bar\alpha_t}}",
    source="Robbins 1956, who has it from Tweedie; Efron 2011",
    given="x_0 = -1 with p = .3, or 1",
    tolerance=1e-8,
    because="finite differences of a smooth function, 1e-10",
    mistakes={
        "the deviation for the variance": lambda x, score: (x + NOISE * score) / SIGNAL,
        "the sign": lambda x, score: (x - NOISE**2 * score) / SIGNAL,
        "abar for its root": lambda x, score: (x + NOISE**2 * score) / SIGNAL**2,
    },
)
def best_denoiser_has_the_score(
    formula: Formula = lambda x, score: (x + NOISE**2 * score) / SIGNAL,
) -> Routes:
    """The mean of x_0 is a step from x_t along the score: to denoise is to know the score."""
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
        "the sign": lambda x_0, eps: NOISE * x_0 - SIGNAL * eps,
        "the roots exchanged": lambda x_0, eps: NOISE * eps - SIGNAL * x_0,
        "no roots": lambda x_0, eps: SIGNAL**2 * eps - NOISE**2 * x_0,
    },
)
def v_is_the_velocity(formula: Formula = lambda x_0, eps: SIGNAL * eps - NOISE * x_0) -> Routes:
    """v is how x_t moves as the angle from image to noise grows."""
    x_0, eps = np.array([0.5, -1.0]), np.array([0.3, 1.2])
    yield "closed form", formula(x_0, eps)
    yield "our Diffusion.target", DIFFUSION.target("v", x_0[None], eps[None], np.array([T]))[0]
    phi = math.acos(SIGNAL)
    x = lambda phi: math.cos(phi) * x_0 + math.sin(phi) * eps  # noqa: E731
    yield "finite difference", (x(phi + H) - x(phi - H)) / (2 * H)


@claim(
    r"x_0 = \frac{x_t - \sqrt{1 - \bar\alpha_t} \, \epsilon}{\sqrt{\bar\alpha_t}} = "
    r"\sqrt{\bar\alpha_t} \, x_t - \sqrt{1 - \bar\alpha_t} \, v",
    source="Ho et al. 2020, eq. 15; Salimans & Ho 2022, appendix D",
    given="x_t, and what a network should say of it",
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
        "the variance of eps for its deviation": lambda x_t, eps, v: [
            (x_t - NOISE**2 * eps) / SIGNAL,
            SIGNAL * x_t - NOISE * v,
        ],
    },
)
def eps_v_and_x_0_are_one_another(
    formula: Formula = lambda x_t, eps, v: [
        (x_t - NOISE * eps) / SIGNAL,
        SIGNAL * x_t - NOISE * v,
    ],
) -> Routes:
    """Whether a network says eps, v or x_0, the other two follow."""
    x_0, eps, t = np.array([0.5, -1.0]), np.array([0.3, 1.2]), np.array([T, T])
    x_t = DIFFUSION.mix(x_0, eps, t)
    yield "x_0 itself", [x_0, x_0]
    said = {name: DIFFUSION.target(name, x_0, eps, t) for name in OBJECTIVES}
    yield "closed form: from eps, from v", formula(x_t, said["epsilon"], said["v"])
    back = {name: DIFFUSION.image(name, said[name], x_t, t) for name in OBJECTIVES}
    yield "our Diffusion, there and back", [back["epsilon"], back["v"]]
    # (x_t, v) is (x_0, eps) turned by phi: the linear equations, solved
    turn = np.array([[SIGNAL, NOISE], [-NOISE, SIGNAL]])
    solved = np.linalg.solve(turn, np.stack([x_t, said["v"]]))[0]
    yield "the equations solved", [solved, solved]


@claim(
    r"\|\hat{x}_0 - x_0\|^2 = \frac{\|\hat\epsilon - \epsilon\|^2}{\mathrm{SNR}_t}, \quad "
    r"\|\hat{v} - v\|^2 = (1 + \frac{1}{\mathrm{SNR}_t}) \|\hat\epsilon - \epsilon\|^2",
    source="Salimans & Ho 2022, section 4",
    given="one prediction, said in eps, in x_0 and in v; SNR_t = abar_t / (1 - abar_t)",
    tolerance=1e-10,
    because="differences of numbers of size 1",
    mistakes={
        "SNR upside down": lambda snr: [snr, 1 + snr],
        "SNR of deviations": lambda snr: [snr**-0.5, 1 + snr**-0.5],
        "the error in v is that in eps": lambda snr: [1 / snr, 1.0],
    },
)
def one_error_in_three_units(formula: Formula = lambda snr: [1 / snr, 1 + 1 / snr]) -> Routes:
    """The losses in eps, x_0 and v are one loss, weighted by the ratio of signal to noise."""
    yield "closed form", formula(SIGNAL**2 / NOISE**2)
    x_0, eps, t = np.array([[0.5, -1.0]]), np.array([[0.3, 1.2]]), np.array([T])
    x_t, wrong = DIFFUSION.mix(x_0, eps, t), eps + np.array([[0.6, -0.8]])  # by 1 in all
    believed = DIFFUSION.image("epsilon", wrong, x_t, t)
    v = DIFFUSION.target("v", believed, wrong, t) - DIFFUSION.target("v", x_0, eps, t)
    yield "our Diffusion", [((believed - x_0) ** 2).sum(), (v**2).sum()]
    # x_t is given: x_0 = (x_t - NOISE eps) / SIGNAL, and v = (eps - NOISE x_t) / SIGNAL
    at = Tensor(eps, requires_grad=True)
    image, velocity = (x_t - NOISE * at) / SIGNAL, (at - NOISE * x_t) / SIGNAL
    yield "slopes, by our engine", [grad(y.sum(), at).data[0, 0] ** 2 for y in (image, velocity)]


S = 200  # where DDIM goes from T
TIMES = np.array([T]), np.array([S])
ETAS = (0.0, 0.5, 1.0)


def _ddim_variance(abar_t: float, abar_s: float, eta: float = 1.0) -> float:
    """sigma^2 of Song et al. 2021, eq. 16."""
    return eta**2 * (1 - abar_s) / (1 - abar_t) * (1 - abar_t / abar_s)


@claim(
    r"\int q_\eta(x_s|x_t, x_0) \, q(x_t|x_0) \, dx_t = "
    r"\mathcal{N}(\sqrt{\bar\alpha_s} \, x_0, (1 - \bar\alpha_s) I), \quad 0 \leq \eta \leq 1",
    source="Song et al. 2021, DDIM, lemma 1 and eq. 7",
    given="from t = 300 to s = 200 with eta = 0, 1/2 and 1; x_0 = 1: means and variances",
    tolerance=1e-9,
    because="a few sums and products of numbers of size 1",
    mistakes={
        "the noise added, none taken from eps": lambda noise, variance: np.sqrt(noise),
        "the deviations subtracted": lambda noise, variance: np.sqrt(noise) - np.sqrt(variance),
        "the sign": lambda noise, variance: np.sqrt(noise + variance),
    },
)
def ddim_has_the_same_marginals(
    formula: Formula = lambda noise, variance: np.sqrt(noise - variance),
) -> Routes:
    """However much noise DDIM adds, x_s is distributed as the diffusion would have it."""
    abar_t, abar_s = DIFFUSION.alpha_bar[[T, S]]
    marginal = [math.sqrt(abar_s), 1 - abar_s]
    yield "q(x_s|x_0)", [marginal] * 3
    # x_s = sqrt(abar_s) x_0 + on_eps eps + sigma eps', with the eps that is in x_t: independent
    noise = 1 - abar_s
    found = []
    for eta in ETAS:
        variance = _ddim_variance(abar_t, abar_s, eta)
        found.append([math.sqrt(abar_s), formula(noise, variance) ** 2 + variance])
    yield "closed form", found
    composed, draws = [], []
    rng = np.random.default_rng(0)
    x_t = SIGNAL + NOISE * rng.standard_normal(100_000)
    for eta in ETAS:
        on_x_0, on_x_t, variance = (part.item() for part in DIFFUSION.posterior(*TIMES, eta))
        composed.append([on_x_0 + on_x_t * SIGNAL, (on_x_t * NOISE) ** 2 + variance])
        x = on_x_0 + on_x_t * x_t + math.sqrt(variance) * rng.standard_normal(len(x_t))
        squares = (x - x.mean()) ** 2
        draws.append([x.mean(), squares.mean(), stats.sem(x), stats.sem(squares)])
    yield "our Diffusion.posterior", composed
    yield "Monte Carlo", np.array(draws)[:, :2], np.array(draws)[:, 2:]


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
        "sigma for sigma^2": lambda abar_t, abar_s: math.sqrt(_ddim_variance(abar_t, abar_s)),
    },
)
def ddim_with_eta_one_is_ancestral(formula: Formula = _ddim_variance) -> Routes:
    """At eta = 1 DDIM's variance is the posterior's, whatever the steps left out."""
    abar_t, abar_s = DIFFUSION.alpha_bar[[T, S]]
    yield "closed form", formula(abar_t, abar_s)
    yield "our Diffusion.posterior", DIFFUSION.posterior(*TIMES).variance.item()
    kept = np.prod(1 - DIFFUSION.beta[S + 1 : T + 1])  # of the variance, from s to t
    yield "precisions", 1 / (kept / (1 - kept) + 1 / (1 - abar_s))
    # All three are Gaussian: what x_t leaves of the variance of x_s, by regression.
    covariance = math.sqrt(kept) * (1 - abar_s)
    yield "regression", 1 - abar_s - covariance**2 / (kept * (1 - abar_s) + 1 - kept)


PLACES, SPREAD = np.array([-1.0, 1.5]), 0.8  # two classes of x_t, equally likely


def _log_p(x: Tensor, label: int | None = None) -> Tensor:
    """log p(x|c) or log p(x), but for a constant."""
    each = stack([-(((x - place) / SPREAD) ** 2).sum() / 2 for place in PLACES])
    return logsumexp(each, axis=0) if label is None else each[label]


def _eps(x: np.ndarray, label: int | None = None) -> np.ndarray:
    """What the right network says: the score, turned around and scaled."""
    at = Tensor(x, requires_grad=True)
    return -NOISE * grad(_log_p(at, label), at).data


class _TwoClasses(DDPM):
    """Our DDPM with the right network in place of a trained one."""

    def predict(self, x_t: np.ndarray, t: np.ndarray, labels: np.ndarray | None) -> Tensor:
        label = None if labels is None else int(labels[0])
        return Tensor(_eps(x_t, label))


@claim(
    r"(1 + w) \, \epsilon(x, c) - w \, \epsilon(x) = -\sqrt{1 - \bar\alpha_t} \, "
    r"\nabla \log p(x) \, p(c|x)^{1 + w}",
    source="Ho & Salimans 2022, eq. 6",
    given="two Gaussian classes of x_t, at the point between them; w = 2",
    tolerance=1e-8,
    because="finite differences of a smooth function, 1e-10",
    mistakes={
        "w read as s": lambda eps_c, eps, w: (1 - w) * eps + w * eps_c,
        "the two exchanged": lambda eps_c, eps, w: (1 + w) * eps - w * eps_c,
        "weights that do not add up to 1": lambda eps_c, eps, w: (1 + w) * eps_c - eps,
        "no step but the difference": lambda eps_c, eps, w: (1 + w) * (eps_c - eps),
    },
)
def guidance_sharpens_the_class(
    formula: Formula = lambda eps_c, eps, w: (1 + w) * eps_c - w * eps,
) -> Routes:
    """Guided by w, the noise is the score of p(x) p(c|x)^(1 + w)."""
    x, c, w = 0.3, 1, 2.0
    at = np.array([[x]])
    yield "closed form", formula(_eps(at, c), _eps(at), w).item()
    settings = Settings(schedule="linear", T=1000, objective="epsilon", network="mlp", width=4)
    model, t = _TwoClasses(settings, (1,), 0, np.random.default_rng(0), classes=2), np.array([T])
    x_0 = model.denoise(at, t, np.array([c]), guidance=w)
    yield "our DDPM.denoise", ((at - SIGNAL * x_0) / NOISE).item()

    def log_sharpened(x: float) -> float:
        joint = stats.norm.pdf(x, PLACES, SPREAD) / 2
        p = joint.sum()
        return math.log(p) + (1 + w) * math.log(joint[c] / p)

    yield "finite difference", -NOISE * (log_sharpened(x + H) - log_sharpened(x - H)) / (2 * H)


@claim(
    r"\epsilon(x, c) - \epsilon(x) = -\sqrt{1 - \bar\alpha_t} \, \nabla \log p(c|x)",
    source="Dhariwal & Nichol 2021, section 4; Ho & Salimans 2022, section 3.2",
    given="two Gaussian classes of x_t; p(c|x) by Bayes is a sigmoid",
    tolerance=1e-8,
    because="finite differences of a smooth function, 1e-10",
    mistakes={
        "the sign": lambda eps_c, eps: eps - eps_c,
        "not the difference": lambda eps_c, eps: eps_c,
        "scaled by the score's factor twice": lambda eps_c, eps: NOISE * (eps_c - eps),
    },
)
def guidance_needs_no_classifier(formula: Formula = lambda eps_c, eps: eps_c - eps) -> Routes:
    """What the class changes in the noise is the gradient of a classifier that nobody trained."""
    x, c = 0.3, 1
    at = np.array([[x]])
    yield "the difference", formula(_eps(at, c), _eps(at)).item()
    # log p(1|x) = -softplus(-logit), the logit linear in x: the classes have one spread
    slope = (PLACES[1] - PLACES[0]) / SPREAD**2
    logit = slope * (x - PLACES.mean())
    yield "the sigmoid's slope, by hand", -NOISE * slope / (1 + math.exp(logit))

    def log_posterior(x: float) -> float:
        joint = stats.norm.pdf(x, PLACES, SPREAD)
        return math.log(joint[c] / joint.sum())

    yield "finite difference", -NOISE * (log_posterior(x + H) - log_posterior(x - H)) / (2 * H)


@claim(
    r"\epsilon(x) + s \, (\epsilon(x, c) - \epsilon(x)), \quad s = w + 1",
    source="Ho & Salimans 2022, eq. 6, has w; other papers and much code have s",
    given="two Gaussian classes of x_t; w = -1, 0 and 2: without, with, and more than the class",
    tolerance=1e-10,
    because="a few sums and products",
    mistakes={
        "s is w": lambda w: w,
        "s = w - 1": lambda w: w - 1,
        "s = 1 is without guidance, so w = 1 too": lambda w: np.maximum(w, 1.0),
    },
)
def two_scales_of_guidance(formula: Formula = lambda w: w + 1) -> Routes:
    """Two scales of guidance are in use; s = 1 and w = 0 both mean plain conditional."""
    x, w = np.array([[0.3]]), np.array([-1.0, 0.0, 2.0])
    eps_c, eps = _eps(x, 1).item(), _eps(x).item()
    yield "by s", eps + formula(w) * (eps_c - eps)
    yield "by w", (1 + w) * eps_c - w * eps
    settings = Settings(schedule="linear", T=1000, objective="epsilon", network="mlp", width=4)
    model, t = _TwoClasses(settings, (1,), 0, np.random.default_rng(0), classes=2), np.array([T])
    images = [model.denoise(x, t, np.array([1]), guidance).item() for guidance in w]
    yield "our DDPM.denoise", (x.item() - SIGNAL * np.array(images)) / NOISE
