"""Claims about a PixelCNN of colour images: the order of R, G and B, and mixtures of logistics."""

import itertools

import numpy as np
from scipy import special, stats

from autograd import Tensor
from models.autoregressive.distributions import Logistic
from models.autoregressive.pixelcnn import PixelCNN, Settings
from models.derivations.claim import Formula, Routes, claim
from models.logistic import log_mass

SHAPE = 2, 2, 3  # height, width, and R, G, B


@claim(
    r"\frac{\partial \ell_{i,c}}{\partial x_{j,c'}} \neq 0 \Leftrightarrow "
    r"j < i \ \mathrm{or} \ (j = i \ \mathrm{and} \ c' < c)",
    source="van den Oord et al. 2016 (PixelRNN), section 3.3",
    given="untrained networks, plain and gated, for colour images of 2x2 pixels",
    tolerance=1e-12,
    because="the patterns consist of zeros and ones",
    mistakes={
        "G and B do not see R of their pixel": lambda i, c, j, other: j < i,
        "mask B at once: R sees itself": lambda i, c, j, other: (j, other) <= (i, c),
        "each channel sees its own plane only": lambda i, c, j, other: j < i and other == c,
    },
)
def order_of_the_channels(
    formula: Formula = lambda i, c, j, other: (j, other) < (i, c),
) -> Routes:
    """R comes before G before B: a channel depends on those before it in its own pixel too."""
    numbers = list(itertools.product(range(4), range(3)))
    by_hand = [[formula(i, c, j, other) for j, other in numbers] for i, c in numbers]
    yield "raster order", [by_hand, by_hand]
    images = np.random.default_rng(0).random((8, *SHAPE))

    def pattern(kind: str) -> list[np.ndarray]:
        settings = Settings(kind=kind, kernel_size=3, channels=48, blocks=1, pixels="levels")
        model = PixelCNN(settings, SHAPE, 4, np.random.default_rng(0))
        return [model.dependence(images, *place).ravel() > 0 for place in np.ndindex(SHAPE)]

    yield "non-zero gradients", [pattern("plain"), pattern("gated")]


@claim(
    r"P(x) = \sigma\left(\frac{x + 1/2 - \mu}{s}\right) "
    r"- \sigma\left(\frac{x - 1/2 - \mu}{s}\right), "
    r"\ x - \frac{1}{2} \to -\infty \ \mathrm{at} \ 0, "
    r"\ x + \frac{1}{2} \to \infty \ \mathrm{at} \ n - 1",
    source="Salimans et al. 2017 (PixelCNN++), eq. 2",
    given="eight levels, a logistic within them and one that is mostly outside",
    tolerance=1e-12,
    because="sums and differences of a few float64 numbers",
    mistakes={
        "no tails at the edges": lambda x, n: (x - 0.5, x + 0.5),
        "the upper tail only": lambda x, n: (x - 0.5, np.where(x == n - 1, np.inf, x + 0.5)),
        "bins of twice the width": lambda x, n: (
            np.where(x == 0, -np.inf, x - 1),
            np.where(x == n - 1, np.inf, x + 1),
        ),
    },
)
def discretised_logistic(
    formula: Formula = lambda x, n: (
        np.where(x == 0, -np.inf, x - 0.5),
        np.where(x == n - 1, np.inf, x + 0.5),
    ),
) -> Routes:
    """A level has the mass between half a step below and above; the edges take the tails."""
    levels, logistics = 8, [(3.2, 0.9), (9.0, 1.5)]
    x = np.arange(levels)

    def with_sum(p: np.ndarray) -> list[float]:
        return [*p, p.sum()]

    below, above = formula(x, levels)
    masses = [special.expit((above - m) / s) - special.expit((below - m) / s) for m, s in logistics]
    yield "difference of sigmoids, and their sum", [with_sum(p) for p in masses]
    ours = [np.exp(log_mass(x, m, np.log(s), levels)) for m, s in logistics]
    yield "log of a product, without cancellation; 1", [[*p, 1.0] for p in ours]
    inside = np.arange(levels - 1) + 0.5  # the steps of a cumulative distribution
    steps = [np.diff([0, *stats.logistic.cdf(inside, m, s), 1]) for m, s in logistics]
    yield "cumulative distribution, rounded and clipped", [with_sum(p) for p in steps]


@claim(
    r"p(r, g) = \sum_k \pi_k \, P_k(r) \, P(g \,|\, \mu_k + \alpha_k r, s_k), \quad "
    r"p(g \,|\, r) = \sum_k \frac{\pi_k P_k(r)}{\sum_l \pi_l P_l(r)} \, P_k(g \,|\, r)",
    source="Salimans et al. 2017 (PixelCNN++), eq. 3",
    given="all 64 colours of four levels; three components with random parameters",
    tolerance=1e-12,
    because="sums and products of a few float64 numbers",
    mistakes={
        "the prior weights, also for G and B": lambda log_weight, log_p: log_weight,
        "the component is that of the last channel": lambda log_weight, log_p: log_p,
    },
)
def channels_share_a_component(
    formula: Formula = lambda log_weight, log_p: log_weight + log_p,
) -> Routes:
    """What R was tells which component it came from, and so the weights for G and for B."""
    levels, mixture = 4, Logistic(4, 3, 3)
    level = np.array(list(itertools.product(range(levels), repeat=3)))
    colours = level[:, :, None, None] / (levels - 1)  # as images of one pixel
    logits = np.random.default_rng(0).normal(0, 1, (1, mixture.size, 1, 1)).repeat(64, axis=0)
    joint = np.exp(mixture.log_prob(Tensor(logits), colours).numpy()).ravel()
    yield "joint distribution of R, G and B", joint

    def component(channel: int) -> list[np.ndarray]:
        """The log weights, means and log scales, (64, components) each."""
        return [a.reshape(64, 3) for a in mixture.conditional(logits, colours, channel)]

    def log_p(channel: int) -> np.ndarray:
        _, mean, log_s = component(channel)
        return log_mass(level[:, [channel]], mean, log_s, levels)

    p, log_weight = np.ones(64), component(0)[0]
    for channel in range(3):
        p *= (special.softmax(log_weight, axis=1) * np.exp(log_p(channel))).sum(axis=1)
        log_weight = formula(log_weight, log_p(channel))
    yield "R, then G given R, then B given both", p
    yield "all of them sum to 1", joint / joint.sum()
