"""Claims about generative adversarial networks (Goodfellow et al. 2014)."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from scipy import integrate, optimize, special, stats

from autograd import Tensor, bce_with_logits, grad, nn, norm, tanh
from models.adversarial.gan import GAN, Settings
from models.adversarial.networks import Discriminator, SpectralNorm
from models.derivations.claim import Formula, Routes, claim


class _Critic(Discriminator):
    """Any function of x in the place of a network."""

    def __init__(self, f: Callable):
        self.f = f

    def forward(self, x: Any, classes: Any = None) -> Tensor:
        return self.f(x)


def _gan(critic: Callable | None = None, **settings: Any) -> GAN:
    """A GAN for points of the plane, untrained, with this critic if there is one."""
    model = GAN(Settings(network="mlp", **settings), (2,), 0, np.random.default_rng(0))
    if critic:
        model.discriminator = _Critic(critic)
    return model


P, Q = np.array([0.5, 0.3, 0.1, 0.1]), np.array([0.1, 0.3, 0.2, 0.4])
"""How often four outcomes are, of the data and of the samples."""


def _best_discriminator(a: float, b: float) -> Routes:
    """D of each outcome, where a is its target for data and b for samples."""

    def cross_entropy(target: float, d: float) -> float:
        return -target * math.log(d) - (1 - target) * math.log(1 - d)

    def least(p: float, q: float) -> float:
        def loss(d: float) -> float:
            return p * cross_entropy(a, d) + q * cross_entropy(b, d)

        return optimize.minimize_scalar(loss, bounds=(1e-9, 1 - 1e-9), options={"xatol": 1e-12}).x

    yield "least loss, outcome by outcome", [least(p, q) for p, q in zip(P, Q)]
    # Ten draws of each kind, as one-hot outcomes, and a logit for each outcome.
    real, fake = (np.repeat(np.eye(4), np.rint(10 * w).astype(int), axis=0) for w in (P, Q))

    def slopes(logits: np.ndarray) -> np.ndarray:
        s = Tensor(logits, requires_grad=True)
        model = _gan(lambda x: x @ s, real_target=a, fake_target=b)
        loss, _ = model.discriminator_loss(real, fake, None, np.random.default_rng(0))
        return grad(loss, s).data

    logits = optimize.root(slopes, np.zeros(4), tol=1e-12).x
    yield "our GAN's loss, where its gradient is 0", special.expit(logits)


@claim(
    r"D^* = \arg\max_D [p \log D + q \log(1 - D)] = \frac{p}{p + q}",
    source="Goodfellow et al. 2014, proposition 1",
    given="four outcomes with p = (.5, .3, .1, .1) and q = (.1, .3, .2, .4)",
    tolerance=1e-6,
    because="a minimum is found to the root of the rounding error, 1e-8",
    mistakes={
        "q on top: the probability of a sample": lambda p, q: q / (p + q),
        "the ratio itself, which is D / (1 - D)": lambda p, q: p / q,
        "the ratio as the logit, not its logarithm": lambda p, q: special.expit(p / q),
    },
)
def optimal_discriminator(formula: Formula = lambda p, q: p / (p + q)) -> Routes:
    """The best discriminator tells p / (p + q)."""
    # p / D - q / (1 - D) = 0 where D (p + q) = p; the second derivative is negative
    yield "closed form", formula(P, Q)
    yield from _best_discriminator(1.0, 0.0)


@claim(
    r"D^* = \frac{a p + b q}{p + q} \ \mathrm{for \ the \ targets} \ a \ \mathrm{and} \ b",
    source="Salimans et al. 2016, section 3.4",
    given="a = .9 for data and b = .1 for samples; one-sided smoothing has b = 0",
    tolerance=1e-6,
    because="a minimum is found to the root of the rounding error, 1e-8",
    mistakes={
        "the samples' target forgotten": lambda p, q, a, b: a * p / (p + q),
        "the targets as weights": lambda p, q, a, b: a * p / (a * p + (1 - b) * q),
        "the samples' target from above": lambda p, q, a, b: (a * p + (1 - b) * q) / (p + q),
    },
)
def smoothed_discriminator(
    formula: Formula = lambda p, q, a, b: (a * p + b * q) / (p + q),
) -> Routes:
    """Label smoothing moves the best discriminator to (a p + b q) / (p + q)."""
    a, b = 0.9, 0.1
    # The targets weigh log D by a p + b q and log(1 - D) by the rest of p + q: proposition 1. Where
    # p is 0 it is b: a b > 0 rewards D for leaving samples far from the data where they are.
    yield "closed form", formula(P, Q, a, b)
    yield from _best_discriminator(a, b)


def _integral(f: Callable[[float], float]) -> float:
    """Of a density that dwindles like a Gaussian's, near 0."""
    return integrate.quad(f, -12, 13, epsabs=1e-13)[0]


