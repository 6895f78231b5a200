"""Claims about latent diffusion: a prior that is learnt, and the scale of the codes."""

import numpy as np
from scipy import integrate, stats

from models.derivations.claim import Formula, Routes, claim
from models.diffusion.ddpm import DDPM
from models.diffusion.gaussian_diffusion import GaussianDiffusion, cosine
from models.diffusion.ldm_settings import Settings

MEANS, SIGMA = np.array([-2.0, 0.5, 1.5]), 0.3
"""q(z|x) = N(m, sigma^2) of three images, equally likely: a mixture is the best prior."""


def _mixture(z: np.ndarray) -> np.ndarray:
    return stats.norm.pdf(np.asarray(z)[..., None], MEANS, SIGMA).mean(-1)


def _kl(prior_log_pdf) -> float:
    """E_x KL(q(z|x) || prior), by quadrature."""
    total = 0.0
    for m in MEANS:
        q = stats.norm(m, SIGMA)
        f = lambda z, q=q: q.pdf(z) * (q.logpdf(z) - prior_log_pdf(z))  # noqa: E731
        total += integrate.quad(f, m - 10 * SIGMA, m + 10 * SIGMA, limit=200)[0]
    return total / len(MEANS)


def _gap() -> float:
    """KL(q(z) || N(0, 1)) of the mixture of all codes."""
    f = lambda z: _mixture(z) * (np.log(_mixture(z)) - stats.norm.logpdf(z))  # noqa: E731
    return integrate.quad(f, -5.5, 5.0, limit=200)[0]


@claim(
    r"\mathbb{E}_x \mathrm{KL}(q(z|x) \| \mathcal{N}(0, 1)) - \min_p \mathbb{E}_x "
    r"\mathrm{KL}(q(z|x) \| p(z)) = \mathrm{KL}(q(z) \| \mathcal{N}(0, 1)), \quad q(z) = "
    r"\mathbb{E}_x \, q(z|x)",
    source="Hoffman & Johnson 2016, ELBO surgery",
    given="three images with q(z|x) = N(m, .3^2), m = -2, .5 and 1.5",
    tolerance=1e-6,
    because="adaptive quadrature",
    mistakes={
        "the whole KL: as if a code cost nothing": lambda: _kl(stats.norm.logpdf),
        "the KL to the best prior, which is what stays": lambda: _kl(lambda z: np.log(_mixture(z))),
        "half of it": lambda: _gap() / 2,
    },
)
def what_a_learnt_prior_saves(formula: Formula = _gap) -> Routes:
    """A prior that is learnt saves as many nats as the codes of all images are from N(0, I)."""
    yield "closed form", formula()
    yield "difference of the two rates", _kl(stats.norm.logpdf) - _kl(lambda z: np.log(_mixture(z)))


def _residual(deviation: float) -> float:
    """The divergence of x_T from N(0, 1), of codes N(0, deviation^2) without standardising."""
    abar = GaussianDiffusion(cosine(20)).alpha_bar[10]
    variance = abar * deviation**2 + 1 - abar
    return 0.5 * (variance - 1 - np.log(variance))


@claim(
    r"\mathrm{KL}(q(z_t) \| \mathcal{N}(0, 1)) = \frac{1}{2} (v - 1 - \log v), \quad v = "
    r"\bar\alpha_t s^2 + 1 - \bar\alpha_t",
    source="Rombach et al. 2022, appendix D.1; Ho et al. 2020, eq. 4",
    given="codes of deviation s = 5, half way through a cosine schedule",
    tolerance=1e-6,
    because="adaptive quadrature",
    mistakes={
        "codes of deviation 1, which stay so": lambda s: _residual(1.0),
        "s for s^2": lambda s: _residual(np.sqrt(s)),
        "the reverse divergence": lambda s: 0.5 * (1 / _v(s) - 1 + np.log(_v(s))),
    },
)
def scale_of_codes_stays(formula: Formula = _residual) -> Routes:
    """Only codes of variance 1 have variance 1 at every step: others leave their scale in z_t."""
    s = 5.0
    yield "closed form", formula(s)
    p, q = stats.norm(0, 1), stats.norm(0, np.sqrt(_v(s)))
    f = lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z))  # noqa: E731
    yield "quadrature", integrate.quad(f, -60, 60, limit=400)[0]
    rng = np.random.default_rng(0)
    z = GaussianDiffusion(cosine(20)).q_sample(
        s * rng.standard_normal((200_000, 1)),
        rng.standard_normal((200_000, 1)),
        np.full(200_000, 10),
    )[:, 0]
    log_ratio = q.logpdf(z) - p.logpdf(z)
    yield "Monte Carlo", log_ratio.mean(), stats.sem(log_ratio)


def _v(s: float) -> float:
    abar = GaussianDiffusion(cosine(20)).alpha_bar[10]
    return abar * s**2 + 1 - abar


@claim(
    r"-\log p(z) = -\log p\left(\frac{z - c}{s}\right) + d \log s",
    source="Bishop 2006, section 1.2.1: a density changes with its variable",
    given="our DDPM of d = 3 codes, untrained, the scale s = 1 and 4",
    tolerance=1e-4,
    because="our DDPM computes in float32",
    mistakes={
        "the sign": lambda d, s: -d * np.log(s),
        "once, not for each dimension": lambda d, s: np.log(s),
        "the scale does not matter": lambda d, s: 0.0,
    },
)
def density_of_scaled_codes(formula: Formula = lambda d, s: d * np.log(s)) -> Routes:
    """A bound on -log p of standardised codes needs d log s to be one of the codes themselves."""
    yield "closed form", formula(3, 4.0)
    settings = Settings(hidden=(2,), latent=3, width=4, depth=1, T=20, epochs=10)
    model = DDPM(settings.of_diffusion, (3,), 0, np.random.default_rng(0))
    z = np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32)
    model.center.data[...] = 0
    found = []
    for s in (1.0, 4.0):
        model.scale.data[...] = s
        found.append(model.bound(s * z, np.random.default_rng(2), None)["nll"].mean())
    yield "difference of the bounds of our DDPM", found[1] - found[0]
