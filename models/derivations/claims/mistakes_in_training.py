"""Claims against common mistakes about losses, scores and training.

Each claim states the right form; the common mistake is the first of its `mistakes`.
"""

import math

import numpy as np
from scipy import integrate, linalg, optimize, special, stats
from sklearn.datasets import load_digits

from autograd import Tensor, bce_with_logits, grad, optim
from models import metrics
from models.adversarial import gan
from models.autoencoders import vae
from models.derivations.claim import Formula, Routes, claim


@claim(
    r"\mathcal{L} = -\log p(x|z) + \beta \, \mathrm{KL}",
    source="Kingma & Welling 2014, eq. 3, which is maximised; the loss is its negative",
    given="a Bernoulli with three logits; the reconstruction loss is -log p(x|z)",
    tolerance=1e-12,
    because="the gradient of a few terms, against the softplus written out",
    mistakes={"loss = -(reconstruction loss + KL)": lambda nll, kl: -(nll + kl)},
)
def the_loss_descends(formula: Formula = lambda nll, kl: nll + kl) -> Routes:
    """Minimising the loss of a VAE lowers -log p(x|z): there is no minus in front of the sum."""
    logits, x = Tensor(np.array([0.5, -1.0, 2.0]), requires_grad=True), np.array([1.0, 0.0, 0.0])
    loss = formula(bce_with_logits(logits, x).sum(), 0.25)
    yield "gradient of the loss", grad(loss, logits).data
    yield "gradient of -log p, by hand", special.expit(logits.data) - x


@claim(
    r"\mathcal{L} = -\mathrm{ELBO} \geq -\log p(x)",
    source="Ho et al. 2020, eq. 3, has this sign; in Kingma & Welling 2014, eq. 3, L is the ELBO",
    given="three binary images, and the same noise for each route",
    tolerance=1e-5,
    because="our losses are float32",
    mistakes={
        "L = ELBO, the other sign": lambda reconstruction, kl: -(reconstruction + kl),
        "the KL subtracted": lambda reconstruction, kl: reconstruction - kl,
    },
)
def one_sign_for_the_loss(
    formula: Formula = lambda reconstruction, kl: reconstruction + kl,
) -> Routes:
    """Both signs of L are in use; here the loss and the reported bound are both -ELBO."""
    settings = vae.Settings(hidden=(4,), latent=2, pixels="fixed")
    model = vae.VAE(settings, (2, 3), 2, np.random.default_rng(0))
    x = np.random.default_rng(1).integers(0, 2, (3, 6)).astype(np.float32)
    loss, parts = model.loss(x, np.random.default_rng(2))
    yield "the loss of our VAE", loss.item()
    yield "-log p(x|z) and the KL", formula(parts["reconstruction"], parts["kl"])
    yield "its bound", model.bound(x, np.random.default_rng(2))["negative_elbo"].mean()


@claim(
    r"D = \frac{1}{2}: \quad \mathcal{L}_D = -\log D(x) - \log(1 - D(G(z))) = \log 4, \quad "
    r"\mathcal{L}_G = \log 2",
    source="Goodfellow et al. 2014, theorem 1; PyTorch-GAN's gan.py halves L_D",
    given="L_D is the sum of both terms; its mean, log 2, is another loss",
    tolerance=1e-6,
    because="our losses are of float32 scores",
    mistakes={
        "0.7 for a sum that begins at log 4": lambda: [0.695, 0.698],
        "the mean of the two terms": lambda: [np.log(2), np.log(2)],
    },
)
def gan_losses_at_equilibrium(formula: Formula = lambda: [np.log(4), np.log(2)]) -> Routes:
    """At equilibrium the sum of D's two terms is log 4, not log 2; G's loss is log 2."""
    yield "closed form", formula()
    rng, images = np.random.default_rng(0), np.zeros((5, 4), np.float32)
    settings = gan.Settings(network="mlp", hidden=(8,), latent=2, loss="non-saturating")
    model = gan.GAN(settings, (2, 2), 17, rng)
    for parameter in model.discriminator.parameters().values():
        parameter.data[...] = 0  # then every logit is 0, and D is 1/2
    d_loss = model.discriminator_loss(images, images, None, rng)[0]
    yield "our losses", [d_loss.item(), model.generator_loss(images, images, None, rng).item()]
    # -V(D*, G) = log 4 - 2 JS with JS = 0, and L_G = -E log D*.
    p = np.full(4, 0.25)
    d = p / (p + p)
    yield "E[log D*] on four points", [-(p * np.log(d * (1 - d))).sum(), -(p * np.log(d)).sum()]


