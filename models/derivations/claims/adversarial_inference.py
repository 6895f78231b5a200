"""Claims about a GAN whose discriminator judges pairs (x, z): BiGAN and ALI."""

import itertools
import math

import numpy as np
from scipy import optimize, stats

from autograd import Tensor, grad
from models.adversarial.losses import LOSSES
from models.derivations.claim import Formula, Routes, claim

ENCODED = np.array([[0.30, 0.10, 0.10], [0.05, 0.15, 0.30]])
"""p(x) q(z|x) of two images and three codes: the pairs (x, E(x))."""
GENERATED = np.array([[0.10, 0.10, 0.30], [0.25, 0.15, 0.10]])
"""p(z) p(x|z) of the same: the pairs (G(z), z). The marginals of x and of z are equal."""


def _kl(p: np.ndarray, q: np.ndarray) -> float:
    """Of discrete distributions, in nats, with 0 log 0 = 0."""
    some = p > 0
    return float((p[some] * np.log(p[some] / q[some])).sum())


def _js(p: np.ndarray, q: np.ndarray) -> float:
    return (_kl(p, (p + q) / 2) + _kl(q, (p + q) / 2)) / 2


def _value_of_best_discriminator(p: np.ndarray, q: np.ndarray) -> float:
    """V of the logits that minimise the loss of our GAN's discriminator, one for each pair."""

    def loss(logits: np.ndarray) -> tuple[float, np.ndarray]:
        s = Tensor(logits, requires_grad=True)
        real, fake = LOSSES["minimax"].discriminator(s, s)
        total = (p.ravel() * real + q.ravel() * fake).sum()
        return total.item(), grad(total, s).numpy()

    found = optimize.minimize(loss, np.zeros(p.size), jac=True, options={"gtol": 1e-10})
    return -found.fun


@claim(
    r"\max_D V(D, E, G) = 2 \, \mathrm{JS}(q(x, z) \| p(x, z)) - \log 4",
    source="Donahue, Krähenbühl & Darrell 2017, Adversarial Feature Learning",
    given="two images and three codes, with equal marginals: V = -1.156544",
    tolerance=1e-8,
    because="a quasi-Newton search ends where the slope is 1e-10",
    mistakes={
        "JS of the images alone, which is 0": lambda q, p: (
            2 * _js(q.sum(1), p.sum(1)) - math.log(4)
        ),
        "JS without the factor 2": lambda q, p: _js(q, p) - math.log(4),
        "KL instead of JS": lambda q, p: 2 * _kl(q, p) - math.log(4),
        "JS of images plus JS of codes": lambda q, p: (
            2 * (_js(q.sum(0), p.sum(0)) + _js(q.sum(1), p.sum(1))) - math.log(4)
        ),
    },
)
def value_of_the_game_of_pairs(
    formula: Formula = lambda q, p: 2 * _js(q, p) - math.log(4),
) -> Routes:
    """Against the best discriminator of pairs, V is 2 JS - log 4 of the two joint distributions."""
    yield "closed form", formula(ENCODED, GENERATED)
    d = ENCODED / (ENCODED + GENERATED)  # the best D, as for images alone
    value = (ENCODED * np.log(d) + GENERATED * np.log(1 - d)).sum()
    yield "E log D* + E log(1 - D*)", value
    yield "the loss of our GAN, minimised", _value_of_best_discriminator(ENCODED, GENERATED)


@claim(
    r"\mathrm{JS}(q(x) \| p(x)) \leq \mathrm{JS}(q(x, z) \| p(x, z))",
    source="Cover & Thomas 2006, section 2.8, the data-processing inequality",
    given="z ~ N(0, 1), x = z + .5 noise against x = 1 + .3 z + .7 noise, on a grid",
    tolerance=1e-9,
    because="sums of a few hundred numbers",
    relation="<=",
    mistakes={
        "images and codes apart, added": lambda q, p: (
            _js(q.sum(0), p.sum(0)) + _js(q.sum(1), p.sum(1)) + _js(q, p)
        ),
        "log 2, the greatest JS there is": lambda q, p: math.log(2),
    },
)
def a_discriminator_of_pairs_sees_more(
    formula: Formula = lambda q, p: _js(q.sum(1), p.sum(1)),
) -> Routes:
    """A discriminator of images alone is satisfied sooner than one of pairs."""
    t = np.linspace(-6, 7, 200)
    z = stats.norm(0, 1).pdf(t)
    q = z[:, None] * stats.norm(t[:, None], 0.5).pdf(t)  # x = z + noise
    p = z[:, None] * stats.norm(1 + 0.3 * t[:, None], 0.7).pdf(t)
    q, p = (joint.T / joint.sum() for joint in (q, p))
    yield "JS of the images", formula(q, p)
    yield "JS of the pairs", _js(q, p)
    yield "log 2", math.log(2)


