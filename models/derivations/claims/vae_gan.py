"""Claims about a VAE-GAN: what a blur costs in pixels and in features, and whose gradient it is."""

import math
from typing import Any

import numpy as np
from scipy import stats

from autograd import Tensor, grad
from kernels import normal
from models.adversarial.vaegan import VAEGAN, Settings
from models.derivations.claim import Formula, Routes, claim
from models.metrics.faithfulness import _roughness
from models.model import random_seed


def _edges(k: int) -> np.ndarray:
    """k images of one row: black up to an edge, at each of k places, and white after it."""
    return np.triu(np.ones((k, k + 1)), 1)[:, None, :]


def _vaegan(**settings: Any) -> VAEGAN:
    """A small untrained one for images of 2 x 2 pixels, in float64."""
    chosen = Settings(network="mlp", hidden=(5,), latent=2, loss="non-saturating", **settings)
    model = VAEGAN(chosen, (2, 2), 256, np.random.default_rng(0))
    for p in model.parameters().values():
        p.data = p.data.astype(np.float64)
    return model


@claim(
    r"\frac{\sum_i (\bar{x}_{i+1} - \bar{x}_i)^2}{\sum_i (x_{i+1} - x_i)^2} = \frac{1}{k}, \quad "
    r"\bar{x} = \arg\min_m \mathbb{E} \|x - m\|^2",
    source="Bishop 2006, section 1.5.5, for the mean; Larsen et al. 2016, for errors of pixels",
    given="an edge at one of k equally likely places, k = 1, 2, 5, 20",
    tolerance=1e-9,
    because="the loss is quadratic: one step of Newton's method is exact",
    mistakes={
        "as sharp as each image": lambda k: np.ones(len(k)),
        "the square of each difference, not their sum": lambda k: 1 / k**2,
        "the root": lambda k: 1 / np.sqrt(k),
    },
)
def sharpness_of_the_mean(formula: Formula = lambda k: 1 / k) -> Routes:
    """The image of the least squared error has 1/k of the sharpness of the images it stands for."""
    places = np.array([1, 2, 5, 20])
    yield "closed form", formula(places)
    measured, by_newton = [], []
    for k in places:
        images = _edges(k)
        measured.append(_roughness(images.mean(0, keepdims=True)) / _roughness(images[:1]))
        guess = Tensor(np.zeros(images.shape[1:]), requires_grad=True)
        loss = ((images - guess) ** 2).sum() / k
        best = guess.data - grad(loss, guess).data / 2
        by_newton.append((np.diff(best) ** 2).sum())
    yield "our measure of sharpness, of the mean", np.array(measured)
    yield "of the least squared error, by our engine", np.array(by_newton)


@claim(
    r"\mathbb{E} \|x - x'\|^2 = 2 \, \mathbb{E} \|x - \bar{x}\|^2",
    source="Bishop 2006, section 1.5.5; x' is another image of the same code, independent of x",
    given="an edge at one of 5 equally likely places",
    tolerance=1e-9,
    because="sums of 25 numbers; Monte Carlo has its standard error",
    mistakes={
        "a sharp image costs the same": lambda of_mean: of_mean,
        "the root of 2, as of a length": lambda of_mean: math.sqrt(2) * of_mean,
        "a sharp image costs less": lambda of_mean: of_mean / 2,
    },
)
def a_sharp_guess_costs_twice_the_blur(formula: Formula = lambda of_mean: 2 * of_mean) -> Routes:
    """In pixels a sharp image of the right kind is a worse guess than the blur."""
    images = _edges(5)[:, 0]
    yield "twice that of the mean", formula(((images - images.mean(0)) ** 2).sum(1).mean())
    pairs = ((images[:, None] - images) ** 2).sum(2)
    yield "all pairs", pairs.mean()
    rng = np.random.default_rng(0)
    some = pairs[rng.integers(5, size=50_000), rng.integers(5, size=50_000)]
    yield "Monte Carlo", some.mean(), stats.sem(some)


