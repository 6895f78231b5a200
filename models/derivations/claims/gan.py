"""Claims about the game of generative adversarial networks (Goodfellow et al. 2014)."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from scipy import integrate, optimize, special, stats

from autograd import Tensor, bce_with_logits, grad, norm
from models.adversarial.gan import GAN, Settings
from models.adversarial.losses import LOSSES
from models.adversarial.networks import Discriminator
from models.derivations.claim import Formula, Routes, claim


class _Critic(Discriminator):
    """Any function of x instead of a network."""

    def __init__(self, f: Callable):
        self.f = f

    def forward(self, x: Any, classes: Any = None) -> Tensor:
        return self.f(x)


def _gan(critic: Callable | None = None, **settings: Any) -> GAN:
    """An untrained GAN for points of the plane, with this critic if one is given."""
    model = GAN(Settings(network="mlp", **settings), (2,), 0, np.random.default_rng(0))
    if critic:
        model.discriminator = _Critic(critic)
    return model


P, Q = np.array([0.5, 0.3, 0.1, 0.1]), np.array([0.1, 0.3, 0.2, 0.4])
"""The probabilities of four outcomes, for the data and for the samples."""


def _best_discriminator(a: float, b: float) -> Routes:
    """The best D of each outcome, where a is the target for data and b the target for samples."""

    def cross_entropy(target: float, d: float) -> float:
        return -target * math.log(d) - (1 - target) * math.log(1 - d)

    def best(p: float, q: float) -> float:
        def loss(d: float) -> float:
            return p * cross_entropy(a, d) + q * cross_entropy(b, d)

        return optimize.minimize_scalar(loss, bounds=(1e-9, 1 - 1e-9), options={"xatol": 1e-12}).x

    yield "the smallest loss, outcome by outcome", [best(p, q) for p, q in zip(P, Q)]
    # Ten samples of each kind, as one-hot outcomes, and a logit for each outcome.
    real, fake = (np.repeat(np.eye(4), np.rint(10 * w).astype(int), axis=0) for w in (P, Q))

    def slopes(logits: np.ndarray) -> np.ndarray:
        s = Tensor(logits, requires_grad=True)
        model = _gan(lambda x: x @ s, real_target=a, fake_target=b)
        loss, _ = model.discriminator_loss(real, fake, None, np.random.default_rng(0))
        return grad(loss, s).data

    logits = optimize.root(slopes, np.zeros(4), tol=1e-12).x
    yield "the loss of our GAN, where its gradient is 0", special.expit(logits)


@claim(
    r"D^* = \arg\max_D [p \log D + q \log(1 - D)] = \frac{p}{p + q}",
    source="Goodfellow et al. 2014, proposition 1",
    given="four outcomes with p = (.5, .3, .1, .1) and q = (.1, .3, .2, .4)",
    tolerance=1e-6,
    because="a search finds a minimum up to the root of the rounding error, 1e-8",
    mistakes={
        "q in the numerator: the probability of a sample": lambda p, q: q / (p + q),
        "the ratio itself, which is D / (1 - D)": lambda p, q: p / q,
        "the ratio as the logit, not its logarithm": lambda p, q: special.expit(p / q),
    },
)
def optimal_discriminator(formula: Formula = lambda p, q: p / (p + q)) -> Routes:
    """The best discriminator is p / (p + q)."""
    # p / D - q / (1 - D) = 0 where D (p + q) = p; the second derivative is negative
    yield "closed form", formula(P, Q)
    yield from _best_discriminator(1.0, 0.0)


@claim(
    r"D^* = \frac{a p + b q}{p + q} \ \mathrm{for \ the \ targets} \ a \ \mathrm{and} \ b",
    source="Salimans et al. 2016, section 3.4",
    given="a = .9 for data and b = .1 for samples; one-sided smoothing has b = 0",
    tolerance=1e-6,
    because="a search finds a minimum up to the root of the rounding error, 1e-8",
    mistakes={
        "the target of samples forgotten": lambda p, q, a, b: a * p / (p + q),
        "the targets as weights": lambda p, q, a, b: a * p / (a * p + (1 - b) * q),
        "the target of samples as 1 - b": lambda p, q, a, b: (a * p + (1 - b) * q) / (p + q),
    },
)
def smoothed_discriminator(
    formula: Formula = lambda p, q, a, b: (a * p + b * q) / (p + q),
) -> Routes:
    """Label smoothing moves the best discriminator to (a p + b q) / (p + q)."""
    a, b = 0.9, 0.1
    # The weight of log D is a p + b q, that of log(1 - D) the rest of p + q: proposition 1. Where
    # p = 0, D* = b: with b > 0, samples far from the data have no reason to move.
    yield "closed form", formula(P, Q, a, b)
    yield from _best_discriminator(a, b)


def _integral(f: Callable[[float], float]) -> float:
    """The integral of a function near 0 that decays like a Gaussian density."""
    return integrate.quad(f, -12, 13, epsabs=1e-13)[0]


def _js(p: Any, q: Any) -> float:
    """The Jensen-Shannon divergence, in nats, of two distributions of scipy."""

    def kl_to_mixture(p: Any, q: Any) -> float:
        log_m = lambda x: np.logaddexp(p.logpdf(x), q.logpdf(x)) - math.log(2)  # noqa: E731
        return _integral(lambda x: p.pdf(x) * (p.logpdf(x) - log_m(x)))

    return (kl_to_mixture(p, q) + kl_to_mixture(q, p)) / 2


@claim(
    r"V(D^*, G) = -\log 4 + 2 \, \mathrm{JS}(p \| q)",
    source="Goodfellow et al. 2014, eq. 6",
    given="p = N(0, 1) and q = N(1, 1): JS = .1114215 and V = -1.163451",
    tolerance=1e-9,
    because="quadrature of a smooth function over 12 sigma is exact to about 1e-12",
    mistakes={
        "JS without the factor 2": lambda js: -math.log(4) + js,
        "log 2, for the mean of the two terms": lambda js: -math.log(2) + 2 * js,
        "the wrong sign of JS": lambda js: -math.log(4) - 2 * js,
    },
)
def value_of_the_game(formula: Formula = lambda js: -math.log(4) + 2 * js) -> Routes:
    """Against the best discriminator, the value of the game is 2 JS - log 4."""
    p, q, n = stats.norm(0, 1), stats.norm(1, 1), 100_000
    yield "closed form", formula(_js(p, q))
    # The logit of D* = p / (p + q) is log p / q = 1/2 - x.
    on_data = _integral(lambda x: p.pdf(x) * special.log_expit(0.5 - x))
    on_samples = _integral(lambda x: q.pdf(x) * special.log_expit(x - 0.5))
    yield "E log D*(x) + E log(1 - D*(G(z)))", on_data + on_samples
    x, z = np.random.default_rng(0).standard_normal((2, n))
    value = -bce_with_logits(0.5 - x, 1.0) - bce_with_logits(0.5 - (1 + z), 0.0)
    yield "Monte Carlo, our cross-entropy", value.mean(), stats.sem(value)


@claim(
    r"D = \frac{1}{2}: \quad L_D = \log 4, \ L_G = \log 2, \ \nabla L_D = 0",
    source="Goodfellow et al. 2014, theorem 1 and section 3",
    given="L_D is the sum of both terms; L_G is -log D(G(z)), or log(1 - D(G(z))) for minimax",
    tolerance=1e-6,
    because="the network computes in float32",
    mistakes={
        "the mean of the two terms of L_D": lambda: [math.log(2), math.log(2), -math.log(2), 0.0],
        "the sign of L_G for minimax": lambda: [math.log(4), math.log(2), math.log(2), 0.0],
        "in bits": lambda: [2.0, 1.0, -1.0, 0.0],
    },
)
def equilibrium_losses(
    formula: Formula = lambda: [math.log(4), math.log(2), -math.log(2), 0.0],
) -> Routes:
    """At equilibrium D is 1/2 everywhere; its loss is log 4, and that of the generator log 2."""
    yield "closed form: L_D, L_G, L_G of minimax, slope of L_D", formula()
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 2)).astype(np.float32)  # data, and samples like them
    model = _gan()
    tensors = model.discriminator.tensors()
    weight, bias = tensors["output.weight"], tensors["output.bias"]
    weight.data[...] = bias.data[...] = 0  # so every logit is 0
    loss, _ = model.discriminator_loss(x, x, None, rng)
    scores = model.discriminator(x)
    pairs = LOSSES["non-saturating"], LOSSES["minimax"]
    of_generator = [pair.generator(scores).mean().item() for pair in pairs]
    slope = norm(grad(loss, weight)).item()
    yield "our GAN, with an output layer of zeros", [loss.item(), *of_generator, slope]
    d = 0.5
    by_hand = [-math.log(d) - math.log(1 - d), -math.log(d), math.log(1 - d)]
    # The slope of L_D is -(1 - D) for the logit of data and D for that of samples; they cancel.
    yield "by definition", [*by_hand, d - (1 - d)]


def _generator_slopes(s: np.ndarray) -> list[np.ndarray]:
    """d/ds of minimax's log(1 - D) and of -log D, where D = sigmoid(s)."""
    return [-special.expit(s), -special.expit(-s)]