def _js(p: Any, q: Any) -> float:
    """The Jensen-Shannon divergence of two distributions of scipy, in nats."""

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
        "JS once": lambda js: -math.log(4) + js,
        "log 2: the mean of the two terms": lambda js: -math.log(2) + 2 * js,
        "the sign of JS": lambda js: -math.log(4) - 2 * js,
    },
)
def value_of_the_game(formula: Formula = lambda js: -math.log(4) + 2 * js) -> Routes:
    """Against the best discriminator the game's value is JS, doubled, above -log 4."""
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
    given="L_D sums both terms, and L_G is -log D(G(z)), or of minimax log(1 - D(G(z)))",
    tolerance=1e-6,
    because="the network computes in float32",
    mistakes={
        "the mean of D's two terms": lambda: [math.log(2), math.log(2), -math.log(2), 0.0],
        "minimax with the other's sign": lambda: [math.log(4), math.log(2), math.log(2), 0.0],
        "in bits": lambda: [2.0, 1.0, -1.0, 0.0],
    },
)
def equilibrium_losses(
    formula: Formula = lambda: [math.log(4), math.log(2), -math.log(2), 0.0],
) -> Routes:
    """At equilibrium D says 1/2 everywhere; its loss is log 4, and the generator's log 2."""
    yield "closed form: L_D, L_G, minimax's L_G, slope of L_D", formula()
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 2)).astype(np.float32)  # data, and samples like them
    model, minimax = _gan(loss="non-saturating"), _gan(loss="minimax")
    tensors = model.discriminator.tensors()
    weight, bias = tensors["output.weight"], tensors["output.bias"]
    weight.data[...] = bias.data[...] = 0  # so every logit is 0
    loss, _ = model.discriminator_loss(x, x, None, rng)
    scores = model.discriminator(x)
    fooled = [player.fooling(scores).mean().item() for player in (model, minimax)]
    slope = norm(grad(loss, weight)).item()
    yield "our GAN, with an output layer of zeros", [loss.item(), *fooled, slope]
    d = 0.5
    by_hand = [-math.log(d) - math.log(1 - d), -math.log(d), math.log(1 - d)]
    # -(1 - D) is the slope by the logit of data, and D by that of samples: they cancel
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
        "with respect to D, not to its logit": lambda s: [
            -1 / special.expit(-s),
            -1 / special.expit(s),
        ],
        "the two swapped": lambda s: _generator_slopes(s)[::-1],
        "the logit's own slope twice": lambda s: [
            slope * special.expit(s) * special.expit(-s) for slope in _generator_slopes(s)
        ],
        "minimax with its sign changed": lambda s: [special.expit(s), -special.expit(-s)],
    },
)
def saturation(formula: Formula = _generator_slopes) -> Routes:
    """Where D is sure of a sample, minimax's gradient is gone and the other's is at its largest."""
    s, h = np.array([-12.0, -6.0, -2.0, 0.0, 3.0]), 1e-4
    yield "closed form", formula(s)
    losses = [_gan(loss=loss).fooling for loss in ("minimax", "non-saturating")]
    logits = Tensor(s, requires_grad=True)
    yield "our GAN's losses and engine", [grad(loss(logits).sum(), logits).data for loss in losses]

    def both(s: np.ndarray) -> np.ndarray:
        return np.array([special.log_expit(-s), -special.log_expit(s)])

    yield "finite differences", (both(s + h) - both(s - h)) / (2 * h)