@claim(
    r"\mathrm{MSE}_{\mathrm{PCA}} \leq \mathrm{MSE}_{\mathrm{mean \ image}} \leq "
    r"\mathrm{MSE}_{1/2} \leq \frac{1}{4}",
    source="Bishop 2006, eq. 12.18: the MSE of PCA is the sum of the eigenvalues left out",
    given="the 8x8 digits of scikit-learn, with pixels in [0, 1]",
    tolerance=1e-12,
    because="means of squares",
    mistakes={
        "a mean of 0.45 per pixel": lambda x: 0.45,
        "the sum over an image's pixels": lambda x: ((x - 0.5) ** 2).sum(axis=1).mean(),
        "the root of the mean": lambda x: np.sqrt(((x - 0.5) ** 2).mean()),
    },
    relation="<=",
)
def reconstruction_errors_are_small(formula: Formula = lambda x: ((x - 0.5) ** 2).mean()) -> Routes:
    """A mean squared error of pixels in [0, 1] above 1/4 is worse than grey everywhere."""
    x = load_digits().data / 16
    mean = x.mean(axis=0)
    components = linalg.svd(x - mean, full_matrices=False)[2][:8]
    restored = mean + (x - mean) @ components.T @ components
    yield "PCA with 8 components", ((x - restored) ** 2).mean()
    yield "the mean image", ((x - mean) ** 2).mean()
    yield "1/2 everywhere", formula(x)
    yield "the largest value for 1/2 everywhere", 0.25


@claim(
    r"\mathrm{IS} = e^{\mathbb{E}_x \mathrm{KL}(p(y|x) \| p(y))} \leq e^{\log K} = K",
    source="Salimans et al. 2016, section 4; Cover & Thomas 2006, theorem 2.6.4: H(y) <= log K",
    given="K = 3 classes, and the 10 of MNIST",
    tolerance=1e-4,
    because="the search approaches a maximum that only certain predictions reach",
    mistakes={
        "300, as of ImageNet's 1000 classes": lambda classes: 300,
        "without the exponential": lambda classes: np.log(classes),
    },
)
def inception_score_of_the_best(formula: Formula = lambda classes: classes) -> Routes:
    """The largest possible inception score is the number of classes."""
    yield "the number of classes", [formula(3), formula(10)]
    # The mean of KL(p(y|x) || p(y)) is H(y) - H(y|x), at most log K - 0.
    certain = [metrics.inception_score(np.eye(k)) for k in (3, 10)]
    yield "our score of certain predictions, each class once", certain

    def negative(logits: np.ndarray, k: int) -> float:
        return -metrics.inception_score(special.softmax(logits.reshape(k, k), axis=1))

    starts = np.random.default_rng(0).standard_normal((5, 9))
    found = [optimize.minimize(negative, start, args=(3,), tol=1e-9).fun for start in starts]
    yield "the best score that a search finds", [-min(found), certain[1]]


@claim(
    r"\mathrm{FID}(x, s \, x) = (s - 1)^2 \, (|\mu|^2 + \mathrm{Tr} \, C)",
    source="Heusel et al. 2017, the definition of FID",
    given="50 random features in 3 dimensions, and s times them, s = 2, 30 and 1000",
    tolerance=1e-8,
    because="a matrix root in float64, relative to a result of up to 1e6",
    mistakes={
        "at most 500": lambda s, mu, c: np.minimum((s - 1) ** 2 * (mu @ mu + np.trace(c)), 500),
        "the means only": lambda s, mu, c: (s - 1) ** 2 * (mu @ mu),
        "s^2 - 1 for the covariances": lambda s, mu, c: (
            (s - 1) ** 2 * (mu @ mu) + (s**2 - 1) * np.trace(c)
        ),
    },
)
def fid_is_unbounded(
    formula: Formula = lambda s, mu, c: (s - 1) ** 2 * (mu @ mu + np.trace(c)),
) -> Routes:
    """FID has no upper bound: between a set and s times the set it grows like s^2."""
    x = 1 + np.random.default_rng(0).standard_normal((50, 3))
    mu, c, scales = x.mean(axis=0), np.cov(x.T), np.array([2.0, 30.0, 1000.0])
    yield "closed form", formula(scales, mu, c)
    yield "our FID", [metrics.fid(x, s * x) for s in scales]
    roots = [linalg.sqrtm(c @ (s**2 * c)).real for s in scales]
    traces = [np.trace(c + s**2 * c - 2 * root) for s, root in zip(scales, roots)]
    distances = [((mu - s * mu) ** 2).sum() + t for s, t in zip(scales, traces)]
    yield "the definition, with a matrix root", distances