@claim(
    r"L_{prior} + L_{llike} = -\mathrm{ELBO} - \frac{D}{2} \log 2 \pi \quad "
    r"\mathrm{for \ features} \ D_l(x) = x",
    source="Larsen et al. 2016, for the Gaussian in the features; Kingma & Welling 2014, eq. 10",
    given="two images of D = 4 pixels, one sample of z for each",
    tolerance=1e-9,
    because="our VAE-GAN in float64",
    mistakes={
        "the half forgotten": lambda kl, squares: kl + squares,
        "the mean over the features": lambda kl, squares: kl + squares / 8,
        "L_prior subtracted, as in the ELBO": lambda kl, squares: squares / 2 - kl,
    },
)
def feature_error_is_a_likelihood(
    formula: Formula = lambda kl, squares: kl + squares / 2,
) -> Routes:
    """The encoder's loss is a VAE's, with a Gaussian p(D_l(x)|z) of unit variance."""
    model = _vaegan()
    model.discriminator.features = lambda x, classes=None: x
    x = np.random.default_rng(1).uniform(-1, 1, (2, 4))
    mu, logvar = (moment.data for moment in model.encoder.moments(x))
    seed = random_seed(np.random.default_rng(2))
    z = mu + np.exp(logvar / 2) * normal(mu.shape, seed, dtype=np.float64)
    mean = model.generator(z).data
    kl = (mu**2 + np.exp(logvar) - 1 - logvar).sum(1) / 2
    yield "closed form", formula(kl, ((x - mean) ** 2).sum(1)).mean()
    yield "our VAE-GAN", model.encoder_loss(x, None, np.random.default_rng(2)).item()
    nats = kl - stats.norm(mean, 1).logpdf(x).sum(1) - 2 * math.log(2 * math.pi)
    yield "by scipy's density", nats.mean()


@claim(
    r"\nabla_G = \gamma \nabla L_{llike} + \nabla [-\log D(G(z))], \quad \nabla_E = "
    r"\nabla (L_{prior} + L_{llike})",
    source="Larsen et al. 2016, algorithm 1",
    given="the slopes along a direction of all weights of G, and of E; gamma = .3",
    tolerance=1e-6,
    because="central differences with h = 1e-6, rounding of 1e-15 over it",
    mistakes={
        "gamma forgotten": lambda gamma, prior, of_g, of_e, game: [of_g + game, prior + of_e],
        "the game against G": lambda gamma, prior, of_g, of_e, game: [
            gamma * of_g - game,
            prior + of_e,
        ],
        "gamma for the encoder too": lambda gamma, prior, of_g, of_e, game: [
            gamma * of_g + game,
            prior + gamma * of_e,
        ],
        "the prior forgotten": lambda gamma, prior, of_g, of_e, game: [gamma * of_g + game, of_e],
    },
)
def each_network_has_its_own_gradient(
    formula: Formula = lambda gamma, prior, of_g, of_e, game: [gamma * of_g + game, prior + of_e],
) -> Routes:
    """What each network descends, apart: the encoder never hears of the game."""
    model, x = _vaegan(gamma=0.3), np.random.default_rng(1).uniform(-1, 1, (4, 4))
    weights = {n: list(getattr(model, n).parameters().values()) for n in ("generator", "encoder")}
    rng = np.random.default_rng(3)
    directions = {n: [rng.standard_normal(p.shape) for p in own] for n, own in weights.items()}
    z = rng.standard_normal((4, 2))

    def along(loss: Tensor, player: str) -> float:
        slopes = grad(loss, weights[player])
        return sum((s.data * v).sum() for s, v in zip(slopes, directions[player]))

    def parts() -> tuple[Tensor, Tensor]:
        code, prior = model.encoder(x, np.random.default_rng(2))
        return prior.mean(), model.feature_error(x, code, None).mean()

    def losses() -> tuple[Tensor, Tensor]:
        fake = model.generator(z)
        of_generator = model.generator_loss(fake, x, None, np.random.default_rng(2))
        return of_generator, model.encoder_loss(x, None, np.random.default_rng(2))

    prior, of_encoder = along(parts()[0], "encoder"), along(parts()[1], "encoder")
    game = along(model.value(model.generator(z), x, None), "generator")
    yield "closed form", formula(0.3, prior, along(parts()[1], "generator"), of_encoder, game)
    slopes = [along(loss, player) for loss, player in zip(losses(), weights)]
    yield "the losses of our VAE-GAN", slopes
    differences = []
    for i, player in enumerate(weights):
        ends = []
        for h in (1e-6, -1e-6):
            for p, v in zip(weights[player], directions[player]):
                p.data += h * v
            ends.append(losses()[i].item())
            for p, v in zip(weights[player], directions[player]):
                p.data -= h * v
        differences.append((ends[0] - ends[1]) / 2e-6)
    yield "finite differences", differences
