"""Claims about a VAE of two layers: its KL, the ladder's posterior, and free bits."""

from typing import Any

import numpy as np
from scipy import integrate, stats

from autograd import Tensor, grad, maximum
from models.autoencoders.hvae import Layer, combined
from models.derivations.claim import Formula, Routes, claim


def _kl(m: float, s: float, n: float, t: float) -> float:
    """KL(N(m, s^2) || N(n, t^2))."""
    return np.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5


M2, S2 = 0.7, 0.5  # q(z2) = N(M2, S2^2)
A, S1 = 0.9, 0.4  # q(z1|z2) = N(A z2, S1^2)
C, R = 0.6, 0.8  # p(z1|z2) = N(C z2, R^2)


@claim(
    r"\mathrm{KL}(q(z_1, z_2) \| p(z_1, z_2)) = \mathrm{KL}(q(z_2) \| p(z_2)) + "
    r"\mathbb{E}_{q(z_2)} [\mathrm{KL}(q(z_1 | z_2) \| p(z_1 | z_2))]",
    source="Cover & Thomas 2006, theorem 2.5.3; Sønderby et al. 2016, for the layers of a VAE",
    given="q: N(.7, .5^2), N(.9 z2, .4^2); p: N(0, 1), N(.6 z2, .8^2)",
    tolerance=1e-9,
    because="all are Gaussian, and the mean of a square is known",
    mistakes={
        "z2 at its mean": lambda: _kl(M2, S2, 0, 1) + _kl(A * M2, S1, C * M2, R),
        "z1 measured from N(0, 1)": lambda: (
            _kl(M2, S2, 0, 1) + _kl(A * M2, S1, 0, 1) + A**2 * S2**2 / 2
        ),
        "the layers as if independent": lambda: (
            _kl(M2, S2, 0, 1) + _kl(A * M2, np.hypot(S1, A * S2), C * M2, np.hypot(R, C))
        ),
    },
)
def kl_of_two_layers(
    formula: Formula = lambda: (
        _kl(M2, S2, 0, 1) + _kl(A * M2, S1, C * M2, R) + ((A - C) * S2 / R) ** 2 / 2
    ),
) -> Routes:
    """The KL divergence of two layers is that of the upper one and the mean one of the lower."""
    yield "closed form", formula()
    q = stats.norm(M2, S2)
    lower = integrate.quad(lambda z: q.pdf(z) * _kl(A * z, S1, C * z, R), M2 - 6, M2 + 6)[0]
    yield "quadrature over z2", _kl(M2, S2, 0, 1) + lower
    joint = [_joint(M2, S2, A, S1), _joint(0, 1, C, R)]
    (m, a), (n, b) = joint
    trace, distance = np.trace(np.linalg.solve(b, a)), (m - n) @ np.linalg.solve(b, m - n)
    ratio = np.linalg.slogdet(b)[1] - np.linalg.slogdet(a)[1]
    yield "as two Gaussians of (z1, z2)", (trace + distance - 2 + ratio) / 2
    noise = np.random.default_rng(0).standard_normal((2, 200_000))
    z2 = M2 + S2 * noise[0]
    z1 = A * z2 + S1 * noise[1]
    layers = [Layer(z2, (M2, 2 * np.log(S2)), (0.0, 0.0))]
    layers.append(Layer(z1, (A * z2, 2 * np.log(S1)), (C * z2, 2 * np.log(R))))
    log_ratio: Any = layers[0].log_ratio() + layers[1].log_ratio()
    yield "Monte Carlo, by our HVAE's layers", log_ratio.mean(), stats.sem(log_ratio)