@claim(
    r"P(\mathcal{L}(\theta_{t+1}) > \mathcal{L}(\theta_t)) = \frac{1}{2} \ "
    r"\mathrm{in \ the \ stationary \ state}",
    source="Mandt, Hoffman & Blei 2017, Stochastic Gradient Descent as Approximate Bayesian "
    "Inference: SGD with a constant rate is a stationary process",
    given="L = theta^2 / 2, gradients theta + noise, and a rate of 0.1",
    tolerance=1e-6,
    because="quadrature of a smooth function; Monte Carlo has its standard error",
    mistakes={"the loss decreases in every step": 0.0, "it rises with the probability 0.1": 0.1},
)
def sgd_is_not_monotonic(formula: float = 0.5) -> Routes:
    """Near its minimum, SGD raises the loss in every other step."""
    yield "closed form: the process is the same backwards in time", formula
    # theta' = a theta + rate noise with a = 1 - rate has the variance v = rate^2 / (1 - a^2).
    rate, n = 0.1, 100_000
    a = 1 - rate
    stationary = stats.norm(0, rate / math.sqrt(1 - a * a))

    def rises(theta: float) -> float:
        to = stats.norm(a * theta, rate)
        return stationary.pdf(theta) * (to.cdf(-abs(theta)) + to.sf(abs(theta)))

    yield "quadrature", 2 * integrate.quad(rises, 0, 10 * stationary.std())[0]
    rng = np.random.default_rng(0)
    theta = Tensor(stationary.rvs(n, random_state=rng), requires_grad=True)
    before = theta.data.copy()
    theta.grad = Tensor(theta.data + rng.standard_normal(n))
    optim.SGD({"theta": theta}, rate).step()
    rose = np.abs(theta.data) > np.abs(before)
    yield "a step of our SGD in 100,000 stationary chains", rose.mean(), stats.sem(rose)


@claim(
    r"\min_\theta \max_\phi \, \theta \phi: \quad "
    r"|(\theta_t, \phi_t)|^2 = (1 + \eta^2)^t \, |(\theta_0, \phi_0)|^2",
    source="Gidel et al. 2019, A Variational Inequality Perspective on GANs (ICLR), proposition 1",
    given="100 simultaneous gradient steps with eta = 0.1",
    tolerance=1e-10,
    because="a hundred steps of float64",
    mistakes={
        "the players converge to 0": lambda eta, t: (1 - eta**2) ** t,
        "they stay on a circle": lambda eta, t: 1.0,
        "the radius instead of its square": lambda eta, t: (1 + eta**2) ** (t / 2),
    },
)
def adversarial_training_may_diverge(formula: Formula = lambda eta, t: (1 + eta**2) ** t) -> Routes:
    """Gradient steps of two players can move in a spiral away from their equilibrium."""
    eta, steps = 0.1, 100
    yield "closed form", formula(eta, steps)
    players = Tensor(np.array([0.6, 0.8]), requires_grad=True)
    step = optim.SGD({"players": players}, eta)
    for _ in range(steps):
        value = grad(players[0] * players[1], players)
        players.grad = value * np.array([1.0, -1.0])  # the second player climbs
        step.step()
    yield "our gradients and SGD", (players.data**2).sum()
    rotation = np.linalg.matrix_power(np.array([[1, -eta], [eta, 1]]), steps)
    yield "the power of a matrix", ((rotation @ [0.6, 0.8]) ** 2).sum()
