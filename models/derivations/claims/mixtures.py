"""Claims about mixtures and EM, and about what a VAE has in common with them."""

from typing import Any

import numpy as np
from scipy import stats

from autograd import Tensor, grad, logsumexp, slogdet, solve, stack
from models.densities.gmm import GMM, Settings
from models.derivations.claim import Formula, Routes, claim

X = np.array([[0.3, 1.1], [-1.2, 0.4], [2.0, -0.7], [0.1, -0.5], [1.4, 0.9]])
PI = np.array([0.3, 0.7])
MEANS = np.array([[0.0, 0.5], [1.0, -0.5]])
COVARIANCES = np.array([[[1.0, 0.3], [0.3, 0.6]], [[0.8, -0.2], [-0.2, 1.2]]])


def _log_normal(x: Any, mean: Any, covariance: Any) -> Any:
    """log N(x | mean, covariance) of x (N, D), by our engine: (N,)."""
    d = (x - mean).transpose()
    squares = (d * solve(covariance, d)).sum(axis=0)
    return -0.5 * (squares + slogdet(covariance)[1] + len(d) * np.log(2 * np.pi))


def _joint(pi=PI, means=MEANS, covariances=COVARIANCES) -> np.ndarray:
    """pi_k N(x_n | k) by scipy, (N, K)."""
    parts = zip(pi, means, covariances)
    return np.stack([p * stats.multivariate_normal(m, c).pdf(X) for p, m, c in parts], axis=1)


R = _joint() / _joint().sum(axis=1, keepdims=True)


@claim(
    r"\frac{\partial \log p(x_n)}{\partial \log \pi_k \mathcal{N}(x_n | k)} = "
    r"\frac{\pi_k \mathcal{N}(x_n | k)}{\sum_j \pi_j \mathcal{N}(x_n | j)} = r_{nk}",
    source="Bishop 2006, section 9.2",
    given="five points of the plane and two Gaussians",
    tolerance=1e-8,
    because="central differences with h = 1e-5 are exact to h^2",
    mistakes={
        "the weights pi are forgotten": lambda joint: (
            joint / PI / (joint / PI).sum(1, keepdims=True)
        ),
        "normalised over the points": lambda joint: joint / joint.sum(0),
        "the most probable component only": lambda joint: (
            joint == joint.max(1, keepdims=True)
        ).astype(float),
    },
)
def responsibilities_are_a_gradient(
    formula: Formula = lambda joint: joint / joint.sum(axis=1, keepdims=True),
) -> Routes:
    """The E step is the gradient of a logsumexp: the posterior of the component."""
    joint = _joint()
    yield "Bayes", formula(joint)
    scores = Tensor(np.log(joint), requires_grad=True)
    yield "our gradient", grad(logsumexp(scores, axis=1).sum(), scores).data
    h, s = 1e-5, np.log(joint)
    step = h * np.eye(2)[:, None]
    ways = [logsumexp(s + sign * step, axis=2) for sign in (1, -1)]
    yield "finite differences", ((ways[0] - ways[1]) / (2 * h)).T


@claim(
    r"\mu_k' = \mu_k + \frac{1}{N_k} \Sigma_k \frac{\partial \log p(x)}{\partial \mu_k} = "
    r"\frac{1}{N_k} \sum_n r_{nk} x_n",
    source="Xu & Jordan 1996, On convergence properties of the EM algorithm for Gaussian mixtures",
    given="five points of the plane and two Gaussians",
    tolerance=1e-9,
    because="only rounding differs",
    mistakes={
        "the covariance is forgotten": lambda m, c, g: m + g / R.sum(0)[:, None],
        "divided by N, not by N_k": lambda m, c, g: m + np.einsum("kij,kj->ki", c, g) / len(X),
        "down the gradient": lambda m, c, g: m - np.einsum("kij,kj->ki", c, g) / R.sum(0)[:, None],
    },
)
def em_is_a_scaled_gradient_step(
    formula: Formula = lambda m, c, g: m + np.einsum("kij,kj->ki", c, g) / R.sum(0)[:, None],
) -> Routes:
    """The M step of a mean is a step along the gradient that needs no learning rate."""
    means = [Tensor(m, requires_grad=True) for m in MEANS]
    scores = [np.log(p) + _log_normal(X, m, c) for p, m, c in zip(PI, means, COVARIANCES)]
    log_p = logsumexp(stack(scores, axis=1), axis=1).sum()
    gradients = np.stack([g.data for g in grad(log_p, means)])
    yield "a step along our gradient", formula(MEANS, COVARIANCES, gradients)
    yield "the weighted mean", R.T @ X / R.sum(axis=0)[:, None]


@claim(
    r"\log p(x) = \sum_k q_k \log \frac{p(x, k)}{q_k} + \mathrm{KL}(q \| p(k | x))",
    source="Bishop 2006, section 9.4",
    given="five points, two Gaussians; q the exact posterior, and q = (1/4, 3/4) for each point",
    tolerance=1e-12,
    because="only rounding differs",
    mistakes={
        "the entropy of q is forgotten": lambda q, joint: (q * np.log(joint)).sum(1),
        "the entropy has the wrong sign": lambda q, joint: (q * np.log(joint * q)).sum(1),
        "the prior in the place of the joint": lambda q, joint: (q * np.log(PI / q)).sum(1),
    },
)
def a_vae_with_a_discrete_z_has_an_exact_bound(
    formula: Formula = lambda q, joint: (q * np.log(joint / q)).sum(axis=1),
) -> Routes:
    """EM is a VAE's bound with the posterior as q: where q is exact, the ELBO is log p(x)."""
    joint = _joint()
    yield "the ELBO with the posterior as q", formula(R, joint)
    yield "log p(x), our logsumexp", logsumexp(np.log(joint), axis=1)
    q = np.broadcast_to([0.25, 0.75], joint.shape)
    yield "the ELBO with another q, and its KL", formula(q, joint) + stats.entropy(q, R, axis=1)