@saturation.plot
def _(axes: Axes) -> None:
    s = np.linspace(-10, 6, 200)
    for slope, label in zip(_generator_slopes(s), ("$\\log(1 - D)$: minimax", "$-\\log D$")):
        axes.plot(special.expit(s), -slope, label=label)
    axes.set_xscale("log")
    axes.set_xlabel("$D(G(z))$: early in training on the left")
    axes.set_ylabel("size of the gradient by the logit")
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
        "the other KL, that of maximum likelihood": lambda kl, reverse, js: [
            reverse - 2 * js,
            2 * js,
        ],
        "the sign of JS": lambda kl, reverse, js: [kl + 2 * js, 2 * js],
        "JS once": lambda kl, reverse, js: [kl - js, js],
    },
)
def what_the_generator_descends(
    formula: Formula = lambda kl, reverse, js: [kl - 2 * js, 2 * js],
) -> Routes:
    """Against the best D, -log D descends KL(q || p) - 2 JS, and minimax 2 JS."""
    sigma, h, n = 0.5, 1e-4, 100_000
    p = stats.norm(0, 1)

    def logit(x: Any) -> Any:
        """log p / q at theta = 1, which is the logit of D* = p / (p + q)."""
        return ((x - 1) / sigma) ** 2 / 2 - x * x / 2 + math.log(sigma)

    def slope(f: Callable) -> float:
        """Of a function of q, by theta."""
        ends = [f(stats.norm(theta, sigma)) for theta in (1 + h, 1 - h)]
        return (ends[0] - ends[1]) / (2 * h)

    # KL(q || p) = theta^2 / 2 + ... and KL(p || q) = theta^2 / (2 sigma^2) + ..., at theta = 1
    yield "closed form", formula(1.0, 1 / sigma**2, slope(lambda q: _js(p, q)))
    on_log_d = slope(lambda q: _integral(lambda x: -q.pdf(x) * special.log_expit(logit(x))))
    minimax = slope(lambda q: _integral(lambda x: q.pdf(x) * special.log_expit(-logit(x))))
    yield "finite differences of E_q, D* fixed", [on_log_d, minimax]
    z = np.random.default_rng(0).standard_normal(n)
    each_theta = Tensor(np.ones(n), requires_grad=True)  # so each draw has a gradient of its own
    slopes = [
        grad(_gan(loss=loss).fooling(logit(each_theta + sigma * z)).sum(), each_theta).data
        for loss in ("non-saturating", "minimax")
    ]
    yield "through the generator, by our engine", np.mean(slopes, 1), stats.sem(slopes, axis=1)


@claim(
    r"\mathbb{E}[(\| \nabla_x f \| - 1)^2] = (k - 1)^2 \quad \mathrm{for} \ f(x) = k \|x\|",
    source="Gulrajani et al. 2017, eq. 3",
    given="slopes k of 1/2, 1 (the steepest of a 1-Lipschitz critic) and 2, everywhere",
    tolerance=1e-8,
    because="central differences: rounding of 1e-15 over 1e-5, and a cubic term of 1e-10",
    mistakes={
        "one-sided: only slopes above 1": lambda k: np.maximum(k - 1, 0) ** 2,
        "the norm squared less 1": lambda k: (k**2 - 1) ** 2,
        "pulled to 0, not to 1": lambda k: k**2,
        "not squared": lambda k: np.abs(k - 1),
    },
)
def gradient_penalty(formula: Formula = lambda k: (k - 1) ** 2) -> Routes:
    """The gradient penalty is 0 for a critic of slope 1, and counts what others are off it."""
    k, h = np.array([0.5, 1.0, 2.0]), 1e-5
    x = np.random.default_rng(0).standard_normal((20, 2))
    yield "closed form", formula(k)
    points = Tensor(x, requires_grad=True)
    models = [_gan(lambda x, c=c: c * norm(x, axis=1), loss="wgan-gp") for c in k]
    yield "our GAN's", [model.gradient_penalty(points).item() for model in models]
    steps = h * np.eye(2)[:, None]
    across = np.linalg.norm(x + steps, axis=2) - np.linalg.norm(x - steps, axis=2)
    slope = np.linalg.norm(across / (2 * h), axis=0)  # of |x|
    yield "finite differences of f", [((c * slope - 1) ** 2).mean() for c in k]


def _terms_of_the_penalty(w: np.ndarray, x: np.ndarray) -> list[np.ndarray]:
    """Both terms of d/dw (|grad f| - 1)^2, f = tanh(w x): by w itself, and by what tanh says.

    grad_x f = (1 - t^2) w with t = tanh(w x), so |grad f| = (1 - t^2) |w|, and
    d(1 - t^2)/dw = -2 t (1 - t^2) x.
    """
    t, length = np.tanh(x @ w)[:, None], np.linalg.norm(w)
    off = 2 * ((1 - t**2) * length - 1)
    return [off * (1 - t**2) * w / length, off * length * -2 * t * (1 - t**2) * x]


