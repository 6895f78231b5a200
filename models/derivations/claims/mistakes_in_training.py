"""What the lectures print about losses, scores and training that does not hold, and what does."""

import math

import numpy as np
from scipy import integrate, linalg, optimize, special, stats
from sklearn.datasets import load_digits

from autograd import Tensor, grad, optim
from models.adversarial import gan
from models.derivations.claim import Formula, Routes, claim
from models.metrics import scores as metrics


@claim(
    r"D = \frac{1}{2}: \quad \mathcal{L}_D = -\log D(x) - \log(1 - D(G(z))) = \log 4, \quad "
    r"\mathcal{L}_G = \log 2",
    source="erratum 4; Goodfellow et al. 2014, theorem 1",
    given="printed as 1.386 and 0.693 at epoch 1, but 0.695 and 0.698 near equilibrium",
    tolerance=1e-6,
    because="our losses are of float32 scores",
    mistakes={
        "as printed": lambda: [0.695, 0.698],
        "the mean of the two terms": lambda: [np.log(2), np.log(2)],
    },
)
def gan_losses_at_equilibrium(formula: Formula = lambda: [np.log(4), np.log(2)]) -> Routes:
    """At equilibrium D's loss is log 4, if it is the sum it was at the start, and G's log 2."""
    yield "closed form", formula()
    rng, images = np.random.default_rng(0), np.zeros((5, 4), np.float32)
    settings = gan.Settings(network="mlp", hidden=(8,), latent=2, loss="non-saturating")
    model = gan.GAN(settings, (2, 2), 17, rng)
    for parameter in model.discriminator.parameters().values():
        parameter.data[...] = 0  # logit 0 is D = 1/2, whatever it is shown
    d_loss = model.discriminator_loss(images, images, None, rng)[0]
    yield "our losses", [d_loss.item(), model.generator_loss(images, images, None, rng).item()]
    # -V(D*, G) = log 4 - 2 JS, and JS = 0; of G, -E log D.
    p = np.full(4, 0.25)
    d = p / (p + p)
    yield "E[log D*] on four points", [-(p * np.log(d * (1 - d))).sum(), -(p * np.log(d)).sum()]


@claim(
    r"\mathrm{MSE}_{\mathrm{PCA}} \leq \mathrm{MSE}_{\mathrm{mean \ image}} \leq "
    r"\mathrm{MSE}_{1/2} \leq \frac{1}{4}",
    source="erratum 5: of pixels in [0, 1], nothing that has learnt is above 1/4",
    given="8x8 digits; printed as 0.45 before training an autoencoder, on MNIST",
    tolerance=1e-12,
    because="means of squares",
    mistakes={
        "as printed": lambda x: 0.45,
        "the sum of an image's pixels": lambda x: ((x - 0.5) ** 2).sum(axis=1).mean(),
        "the root of the mean": lambda x: np.sqrt(((x - 0.5) ** 2).mean()),
    },
    relation="<=",
)
def reconstruction_errors_are_small(formula: Formula = lambda x: ((x - 0.5) ** 2).mean()) -> Routes:
    """The squared error of grey everywhere is at most 1/4, and whatever has learnt is below."""
    x = load_digits().data / 16
    mean = x.mean(axis=0)
    components = linalg.svd(x - mean, full_matrices=False)[2][:8]
    restored = mean + (x - mean) @ components.T @ components
    yield "PCA with 8 components", ((x - restored) ** 2).mean()
    yield "the mean image", ((x - mean) ** 2).mean()
    yield "1/2 everywhere", formula(x)
    yield "the most it can be", 0.25


@claim(
    r"\mathrm{IS} = e^{\mathbb{E}_x \mathrm{KL}(p(y|x) \| p(y))} \leq e^{\log K} = K",
    source="erratum 6; Salimans et al. 2016, section 4",
    given="K = 3 classes, and the 10 of MNIST; printed on a scale where over 300 is excellent",
    tolerance=1e-4,
    because="the search approaches a maximum that only certain predictions reach",
    mistakes={
        "as printed": lambda classes: 300,
        "without the exponential": lambda classes: np.log(classes),
    },
)
def inception_score_of_the_best(formula: Formula = lambda classes: classes) -> Routes:
    """The inception score is at most the number of classes, and reaches it."""
    yield "the number of classes", [formula(3), formula(10)]
    # KL(p(y|x) || p(y)) on average is H(y) - H(y|x), at most log K - 0.
    certain = [metrics.inception_score(np.eye(k)) for k in (3, 10)]
    yield "ours, of certain predictions, each class once", certain

    def negative(logits: np.ndarray, k: int) -> float:
        return -metrics.inception_score(special.softmax(logits.reshape(k, k), axis=1))

    starts = np.random.default_rng(0).standard_normal((5, 9))
    found = [optimize.minimize(negative, start, args=(3,), tol=1e-9).fun for start in starts]
    yield "ours, the best that a search finds", [-min(found), certain[1]]