@claim(
    r"\frac{d}{ds} \log(1 - \sigma(s)) = -\sigma(s), \quad "
    r"\frac{d}{ds} [-\log \sigma(s)] = -(1 - \sigma(s)), \quad D(G(z)) = \sigma(s)",
    source="Goodfellow et al. 2014, section 3",
    given="logits s from -12 to 3: D(G(z)) from 6e-6 to .95",
    tolerance=1e-8,
    because="central differences: rounding of 1e-15 over 1e-4, and a cubic term of 1e-9",
    mistakes={
        "the derivative by D, not by its logit": lambda s: [
            -1 / special.expit(-s),
            -1 / special.expit(s),
        ],
        "the two swapped": lambda s: _generator_slopes(s)[::-1],
        "the slope of the sigmoid twice": lambda s: [
            slope * special.expit(s) * special.expit(-s) for slope in _generator_slopes(s)
        ],
        "the wrong sign for minimax": lambda s: [special.expit(s), -special.expit(-s)],
    },
)
def saturation(formula: Formula = _generator_slopes) -> Routes:
    """Where D recognises a sample, the minimax gradient vanishes and the other one is largest."""
    s, h = np.array([-12.0, -6.0, -2.0, 0.0, 3.0]), 1e-4
    yield "closed form", formula(s)
    losses = [LOSSES[name].generator for name in ("minimax", "non-saturating")]
    logits = Tensor(s, requires_grad=True)
    slopes = [grad(loss(logits).sum(), logits).data for loss in losses]
    yield "the losses of our GAN, by our engine", slopes

    def both(s: np.ndarray) -> np.ndarray:
        return np.array([special.log_expit(-s), -special.log_expit(s)])

    yield "finite differences", (both(s + h) - both(s - h)) / (2 * h)