@claim(
    r"\nabla_w (\| \nabla_x f \| - 1)^2 = 2 (\| \nabla_x f \| - 1) \, \nabla_w \| \nabla_x f \|, "
    r"\quad f(x) = \tanh(w^T x)",
    source="Gulrajani et al. 2017, section 4",
    given="a critic of one neuron at 20 points, w = (1.5, -0.7)",
    tolerance=1e-8,
    because="central differences: rounding of 1e-15 over 1e-5, and a cubic term of 1e-10",
    mistakes={
        "the slope of tanh taken for a constant": lambda w, x: _terms_of_the_penalty(w, x)[0],
        "the sign of its own slope": lambda w, x: np.subtract(*_terms_of_the_penalty(w, x)),
        "the factor 2": lambda w, x: sum(_terms_of_the_penalty(w, x)) / 2,
    },
)
def gradient_of_the_penalty(
    formula: Formula = lambda w, x: sum(_terms_of_the_penalty(w, x)),
) -> Routes:
    """Training on the penalty needs the gradient of a gradient: by differentiating twice."""
    w, h = np.array([1.5, -0.7]), 1e-5
    x = np.random.default_rng(0).standard_normal((20, 2))
    yield "by hand", formula(w, x).mean(0)
    weight = Tensor(w, requires_grad=True)
    model = _gan(lambda x: tanh(x @ weight), loss="wgan-gp")
    penalty = model.gradient_penalty(Tensor(x, requires_grad=True))
    yield "our GAN's, differentiated twice", grad(penalty, weight).data

    def value(w: np.ndarray) -> float:
        return (((1 - np.tanh(x @ w) ** 2) * np.linalg.norm(w) - 1) ** 2).mean()

    slopes = [(value(w + step) - value(w - step)) / (2 * h) for step in h * np.eye(2)]
    yield "finite differences", slopes


def _square_layer() -> tuple[SpectralNorm, np.ndarray]:
    """A layer of 4 to 4 after 100 steps of the power method, and its weight."""
    rng = np.random.default_rng(0)
    layer = nn.Linear(4, 4, rng)
    normalised = SpectralNorm(layer, rng)
    for _ in range(100):
        normalised.sigma()
    return normalised, layer.weight.numpy().astype(float)


@claim(
    r"\sigma(W) = \max_x \frac{\|W x\|}{\|x\|} = \sqrt{\lambda_{\max}(W^T W)}",
    source="Miyato et al. 2018, section 2.1 and algorithm 1",
    given="W of 4 x 4, and 100 steps of the power method",
    tolerance=1e-5,
    because="the network computes in float32",
    mistakes={
        "the Frobenius norm": np.linalg.norm,
        "the largest eigenvalue of W": lambda w: np.abs(np.linalg.eigvals(w)).max(),
        "no root": lambda w: np.linalg.eigvalsh(w.T @ w).max(),
        "the longest column": lambda w: np.linalg.norm(w, axis=0).max(),
    },
)
def spectral_norm(
    formula: Formula = lambda w: np.sqrt(np.linalg.eigvalsh(w.T @ w).max()),
) -> Routes:
    """The spectral norm is the largest singular value: the most that W stretches any x."""
    normalised, w = _square_layer()
    yield "closed form: the root of an eigenvalue", formula(w)
    yield "the largest singular value, numpy", np.linalg.svd(w, compute_uv=False)[0]
    yield "our SpectralNorm, by the power method", normalised.sigma().item()
    stretch = lambda x: -np.linalg.norm(w @ x) / np.linalg.norm(x)  # noqa: E731
    yield "the longest W x, scipy", -optimize.minimize(stretch, np.ones(4), tol=1e-10).fun


@claim(
    r"\nabla_W \sigma(W) = u_1 v_1^T",
    source="Miyato et al. 2018, section 2",
    given="W of 4 x 4, whose largest singular value is a single one",
    tolerance=1e-5,
    because="the network computes in float32",
    mistakes={
        "transposed": lambda u, sigma, v: np.outer(v, u),
        "sigma as a factor": lambda u, sigma, v: sigma * np.outer(u, v),
        "v alone, on both sides": lambda u, sigma, v: np.outer(v, v),
    },
)
def gradient_of_the_spectral_norm(formula: Formula = lambda u, sigma, v: np.outer(u, v)) -> Routes:
    """u and v may count as constants: they are at an optimum, where their change adds nothing."""
    normalised, w = _square_layer()
    u, sigma, v = np.linalg.svd(w)
    yield "closed form, by numpy's singular vectors", formula(u[:, 0], sigma[0], v[0])
    weight = normalised.layer.tensors()["weight"]
    yield "our SpectralNorm, u and v held fixed", grad(normalised.sigma(), weight).data
    h = 1e-5
    entries = h * np.eye(16).reshape(16, 4, 4)
    ends = [np.linalg.norm(w + s * entries, 2, axis=(1, 2)) for s in (1, -1)]
    yield "finite differences", ((ends[0] - ends[1]) / (2 * h)).reshape(4, 4)