@claim(
    r"\nabla_\theta \log p(x) = \sum_k r_k \nabla_\theta \log p(x, k)",
    source="Bishop 2006, section 9.4",
    given="five points; the means and the covariances of two Gaussians",
    tolerance=1e-7,
    because="central differences with h = 1e-5 are exact to h^2",
    mistakes={
        "the weights pi in the place of r": lambda scores: (PI * stack(scores, axis=1)).sum(),
        "the most probable component only": lambda scores: (
            (R > 0.5) * stack(scores, axis=1)
        ).sum(),
        "log p(x, k) summed over k": lambda scores: stack(scores, axis=1).sum(),
    },
)
def a_vaes_step_ends_where_em_does(
    formula: Formula = lambda scores: (R * stack(scores, axis=1)).sum(),
) -> Routes:
    """With the posterior as q the ELBO has the gradient of log p(x): both are 0 at one place."""
    leaves = [Tensor(a, requires_grad=True) for a in (*MEANS, *COVARIANCES)]

    def scores(m_0: Any, m_1: Any, c_0: Any, c_1: Any) -> list:
        parts = zip(PI, (m_0, m_1), (c_0, c_1))
        return [np.log(p) + _log_normal(X, m, c) for p, m, c in parts]

    def log_p(*parameters: Any) -> Any:
        return logsumexp(stack(scores(*parameters), axis=1), axis=1).sum()

    flat = lambda gradients: np.concatenate([g.data.ravel() for g in gradients])  # noqa: E731
    yield "of the ELBO, r held", flat(grad(formula(scores(*leaves)), leaves))
    yield "of log p(x)", flat(grad(log_p(*leaves), leaves))
    slopes, h = [], 1e-5
    for i, leaf in enumerate(leaves):
        for at in np.ndindex(leaf.shape):
            ways = [[other.data.copy() for other in leaves] for _ in range(2)]
            ways[0][i][at] += h
            ways[1][i][at] -= h
            slopes.append((log_p(*ways[0]) - log_p(*ways[1])) / (2 * h))
    yield "finite differences", np.array(slopes)


@claim(
    r"\log p(X | \theta_t) \leq \log p(X | \theta_{t+1})",
    source="Dempster, Laird & Rubin 1977, theorem 1",
    given="100 points; the sixth step of a mixture of two, which begins with k-means++",
    tolerance=1e-9,
    because="the floor of 1e-9 under the variances changes log p by less than that",
    relation="<=",
    mistakes={
        "the weights pi in the place of r": lambda joint: np.tile(PI, (len(joint), 1)),
        "each component gets each point whole": np.ones_like,
        "normalised over the points": lambda joint: joint / joint.sum(axis=0),
    },
)
def em_never_lowers_the_likelihood(
    formula: Formula = lambda joint: joint / joint.sum(axis=1, keepdims=True),
) -> Routes:
    """A step of EM raises the likelihood, or leaves it where it is."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, 2)) + np.where(np.arange(100) < 30, 1.5, -1.0)[:, None]
    model = GMM(Settings(components=2, floor=1e-9), (2,), 0, rng)
    for p in model.parameters().values():
        p.data = p.data.astype(np.float64)
    model.start(x, rng)
    for _ in range(5):
        model.update(x, rng, 0.0, None, {})
    joint = np.exp(model.log_joint(x).data)
    yield "before", np.log(joint.sum(axis=1)).sum()
    model.m_step(x, formula(joint))
    yield "after a step of our mixture", np.log(np.exp(model.log_joint(x).data).sum(axis=1)).sum()


@claim(
    r"\lim_{\sigma \to 0} [\log p(X | \sigma / e) - \log p(X | \sigma)] = D",
    source="Bishop 2006, section 9.2.1",
    given="one Gaussian of N(x_1, sigma^2 I) on one of five points of D = 2; another for all",
    tolerance=1e-6,
    because="the other points get no more than exp(-1e4) from the narrow one",
    mistakes={
        "the likelihood has a maximum": lambda dimensions: 0.0,
        "sigma^2 counts, not sigma": lambda dimensions: dimensions / 2,
        "a probability is below 1, and cannot grow so": lambda dimensions: -dimensions,
    },
)
def the_likelihood_has_no_maximum(formula: Formula = lambda dimensions: dimensions) -> Routes:
    """A component that collapses on one point makes the likelihood as large as one likes."""

    def log_p(sigma: float) -> Any:
        narrow = _log_normal(X, X[0], sigma**2 * np.eye(2))
        wide = _log_normal(X, X.mean(axis=0), np.cov(X.T))
        return logsumexp(np.log(PI) + stack([narrow, wide], axis=1), axis=1).sum()

    yield "closed form", float(formula(2))
    yield "sigma = 1e-5 and 1e-5 / e, our logsumexp", log_p(1e-5 / np.e) - log_p(1e-5)
