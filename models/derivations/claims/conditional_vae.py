"""Claims about a VAE that is told the class (Sohn, Lee & Yan 2015; Kingma et al. 2014).

The model is the linear one of `claims.vae`, with a shift for each of two classes: z ~ N(0, 1) and
x|z, y ~ N(w (z + u_y), sigma^2), so x|y ~ N(w u_y, w^2 + sigma^2).
"""

from typing import Any

import numpy as np
from scipy import integrate, special, stats

from autograd import nn, one_hot
from models.autoencoders.cvae import CVAE, beside
from models.derivations.claim import Formula, Routes, claim
from models.derivations.claims.vae import (
    Q_MU,
    Q_SIGMA,
    SIGMA,
    W,
    X,
    divergence,
    expected_log_p,
    linear,
)

SHIFT = np.array([0.0, 1.2])  # u_y
SHARE = np.array([0.8, 0.2])  # p(y)
DEVIATION = np.hypot(W, SIGMA)  # of x|y


def linear_cvae(model: type[CVAE] = CVAE) -> Any:
    """Our CVAE as this model, or an M2: q(z|x, y) = N(Q_MU, Q_SIGMA^2) for every x and y."""
    cvae = linear(model, classes=2)
    weight = [[1, *SHIFT], [-1, *-SHIFT]]  # w relu(z + u) - w relu(-z - u) = w (z + u)
    cvae.decoder.steps[0].weight.data[...] = weight
    return cvae


def _images(n: int) -> np.ndarray:
    return np.full((n, 1), X, np.float32)


@claim(
    r"\log p(x|y) \geq \mathbb{E}_{q(z|x, y)}[\log p(x|z, y)] - \mathrm{KL}(q(z|x, y) \| p(z))",
    source="Sohn, Lee & Yan 2015, section 4, with a prior that is independent of the class",
    given="the second class, and a q that is not the posterior; each route is at most the next",
    relation="<=",
    tolerance=1e-9,
    because="closed forms; the first route is Monte Carlo",
    mistakes={
        "without the KL": lambda reconstruction, kl: reconstruction,
        "the KL added": lambda reconstruction, kl: reconstruction + kl,
        "log p(x, y) in the place of log p(x|y)": lambda reconstruction, kl: (
            reconstruction - kl + np.log(SHARE[1])
        ),
    },
)
def conditional_elbo_is_a_bound(
    formula: Formula = lambda reconstruction, kl: reconstruction - kl,
) -> Routes:
    """Told the class, the ELBO bounds log p(x|y): the class costs nothing."""
    n, y = 100_000, 1
    found = linear_cvae().given(n, np.full(n, y)).bound(_images(n), np.random.default_rng(0))
    each = -found["negative_elbo"].astype(float)
    yield "ELBO of our CVAE, Monte Carlo", each.mean(), stats.sem(each)
    shifted = expected_log_p(Q_MU + SHIFT[y], Q_SIGMA)
    yield "ELBO, closed form", formula(shifted, divergence(Q_MU, Q_SIGMA))
    joint = lambda z: stats.norm.pdf(z) * stats.norm.pdf(X, W * (z + SHIFT[y]), SIGMA)  # noqa: E731
    yield "log p(x|y), quadrature", np.log(integrate.quad(joint, -12, 12)[0])
    yield "log p(x|y), closed form", stats.norm.logpdf(X, W * SHIFT[y], DEVIATION)


@claim(
    r"p(y|x) = \frac{p(y) \, p(x|y)}{\sum_{y'} p(y') \, p(x|y')}",
    source="Bishop 2006, eq. 1.82",
    given="the linear model, two classes with the shares .8 and .2",
    tolerance=0.005,
    because="log p(x|y) of our CVAE is an estimate with 20,000 samples, for 20 images",
    mistakes={
        "the shares of the classes ignored": lambda log_p, share: special.softmax(log_p),
        "the class that is likelier, alone": lambda log_p, share: np.eye(2)[np.argmax(log_p)],
        "the joint, not normalised": lambda log_p, share: np.exp(log_p) * share,
    },
)
def class_by_bayes(
    formula: Formula = lambda log_p, share: special.softmax(log_p + np.log(share)),
) -> Routes:
    """With the share of each class, the densities of a conditional model are a classifier."""
    log_p = stats.norm.logpdf(X, W * SHIFT, DEVIATION)
    yield "closed form", formula(log_p, SHARE)

    def joint(y: int) -> float:
        density = lambda z: stats.norm.pdf(z) * stats.norm.pdf(X, W * (z + SHIFT[y]), SIGMA)  # noqa: E731
        return SHARE[y] * integrate.quad(density, -12, 12)[0]

    both = np.array([joint(0), joint(1)])
    yield "quadrature", both / both.sum()
    cvae, ours = linear_cvae(), []
    for y in range(2):
        told = cvae.given(20, np.full(20, y))
        ours.append(told.log_prob(_images(20), np.random.default_rng(0), 20_000).mean())
    yield "our CVAE", special.softmax(ours + np.log(SHARE))


@claim(
    r"A \, [h; e_y] = A_h h + a_y",
    source="Goodfellow, Bengio & Courville 2016, Deep Learning, section 6.1",
    given="h of 3 numbers, 4 classes, y = 2: e_y has a 1 in the place of the class",
    tolerance=1e-6,
    because="our layer computes in float32, which has 7 digits",
    mistakes={
        "the label as a number": lambda a, h, y: a[:, :3] @ h + a[:, 3] * y,
        "the classes counted from 1": lambda a, h, y: a[:, :3] @ h + a[:, 3 + y - 1],
        "the label multiplied into h": lambda a, h, y: a[:, :3] @ h * a[:, 3 + y],
    },
)
def label_is_a_shift(formula: Formula = lambda a, h, y: a[:, :3] @ h + a[:, 3 + y]) -> Routes:
    """A label beside the input of a layer is a bias of its own for each class."""
    layer = nn.Linear(7, 2, np.random.default_rng(0))
    layer.bias.data[...] = 0
    h, y = np.array([0.3, -1.0, 0.5], np.float32), 2
    a = layer.weight.numpy().astype(float)
    yield "closed form", formula(a, h, y)
    yield "our layer", layer(beside(h[None], one_hot(np.array([y]), 4))).numpy()[0]
    different = [a @ np.concatenate([h, e]) for e in np.eye(4)]
    yield "a product with each e_y, and the one of y", different[y]
