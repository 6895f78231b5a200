"""Claims about the codes of a diffusion: images led to noise by an equation without noise."""

import math

import numpy as np
from scipy import integrate, stats

from models.derivations.claim import Formula, Routes, claim
from models.diffusion.ddpm_settings import Settings
from models.diffusion.gaussian_diffusion import GaussianDiffusion, coefficient, linear
from models.diffusion.sampler import Sampler

DIFFUSION = GaussianDiffusion(linear(1000))
MEAN, SPREAD = 0.3, 0.5
X_0 = MEAN + SPREAD * np.array([-1.5, 0.2, 2.0])


def _x_0(x_t: np.ndarray, t: np.ndarray) -> np.ndarray:
    """E[x_0|x_t]."""
    signal = coefficient(lambda: DIFFUSION.alpha_bar[t], x_t)
    noise = coefficient(lambda: DIFFUSION.noise[t], x_t)
    gain = np.sqrt(signal) * SPREAD**2 / (signal * SPREAD**2 + noise)
    return MEAN + gain * (x_t - np.sqrt(signal) * MEAN)


@claim(
    r"\frac{d \bar x}{d \sigma} = \epsilon(x_t), \quad \bar x = \frac{x_t}{\sqrt{\bar\alpha_t}}, "
    r"\quad \sigma = \sqrt{\frac{1 - \bar\alpha_t}{\bar\alpha_t}} "
    r"\quad \Rightarrow \quad x_T = \frac{x_0 - m}{s}",
    source="Song et al. 2021, DDIM, eq. 13 and 14, section 5.4",
    given="x_0 ~ N(m, s^2), m = 0.3 and s = 0.5, and the best network",
    tolerance=0.02,
    because="our code makes a thousand steps, and x_T still has 0.6% of x_0",
    mistakes={
        "divided by the variance": lambda x_0: (x_0 - MEAN) / SPREAD**2,
        "the mean is kept": lambda x_0: x_0 / SPREAD,
        "only scaled down, as q(x_T|x_0) has it": lambda x_0: math.sqrt(4e-5) * x_0,
    },
)
def codes_are_standard_scores(
    formula: Formula = lambda x_0: (x_0 - MEAN) / SPREAD,
) -> Routes:
    """DDIM backwards leads an image to noise, and a quantile of the data to that of N(0, 1)."""
    yield "closed form", formula(X_0)
    yield "quantiles", stats.norm.ppf(stats.norm.cdf(X_0, MEAN, SPREAD))
    last = math.sqrt(DIFFUSION.noise[-1] / DIFFUSION.alpha_bar[-1])

    def eps(sigma: float, x: np.ndarray) -> np.ndarray:  # -sigma times the score of x
        return sigma * (x - MEAN) / (SPREAD**2 + sigma**2)

    x = integrate.solve_ivp(eps, (0, last), X_0, rtol=1e-8, atol=1e-8).y[:, -1]
    yield "the equation by Runge-Kutta", x / math.sqrt(1 + last**2)
    settings = Settings(T=1000, network="mlp")
    sampler = Sampler(DIFFUSION, settings, 1, _x_0, lambda rng, shape: rng.standard_normal(shape))
    yield "our Sampler.encode", sampler.encode(X_0[:, None])[:, 0]