def _joint(m: float, s: float, slope: float, deviation: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of (z1, z2), with z2 ~ N(m, s^2) and z1 ~ N(slope z2, deviation^2)."""
    both = slope * s**2
    covariance = np.array([[slope * both + deviation**2, both], [both, s**2]])
    return np.array([slope * m, m]), covariance


@claim(
    r"\mathbb{E}_{q(z_1) q(z_2 | z_1)} [\log \frac{q(z_1)}{p(z_1 | z_2)}] = \log \frac{r}{s} - "
    r"\frac{1}{2} + \frac{(1 - ca)^2 (m^2 + s^2) + c^2 t^2}{2 r^2}",
    source="Burda et al. 2016, the bound of a model with several layers: z2 is inferred from z1",
    given="q(z1) = N(m = .7, s = .5), q(z2|z1) = N(a z1, t^2), p(z1|z2) = N(c z2, r^2)",
    tolerance=1e-9,
    because="a Gauss-Hermite rule is exact for squares",
    mistakes={
        "KL(q(z1) || p(z1|z2)), as if z2 did not depend on z1": lambda m, s, a, t, c, r: (
            np.log(r / s) - 0.5
            + ((1 - c * a) ** 2 * m**2 + s**2 + c**2 * (a**2 * s**2 + t**2)) / (2 * r**2)
        ),
        "z2 at the mean of q(z2|z1)": lambda m, s, a, t, c, r: (
            np.log(r / s) - 0.5 + (1 - c * a) ** 2 * (m**2 + s**2) / (2 * r**2)
        ),
    },
)  # fmt: skip
def lower_term_of_bottom_up(
    formula: Formula = lambda m, s, a, t, c, r: (
        np.log(r / s) - 0.5 + ((1 - c * a) ** 2 * (m**2 + s**2) + c**2 * t**2) / (2 * r**2)
    ),
) -> Routes:
    """The lower layer's term of a bottom-up bound has z2 from the same z1, so it is no plain KL."""
    m, s, a, t, c, r = 0.7, 0.5, 0.8, 0.6, 0.9, 0.7
    yield "closed form", formula(m, s, a, t, c, r)
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    weights = weights / weights.sum()
    z1 = m + s * nodes[:, None]
    z2 = a * z1 + t * nodes
    log_ratio = stats.norm(m, s).logpdf(z1) - stats.norm(c * z2, r).logpdf(z1)
    yield "Gauss-Hermite over z1 and z2", weights @ log_ratio @ weights
    eps = np.random.default_rng(0).standard_normal((2, 200_000))
    z1 = m + s * eps[0]
    z2 = a * z1 + t * eps[1]
    found = Layer(z1, (m, 2 * np.log(s)), (c * z2, 2 * np.log(r))).log_ratio()
    yield "Monte Carlo, by our HVAE's layer", found.mean(), stats.sem(found)


@claim(
    r"\mathcal{N}(z; \mu', \sigma'^2) \, \mathcal{N}(z; \mu_p, \sigma_p^2) \propto "
    r"\mathcal{N}(z; \mu_q, \sigma_q^2), \ \sigma_q^{-2} = \sigma'^{-2} + \sigma_p^{-2}, \ "
    r"\mu_q = \sigma_q^2 (\mu' \sigma'^{-2} + \mu_p \sigma_p^{-2})",
    source="Sønderby et al. 2016: the ladder's precision-weighted combination",
    given="mu' = 1, sigma' = .5, mu_p = -.4, sigma_p = 1.2",
    tolerance=1e-9,
    because="quadrature of smooth functions",
    mistakes={
        "weighted by the variances": lambda m, s, n, t: (
            (m * s**2 + n * t**2) / (s**2 + t**2), 1 / np.sqrt(s**-2 + t**-2)
        ),
        "the variances added, as of a sum": lambda m, s, n, t: (
            (m / s**2 + n / t**2) / (s**-2 + t**-2), np.hypot(s, t)
        ),
        "1 / sigma as the precision": lambda m, s, n, t: (
            (m / s + n / t) / (1 / s + 1 / t), 1 / (1 / s + 1 / t)
        ),
        "the plain mean of both": lambda m, s, n, t: ((m + n) / 2, (s + t) / 2),
    },
)  # fmt: skip
def precision_weighted_combination(
    formula: Formula = lambda m, s, n, t: (
        (m / s**2 + n / t**2) / (s**-2 + t**-2), 1 / np.sqrt(s**-2 + t**-2)
    ),
) -> Routes:  # fmt: skip
    """The ladder multiplies what the image says of z1 by its prior: precisions add up."""
    m, s, n, t = 1.0, 0.5, -0.4, 1.2
    yield "closed form", formula(m, s, n, t)
    moments = [
        integrate.quad(lambda z: z**k * stats.norm.pdf(z, m, s) * stats.norm.pdf(z, n, t), -9, 9)[0]  # noqa: B023
        for k in range(3)
    ]
    mean = moments[1] / moments[0]
    yield "quadrature", (mean, np.sqrt(moments[2] / moments[0] - mean**2))
    mu, logvar = combined((m, 2 * np.log(s)), (n, 2 * np.log(t)))
    yield "our HVAE", (mu, np.exp(logvar / 2))


FREE = 2.0  # nats


@claim(
    r"\frac{\partial}{\partial \mu_i} \max(\lambda, \frac{1}{N} \sum_i \mathrm{KL}_i) = "
    r"\frac{\mu_i}{N} [\frac{1}{N} \sum_i \mathrm{KL}_i > \lambda]",
    source="Kingma et al. 2016, free bits: the mean over the minibatch is within the maximum",
    given="lambda = 2 nats; KL_i = mu_i^2 / 2 of two images: (.5, 4.5), and (.5, 2.88)",
    tolerance=1e-7,
    because="central differences with h = 1e-5 of a square",
    mistakes={
        "the maximum of each image": lambda mu: mu / 2 * (mu**2 / 2 > FREE),
        "lambda as the most, not the least": lambda mu: mu / 2 * ((mu**2).mean() / 2 < FREE),
        "no gradient is lost": lambda mu: mu / 2,
        "the sum over the batch": lambda mu: mu / 2 * ((mu**2).sum() / 2 > FREE),
    },
)
def gradient_of_free_bits(
    formula: Formula = lambda mu: mu / 2 * ((mu**2).mean() / 2 > FREE),
) -> Routes:
    """Below `free_bits` a layer's KL has no gradient; above it, the one that it always had."""
    batches = [np.array([1.0, 3.0]), np.array([1.0, 2.4])]
    yield "closed form", [formula(mu) for mu in batches]
    leaves = [Tensor(mu, requires_grad=True) for mu in batches]
    yield "our engine", [grad(_charged(leaf), leaf).numpy() for leaf in leaves]
    steps = 1e-5 * np.eye(2)
    yield (
        "finite differences",
        [[(_charged(mu + h) - _charged(mu - h)) / 2e-5 for h in steps] for mu in batches],
    )


def _charged(mu):
    """max(lambda, KL), as an HVAE's loss has it."""
    return maximum((mu * mu).mean() / 2, FREE)
