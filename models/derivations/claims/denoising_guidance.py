"""Claims about classifier-free guidance (Ho & Salimans 2022)."""

import math

import numpy as np
from scipy import stats

from autograd import Tensor, grad, logsumexp, stack
from models.derivations.claim import Formula, Routes, claim
from models.derivations.claims.denoising import NOISE, SIGNAL, H, T
from models.diffusion.ddpm import DDPM, Settings

PLACES, SPREAD = np.array([-1.0, 1.5]), 0.8  # two classes of x_t, equally likely


def _log_p(x: Tensor, label: int | None = None) -> Tensor:
    """log p(x|c), or log p(x) for no label, up to a constant."""
    each = stack([-(((x - place) / SPREAD) ** 2).sum() / 2 for place in PLACES])
    return logsumexp(each, axis=0) if label is None else each[label]


def _eps(x: np.ndarray, label: int | None = None) -> np.ndarray:
    """The output of the right network: minus the score, times the standard deviation."""
    at = Tensor(x, requires_grad=True)
    return -NOISE * grad(_log_p(at, label), at).data


class _TwoClasses(DDPM):
    """Our DDPM with the right network instead of a trained one."""

    def predict(self, x_t: np.ndarray, t: np.ndarray, labels: np.ndarray | None) -> Tensor:
        label = None if labels is None else int(labels[0])
        return Tensor(_eps(x_t, label))


def _two_classes() -> DDPM:
    settings = Settings(schedule="linear", T=1000, objective="epsilon", network="mlp", width=4)
    return _TwoClasses(settings, (1,), 0, np.random.default_rng(0), classes=2)


@claim(
    r"(1 + w) \, \epsilon(x, c) - w \, \epsilon(x) = -\sqrt{1 - \bar\alpha_t} \, "
    r"\nabla \log p(x) \, p(c|x)^{1 + w}",
    source="Ho & Salimans 2022, eq. 6",
    given="two Gaussian classes of x_t, at a point between them; w = 2",
    tolerance=1e-8,
    because="finite differences of a smooth function, 1e-10",
    mistakes={
        "w taken for s = w + 1": lambda eps_c, eps, w: (1 - w) * eps + w * eps_c,
        "the two exchanged": lambda eps_c, eps, w: (1 + w) * eps - w * eps_c,
        "weights with a sum other than 1": lambda eps_c, eps, w: (1 + w) * eps_c - eps,
        "only the difference": lambda eps_c, eps, w: (1 + w) * (eps_c - eps),
    },
)
def guidance_sharpens_the_class(
    formula: Formula = lambda eps_c, eps, w: (1 + w) * eps_c - w * eps,
) -> Routes:
    """Guidance of weight w gives the score of p(x) p(c|x)^(1 + w): a sharper class."""
    x, c, w = 0.3, 1, 2.0
    at = np.array([[x]])
    yield "closed form", formula(_eps(at, c), _eps(at), w).item()
    x_0 = _two_classes().denoise(at, np.array([T]), np.array([c]), guidance=w)
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
        "the wrong sign": lambda eps_c, eps: eps - eps_c,
        "eps(x, c) alone": lambda eps_c, eps: eps_c,
        "the factor of the score twice": lambda eps_c, eps: NOISE * (eps_c - eps),
    },
)
def guidance_needs_no_classifier(formula: Formula = lambda eps_c, eps: eps_c - eps) -> Routes:
    """The difference that the class makes is the gradient of a classifier, without training one."""
    x, c = 0.3, 1
    at = np.array([[x]])
    yield "the difference", formula(_eps(at, c), _eps(at)).item()
    # log p(1|x) = -softplus(-logit); the logit is linear in x, since both classes have one spread.
    slope = (PLACES[1] - PLACES[0]) / SPREAD**2
    logit = slope * (x - PLACES.mean())
    yield "the slope of the sigmoid, by hand", -NOISE * slope / (1 + math.exp(logit))

    def log_posterior(x: float) -> float:
        joint = stats.norm.pdf(x, PLACES, SPREAD)
        return math.log(joint[c] / joint.sum())

    yield "finite difference", -NOISE * (log_posterior(x + H) - log_posterior(x - H)) / (2 * H)


@claim(
    r"\epsilon(x) + s \, (\epsilon(x, c) - \epsilon(x)), \quad s = w + 1",
    source="Ho & Salimans 2022, eq. 6, for w; Saharia et al. 2022 (Imagen), eq. 2, for s",
    given="two Gaussian classes of x_t; w = -1 (no class), 0 (conditional) and 2",
    tolerance=1e-10,
    because="a few sums and products",
    mistakes={
        "s is w": lambda w: w,
        "s = w - 1": lambda w: w - 1,
        "w = 1 is without guidance too": lambda w: np.maximum(w, 1.0),
    },
)
def two_scales_of_guidance(formula: Formula = lambda w: w + 1) -> Routes:
    """Two scales of guidance are in use: s = 1 and w = 0 both mean no guidance."""
    x, w = np.array([[0.3]]), np.array([-1.0, 0.0, 2.0])
    eps_c, eps = _eps(x, 1).item(), _eps(x).item()
    yield "by s", eps + formula(w) * (eps_c - eps)
    yield "by w", (1 + w) * eps_c - w * eps
    model, t, label = _two_classes(), np.array([T]), np.array([1])
    images = [model.denoise(x, t, label, guidance).item() for guidance in w]
    yield "our DDPM.denoise", (x.item() - SIGNAL * np.array(images)) / NOISE
