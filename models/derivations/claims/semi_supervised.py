"""Claims about learning from few labels (Kingma, Rezende, Mohamed & Welling 2014, the model M2).

The model is that of `claims.conditional_vae`, with p(y) = 1/2 for both classes.
"""

from typing import Any

import numpy as np
from scipy import integrate, optimize, special, stats

from autograd import Tensor, exp, grad, log_softmax
from models.autoencoders.m2 import M2
from models.derivations.claim import Formula, Routes, claim
from models.derivations.claims.conditional_vae import SHIFT, linear_cvae
from models.derivations.claims.vae import (
    Q_MU,
    Q_SIGMA,
    SIGMA,
    W,
    X,
    divergence,
    expected_log_p,
)

LOGITS = np.array([0.9, -0.4])  # of q(y|x)
Q = special.softmax(LOGITS)
BOUNDS = np.log(0.5) + np.array(  # -L(x, y), of log p(x, y), for each class
    [expected_log_p(Q_MU + shift, Q_SIGMA) - divergence(Q_MU, Q_SIGMA) for shift in SHIFT]
)


def _linear_m2() -> Any:
    """Our M2 as this model, with q(y|x) = Q for every x."""
    m2 = linear_cvae(M2)
    m2.classifier.steps[1].bias.data[...] = LOGITS
    return m2


def _unlabelled(bounds: np.ndarray, q: np.ndarray) -> float:
    """-U(x)."""
    return (q * (bounds - np.log(q))).sum()


@claim(
    r"-U(x) = \sum_y q(y|x) (-L(x, y)) + H(q(y|x))",
    source="Kingma et al. 2014, eq. 7",
    given="the linear model, and a q(y|x) and a q(z|x, y) that are not the posteriors",
    tolerance=1e-6,
    because="the quadrature is exact to 1e-9, and the first route is Monte Carlo",
    mistakes={
        "without the entropy": lambda bounds, q: (q * bounds).sum(),
        "the entropy subtracted": lambda bounds, q: (q * (bounds + np.log(q))).sum(),
        "the likeliest class alone": lambda bounds, q: bounds[q.argmax()],
        "each class as likely": lambda bounds, q: bounds.mean() + np.log(2),
    },
)
def unlabelled_bound(formula: Formula = _unlabelled) -> Routes:
    """Without a label, each class counts by its share of q(y|x), and to be unsure is rewarded."""
    images = np.full((100_000, 1), X, np.float32)
    each = -_linear_m2().unlabelled_bound(images, np.random.default_rng(0)).numpy().astype(float)
    yield "our M2, Monte Carlo", each.mean(), stats.sem(each)
    yield "closed form", formula(BOUNDS, Q)

    def integrand(z: float, y: int) -> float:
        """q(y, z|x) log p(x, y, z) / q(y, z|x)."""
        log_q = np.log(Q[y]) + stats.norm.logpdf(z, Q_MU, Q_SIGMA)
        log_p = np.log(0.5) + stats.norm.logpdf(z) + stats.norm.logpdf(X, W * (z + SHIFT[y]), SIGMA)
        return np.exp(log_q) * (log_p - log_q)

    ends = Q_MU - 12 * Q_SIGMA, Q_MU + 12 * Q_SIGMA
    both = [integrate.quad(integrand, *ends, args=(y,))[0] for y in range(2)]
    yield "E_q log p(x, y, z) / q(y, z|x), quadrature", sum(both)


@claim(
    r"\arg\max_q \sum_y q_y (-L_y) + H(q) = \mathrm{softmax}(-L)",
    source="Kingma et al. 2014, eq. 7; Wainwright & Jordan 2008, on its conjugate duality",
    given="the linear model's bounds of both classes",
    tolerance=1e-5,
    because="BFGS stops at a small gradient, and the search has steps of 1e-6",
    mistakes={
        "all on the best class": lambda bounds: np.eye(2)[bounds.argmax()],
        "softmax of L, which is a loss": lambda bounds: special.softmax(-bounds),
        "the bounds in proportion": lambda bounds: bounds / bounds.sum(),
        "the prior p(y)": lambda bounds: np.full(2, 0.5),
    },
)
def best_classifier(formula: Formula = special.softmax) -> Routes:
    """The images without labels teach q(y|x) which class has the better bound: Bayes' rule."""
    yield "closed form", formula(BOUNDS)

    def loss(logits: np.ndarray) -> tuple[float, np.ndarray]:
        t = Tensor(logits, requires_grad=True)
        log_q = log_softmax(t)
        u = (exp(log_q) * (log_q - BOUNDS)).sum()
        return u.item(), grad(u, t).data

    found = optimize.minimize(loss, LOGITS, jac=True, tol=1e-12)
    yield "gradients of our engine, and BFGS", special.softmax(found.x)
    shares = np.linspace(1e-6, 1 - 1e-6, 1_000_001)
    values = shares * BOUNDS[0] + (1 - shares) * BOUNDS[1] + stats.bernoulli.entropy(shares)
    yield "a search through a million q", shares[values.argmax()] * np.array([1, -1]) + [0, 1]


@claim(
    r"-J^\alpha = \log p(x|y)_{\mathrm{bound}} + \log p(y) + \alpha \log q(y|x)",
    source="Kingma et al. 2014, eqs. 6, 8 and 9, for an image of which the class is known",
    given="the linear model, the second class, alpha = 0.1",
    tolerance=1e-6,
    because="the first route is Monte Carlo, the others are closed forms",
    mistakes={
        "without p(y)": lambda elbo, log_q: elbo + 0.1 * log_q,
        "log q(y|x) subtracted": lambda elbo, log_q: elbo + np.log(0.5) - 0.1 * log_q,
        "q(y|x), not its logarithm": lambda elbo, log_q: elbo + np.log(0.5) + 0.1 * np.exp(log_q),
        "the bound weighted by q(y|x)": lambda elbo, log_q: (
            np.exp(log_q) * (elbo + np.log(0.5)) + 0.1 * log_q
        ),
    },
)
def objective_with_all_labels(
    formula: Formula = lambda elbo, log_q: elbo + np.log(0.5) + 0.1 * log_q,
) -> Routes:
    """With every label known M2 is a CVAE beside a classifier: no gradient goes between them."""
    m2, n, y = _linear_m2(), 100_000, 1
    images, labels = np.full((n, 1), X, np.float32), np.full(n, y)
    m2.batch_of_known = lambda rng: (images, labels)
    loss, _ = m2.loss(images, np.random.default_rng(0))
    each = m2.given(n, labels).bound(images, np.random.default_rng(0))["negative_elbo"]
    yield "our M2's loss, Monte Carlo", -loss.item(), stats.sem(each)
    yield "closed form", formula(BOUNDS[y] - np.log(0.5), np.log(Q[y]))
    yield "-L(x, y), and the cross-entropy", BOUNDS[y] - 0.1 * stats.entropy([0, 1], Q)