@claim(
    r"\mathrm{FID}(x, s \, x) = (s - 1)^2 \, (|\mu|^2 + \mathrm{Tr} \, C)",
    source="erratum 7; Heusel et al. 2017, eq. 6",
    given="50 random features in 3 dimensions, and s times them; printed as 0 to 500",
    tolerance=1e-8,
    because="a matrix root in float64, relative to a result of up to 1e6",
    mistakes={
        "as printed": lambda s, mu, c: np.minimum((s - 1) ** 2 * (mu @ mu + np.trace(c)), 500),
        "the means only": lambda s, mu, c: (s - 1) ** 2 * (mu @ mu),
        "s^2 - 1, of the covariances": lambda s, mu, c: (
            (s - 1) ** 2 * (mu @ mu) + (s**2 - 1) * np.trace(c)
        ),
    },
)
def fid_is_unbounded(
    formula: Formula = lambda s, mu, c: (s - 1) ** 2 * (mu @ mu + np.trace(c)),
) -> Routes:
    """FID has no upper bound: of a set and its multiple it grows with the square."""
    x = 1 + np.random.default_rng(0).standard_normal((50, 3))
    mu, c, scales = x.mean(axis=0), np.cov(x.T), np.array([2.0, 30.0, 1000.0])
    yield "closed form", formula(scales, mu, c)
    yield "ours", [metrics.fid(x, s * x) for s in scales]
    roots = [linalg.sqrtm(c @ (s**2 * c)).real for s in scales]
    traces = [np.trace(c + s**2 * c - 2 * root) for s, root in zip(scales, roots)]
    yield (
        "eq. 6, by a matrix root",
        [((mu - s * mu) ** 2).sum() + t for s, t in zip(scales, traces)],
    )


@claim(
    r"P(\mathcal{L}(\theta_{t+1}) > \mathcal{L}(\theta_t)) = \frac{1}{2} \ "
    r"\mathrm{once \ SGD \ has \ settled}",
    source="erratum 16; Mandt, Hoffman & Blei 2017, for SGD as a stationary process",
    given="L = theta^2 / 2 with gradients theta + noise; printed: the loss decreases monotonically",
    tolerance=1e-6,
    because="quadrature of a smooth function; the chains have their standard error",
    mistakes={"as printed": 0.0, "only as often as the rate, 0.1": 0.1},
)
def sgd_is_not_monotonic(formula: float = 0.5) -> Routes:
    """Near its minimum, SGD raises the loss in every other step."""
    yield "closed form: forwards and backwards in time are alike", formula
    # theta' = a theta + rate noise with a = 1 - rate has the variance v = rate^2 / (1 - a^2).
    rate, n = 0.1, 100_000
    a = 1 - rate
    settled = stats.norm(0, rate / math.sqrt(1 - a * a))

    def rises(theta: float) -> float:
        to = stats.norm(a * theta, rate)
        return settled.pdf(theta) * (to.cdf(-abs(theta)) + to.sf(abs(theta)))

    yield "quadrature", 2 * integrate.quad(rises, 0, 10 * settled.std())[0]
    rng = np.random.default_rng(0)
    theta = Tensor(settled.rvs(n, random_state=rng), requires_grad=True)
    before = theta.data.copy()
    theta.grad = Tensor(theta.data + rng.standard_normal(n))
    optim.SGD({"theta": theta}, rate).step()
    rose = np.abs(theta.data) > np.abs(before)
    yield "a step of ours, from 100,000 settled chains", rose.mean(), stats.sem(rose)


@claim(
    r"\min_\theta \max_\phi \, \theta \phi: \quad "
    r"|(\theta_t, \phi_t)|^2 = (1 + \eta^2)^t \, |(\theta_0, \phi_0)|^2",
    source="erratum 17; Mescheder, Geiger & Nowozin 2018, on the Dirac-GAN",
    given="100 simultaneous steps of eta = 0.1; printed: adversarial training converges",
    tolerance=1e-10,
    because="a hundred steps of float64",
    mistakes={
        "as printed, towards 0": lambda eta, t: (1 - eta**2) ** t,
        "on a circle": lambda eta, t: 1.0,
        "the radius, not its square": lambda eta, t: (1 + eta**2) ** (t / 2),
    },
)
def adversarial_training_may_diverge(formula: Formula = lambda eta, t: (1 + eta**2) ** t) -> Routes:
    """Gradient steps of two players can spiral away from their equilibrium."""
    eta, steps = 0.1, 100
    yield "closed form", formula(eta, steps)
    players = Tensor(np.array([0.6, 0.8]), requires_grad=True)
    step = optim.SGD({"players": players}, eta)
    for _ in range(steps):
        value = grad(players[0] * players[1], players)
        players.grad = value * np.array([1.0, -1.0])  # the second climbs
        step.step()
    yield "our gradients and SGD", (players.data**2).sum()
    rotation = np.linalg.matrix_power(np.array([[1, -eta], [eta, 1]]), steps)
    yield "the power of a matrix", ((rotation @ [0.6, 0.8]) ** 2).sum()