@saturation.plot
def _(axes: Axes) -> None:
    s = np.linspace(-10, 6, 200)
    for slope, label in zip(_generator_slopes(s), ("$\\log(1 - D)$: minimax", "$-\\log D$")):
        axes.plot(special.expit(s), -slope, label=label)
    axes.set_xscale("log")
    axes.set_xlabel("$D(G(z))$: left is early in training")
    axes.set_ylabel("size of the gradient for the logit")
    axes.legend(frameon=False)


@claim(
    r"\nabla_\theta \mathbb{E}[-\log D^*] = \nabla_\theta (\mathrm{KL}(q_\theta \| p) - 2 \, "
    r"\mathrm{JS}), \quad \nabla_\theta \mathbb{E}[\log(1 - D^*)] = 2 \nabla_\theta \mathrm{JS}",
    source="Arjovsky & Bottou 2017, theorem 2.5; Goodfellow et al. 2014, eq. 6",
    given="p = N(0, 1), q = N(theta, 1/4) at theta = 1, where D* = p / (p + q) is held fixed",
    tolerance=1e-7,
    because="finite differences of a quadrature: the rounding is 1e-12 over a step of 1e-4",
    mistakes={
        "KL alone": lambda kl, reverse, js: [kl, 2 * js],
        "KL(p || q), as in maximum likelihood": lambda kl, reverse, js: [reverse - 2 * js, 2 * js],
        "the wrong sign of JS": lambda kl, reverse, js: [kl + 2 * js, 2 * js],
        "JS without the factor 2": lambda kl, reverse, js: [kl - js, js],
    },
)
def what_the_generator_descends(
    formula: Formula = lambda kl, reverse, js: [kl - 2 * js, 2 * js],
) -> Routes:
    """Against the best D, -log D minimises KL(q || p) - 2 JS, and minimax 2 JS."""
    sigma, h, n = 0.5, 1e-4, 100_000
    p = stats.norm(0, 1)

    def logit(x: Any) -> Any:
        """log p / q at theta = 1, which is the logit of D* = p / (p + q)."""
        return ((x - 1) / sigma) ** 2 / 2 - x * x / 2 + math.log(sigma)

    def slope(f: Callable) -> float:
        """The derivative by theta of a function of q."""
        ends = [f(stats.norm(theta, sigma)) for theta in (1 + h, 1 - h)]
        return (ends[0] - ends[1]) / (2 * h)

    # KL(q || p) = theta^2 / 2 + ... and KL(p || q) = theta^2 / (2 sigma^2) + ..., at theta = 1
    yield "closed form", formula(1.0, 1 / sigma**2, slope(lambda q: _js(p, q)))
    on_log_d = slope(lambda q: _integral(lambda x: -q.pdf(x) * special.log_expit(logit(x))))
    minimax = slope(lambda q: _integral(lambda x: q.pdf(x) * special.log_expit(-logit(x))))
    yield "finite differences of E_q, D* fixed", [on_log_d, minimax]
    z = np.random.default_rng(0).standard_normal(n)
    each_theta = Tensor(np.ones(n), requires_grad=True)  # one for each sample
    slopes = [
        grad(LOSSES[name].generator(logit(each_theta + sigma * z)).sum(), each_theta).data
        for name in ("non-saturating", "minimax")
    ]
    yield "through the generator, by our engine", np.mean(slopes, 1), stats.sem(slopes, axis=1)