@claim(
    r"\max_D V(D, E, G) = -\log 4 \cdot P[G(E(x)) = x]",
    source="Donahue, Krähenbühl & Darrell 2017: a BiGAN is an autoencoder with an l0 loss",
    given="four images, four codes, G one-to-one, and each of the 256 functions E",
    tolerance=1e-9,
    because="sums of sixteen numbers",
    mistakes={
        "the share that is not restored": lambda share: -math.log(4) * (1 - share),
        "log 2": lambda share: -math.log(2) * share,
        "the share squared": lambda share: -math.log(4) * share**2,
    },
)
def value_counts_what_is_restored(
    formula: Formula = lambda share: -math.log(4) * share,
) -> Routes:
    """Of one-to-one generators and equally likely images, only an E that inverts G is optimal."""
    n, generator = 4, np.array([2, 0, 3, 1])
    encoders = np.array(list(itertools.product(range(n), repeat=n)))
    restored = (generator[encoders] == np.arange(n)).mean(1)  # of each E, the share of images
    yield "closed form", formula(restored)
    p = np.zeros((n, n))
    p[generator, np.arange(n)] = 1 / n  # the pairs (G(z), z)
    values = []
    for encoder in encoders:
        q = np.zeros((n, n))
        q[np.arange(n), encoder] = 1 / n  # the pairs (x, E(x))
        values.append(2 * _js(q, p) - math.log(4))
    yield "2 JS - log 4 of the pairs", np.array(values)
    encoded = np.eye(n)[encoders] / n  # their pairs again, of all encoders at once
    yield "-log 4 times the overlap", -math.log(4) * np.minimum(encoded, p).sum((1, 2))


@claim(
    r"V = -\log 4 \ \mathrm{for \ any} \ \delta, \quad P[\hat{x} = x] = \delta^2 + (1 - \delta)^2",
    source="Li et al. 2017, ALICE: Towards Understanding Adversarial Learning",
    given="x and z of 0 or 1, q(z = x|x) = p(x = z|z) = delta, delta from 0 to 1",
    tolerance=1e-9,
    because="sums of four numbers; Monte Carlo has its standard error",
    mistakes={
        "delta, as if the decoder were right": lambda delta: delta,
        "delta squared: both right": lambda delta: delta**2,
        "1, since the joints are equal": lambda delta: np.ones_like(delta),
    },
)
def matched_joints_need_not_reconstruct(
    formula: Formula = lambda delta: delta**2 + (1 - delta) ** 2,
) -> Routes:
    """If encoder and generator are noisy, equal joints do not make reconstructions faithful."""
    delta, n = np.array([0.0, 0.1, 0.5, 0.8, 1.0]), 40_000
    yield "closed form, share restored", formula(delta)
    shares = []
    for d in delta:
        noisy = np.array([[d, 1 - d], [1 - d, d]])  # q(z|x), and p(x|z) too
        q, p = 0.5 * noisy, 0.5 * noisy.T  # the joints, (x, z): equal, so V = -log 4
        optimal = abs(_value_of_best_discriminator(q, p) + math.log(4)) < 1e-8
        shares.append(np.trace(noisy @ noisy) / 2 if optimal else math.nan)
    yield "by q(z|x) p(x'|z), where V is -log 4", np.array(shares)
    rng = np.random.default_rng(0)
    x = rng.integers(2, size=(n, 1))
    z = np.where(rng.random((n, len(delta))) < delta, x, 1 - x)
    again = np.where(rng.random(z.shape) < delta, z, 1 - z) == x
    yield "Monte Carlo", again.mean(0), stats.sem(again, axis=0)
