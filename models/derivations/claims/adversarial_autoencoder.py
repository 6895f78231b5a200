"""Claims about the aggregated posterior, which an adversarial autoencoder matches to a prior."""

import math

import numpy as np
from scipy import integrate, stats

from models.adversarial.priors import ANGLE, RADIUS, TURNS, roll, swiss_roll
from models.derivations.claim import Formula, Routes, claim

MU, SIGMA = np.array([-1.5, 0.0, 2.0]), np.array([0.5, 0.8, 0.4])
"""q(z|x) of three equally likely images, Gaussians; p(z) = N(0, 1)."""
Z = np.linspace(-9, 10, 20_001)


def _densities() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """q(z|x) of each image, q(z) and p(z) on the grid."""
    of_each = stats.norm(MU[:, None], SIGMA[:, None]).pdf(Z)
    return of_each, of_each.mean(0), stats.norm(0, 1).pdf(Z)


def _kl(p: np.ndarray, q: np.ndarray) -> float:
    tiny = np.finfo(float).tiny
    return float(integrate.simpson(p * np.log(np.maximum(p, tiny) / np.maximum(q, tiny)), x=Z))


def _js(p: np.ndarray, q: np.ndarray) -> float:
    return (_kl(p, (p + q) / 2) + _kl(q, (p + q) / 2)) / 2


@claim(
    r"\mathbb{E}_x \mathrm{KL}(q(z|x) \| p(z)) = I(x; z) + \mathrm{KL}(q(z) \| p(z))",
    source="Hoffman & Johnson 2016, ELBO surgery",
    given="three images with Gaussian posteriors, p(z) = N(0, 1): 1.327527 nats",
    tolerance=1e-7,
    because="Simpson's rule on smooth functions, a step of .001",
    mistakes={
        "the mutual information forgotten": lambda information, marginal: marginal,
        "the mutual information subtracted": lambda information, marginal: marginal - information,
        "the marginal KL forgotten": lambda information, marginal: information,
        "log N instead of I(x; z)": lambda information, marginal: math.log(3) + marginal,
    },
)
def kl_splits_into_information_and_marginal(
    formula: Formula = lambda information, marginal: information + marginal,
) -> Routes:
    """A VAE's KL also pays for what z says about x; matching q(z) to p(z) leaves that alone."""
    of_each, q, p = _densities()
    information = np.mean([_kl(one, q) for one in of_each])
    yield "the two terms, by quadrature", formula(information, _kl(q, p))
    yield "the KL of each image, closed form", np.mean((MU**2 + SIGMA**2 - 1) / 2 - np.log(SIGMA))
    yield "E log q(z|x)/p(z), by quadrature", np.mean([_kl(one, p) for one in of_each])
    rng = np.random.default_rng(0)
    x = rng.integers(3, size=100_000)
    z = MU[x] + SIGMA[x] * rng.standard_normal(len(x))
    ratio = stats.norm(MU[x], SIGMA[x]).logpdf(z) - stats.norm.logpdf(z)
    yield "Monte Carlo", ratio.mean(), stats.sem(ratio)


@claim(
    r"\mathrm{JS}(q(z) \| p(z)) \leq \mathbb{E}_x \mathrm{JS}(q(z|x) \| p(z)), \quad "
    r"q(z) = \mathbb{E}_x q(z|x)",
    source="Lin 1991, Divergence measures based on the Shannon entropy: JS is convex",
    given="three images with Gaussian posteriors, p(z) = N(0, 1)",
    tolerance=1e-7,
    because="Simpson's rule on smooth functions, a step of .001",
    relation="<=",
    mistakes={
        "the sum over images, not the mean": lambda of_each, p: sum(_js(one, p) for one in of_each),
        "the posterior that is farthest from p(z)": lambda of_each, p: max(
            _js(one, p) for one in of_each
        ),
    },
)
def aggregated_posterior_is_easier_to_match(
    formula: Formula = lambda of_each, p: _js(of_each.mean(0), p),
) -> Routes:
    """Codes of all images together can have the prior's distribution though no image's have it."""
    of_each, _, p = _densities()
    yield "JS of the aggregated posterior", formula(of_each, p)
    yield "the mean JS of each image's posterior", np.mean([_js(one, p) for one in of_each])
    yield "log 2", math.log(2)


@claim(
    r"L = \frac{a}{2} (\theta \sqrt{1 + \theta^2} + \mathrm{asinh} \, \theta), \quad r = a \theta",
    source="Makhzani et al. 2016, for the roll; its length: integral of sqrt(r^2 + r'^2) d theta",
    given="the swiss roll of our prior: radius 3 after two turns, 19.294 long",
    tolerance=1e-6,
    because="a polygon of 100,000 sides is short by 1e-10; quadrature is exact",
    mistakes={
        "the growth of r forgotten": lambda a, theta: a * theta**2 / 2,
        "circles of the outer radius": lambda a, theta: a * theta * theta,
        "the half forgotten": lambda a, theta: (
            a * (theta * np.sqrt(1 + theta**2) + np.arcsinh(theta))
        ),
    },
)
def length_of_the_swiss_roll(
    formula: Formula = lambda a, theta: a / 2 * (theta * np.sqrt(1 + theta**2) + np.arcsinh(theta)),
) -> Routes:
    """How long the roll is that the codes have to cover."""
    a, theta = RADIUS / ANGLE, 2 * math.pi * TURNS
    yield "closed form", formula(a, theta)
    yield "quadrature", integrate.quad(lambda t: a * math.hypot(t, 1), 0, theta)[0]
    sides = np.diff(roll(np.linspace(0, 1, 100_001) ** 2), axis=0)
    yield "the sides of a polygon through our roll", np.linalg.norm(sides, axis=1).sum()


@claim(
    r"P[\theta \leq t] = (t / \Theta)^2, \quad p(\theta) = 2 \theta / \Theta^2",
    source="Bishop 2006, section 11.1.1: a uniform number u = (theta / Theta)^2, transformed",
    given="the angles 1/4, 1/2 and 3/4 of the way to the end Theta",
    tolerance=1e-9,
    because="the inverse of a square; samples have their standard error",
    mistakes={
        "uniform in the angle": lambda way: way,
        "the root, not the square": lambda way: np.sqrt(way),
        "the density in place of the share": lambda way: 2 * way,
    },
)
def swiss_roll_is_even_along_its_length(formula: Formula = lambda way: way**2) -> Routes:
    """The roll's angle has the density 2 theta / Theta^2, as its length grows like theta^2."""
    way, n = np.array([0.25, 0.5, 0.75]), 100_000
    yield "closed form", formula(way)
    theta = way * ANGLE
    shares = [integrate.quad(lambda t: 2 * t / ANGLE**2, 0, end)[0] for end in theta]
    yield "the integral of the density", np.array(shares)
    # Between the turns a sample's radius tells its angle: the gap of 1.5 is 15 times the noise.
    z = swiss_roll(n, 2, np.random.default_rng(0)).astype(float)
    r, angle = np.linalg.norm(z, axis=1), np.arctan2(z[:, 1], z[:, 0])
    turns = np.rint((r * ANGLE / RADIUS - angle) / (2 * math.pi))
    inside = (angle + 2 * math.pi * turns)[:, None] <= theta
    yield "our samples", inside.mean(0), stats.sem(inside, axis=0)
