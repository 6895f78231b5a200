"""Claims about a VQ-VAE: its gradient, its codebook, and what its two stages bound."""

import numpy as np
from scipy import stats

from autograd import Tensor, grad
from models.autoencoders.vqvae import VQVAE, Settings, perplexity
from models.derivations.claim import Formula, Routes, claim

W = np.array([[1.0, -0.5], [0.3, 2.0], [-1.2, 0.4]])  # a linear decoder
X = np.array([0.2, 1.0, -0.3])
Z_E, Z_Q = np.array([0.9, -0.2]), np.array([0.5, 0.25])


@claim(
    r"\frac{\partial}{\partial z_e} \|x - W (z_e + \mathrm{sg}[z_q - z_e])\|^2 = "
    r"-2 W^T (x - W z_q)",
    source="van den Oord et al. 2017, section 3.2: the straight-through estimator",
    given="three pixels from two numbers; z_e = (.9, -.2), whose nearest vector is (.5, .25)",
    tolerance=1e-8,
    because="central differences of a square are exact but for rounding",
    mistakes={
        "the decoder at z_e, not at z_q": lambda: -2 * W.T @ (X - W @ Z_E),
        "0, the true gradient of a step": lambda: np.zeros(2),
        "with the commitment in it": lambda: -2 * W.T @ (X - W @ Z_Q) + 2 * (Z_E - Z_Q),
    },
)
def straight_through_gradient(
    formula: Formula = lambda: -2 * W.T @ (X - W @ Z_Q),
) -> Routes:
    """Straight-through: the encoder gets the decoder's gradient at z_q, not at its own output."""
    yield "closed form", formula()
    leaf = Tensor(Z_E, requires_grad=True)
    error = X - W @ (leaf + (Z_Q - leaf.data))
    yield "our engine, with a constant for sg", grad((error * error).sum(), leaf).numpy()
    step = 1e-4
    sides = [[np.sum((X - W @ (Z_Q + s * h)) ** 2) for s in (step, -step)] for h in np.eye(2)]
    yield "finite differences at z_q", [(a - b) / (2 * step) for a, b in sides]


OUTPUTS = np.array([[0.0, 1.0], [1.0, 2.0], [3.0, 0.0], [5.0, 5.0], [6.0, 4.0]])
CHOSEN = np.array([0, 0, 0, 1, 1])


@claim(
    r"\arg\min_{e_k} \sum_{i: k_i = k} \|z_i - e_k\|^2 = \frac{1}{n_k} \sum_{i: k_i = k} z_i = "
    r"\lim \frac{m_k}{N_k}",
    source="van den Oord et al. 2017, appendix A.1; MacQueen 1967, for k-means",
    given="five outputs, of which three choose one vector and two the other",
    tolerance=1e-5,
    because="our VQ-VAE keeps its averages in float32; .9^300 of the start is left",
    mistakes={
        "the mean of all outputs": lambda: np.repeat(OUTPUTS.mean(0)[None], 2, axis=0),
        "not divided by N": lambda: np.array([OUTPUTS[k == CHOSEN].sum(0) for k in (0, 1)]),
        "the median": lambda: np.array([np.median(OUTPUTS[k == CHOSEN], axis=0) for k in (0, 1)]),
        "divided by the whole batch": lambda: np.array(
            [OUTPUTS[k == CHOSEN].sum(0) / 5 for k in (0, 1)]
        ),
    },
)
def codebook_is_the_mean(
    formula: Formula = lambda: np.array([OUTPUTS[k == CHOSEN].mean(0) for k in (0, 1)]),
) -> Routes:
    """The best vector is the mean of the outputs that chose it: k-means, or a moving average."""
    yield "closed form", formula()
    book = Tensor(np.array([[0.5, 0.5], [4.0, 4.0]]), requires_grad=True)
    slope = grad(((OUTPUTS - book[CHOSEN]) ** 2).sum(), book).numpy()
    yield "a Newton step on the codebook loss", book.data - slope / (2 * np.array([[3.0], [2.0]]))
    settings = Settings(hidden=(2,), latent=2, codes=2, decay=0.9, revive=0.0, pixels="fixed")
    rng = np.random.default_rng(0)
    model = VQVAE(settings, (2, 2), 2, rng)
    for _ in range(300):
        model.move_codebook(OUTPUTS.astype(np.float32), CHOSEN, rng)
    yield "the moving average of our VQ-VAE", model.codebook.numpy()


P_K = np.array([0.5, 0.3, 0.2])  # p(z) of three codes
LIKELIHOOD = np.array([0.42, 0.03, 0.11])  # p(x|z) of one image; the encoder chose the first


@claim(
    r"-\log p(x) = -\log \sum_z p(z) p(x | z) \leq -\log p(z(x)) - \log p(x | z(x))",
    source="van den Oord et al. 2017, section 3.2; MacKay 2003, chapter 28, on codes of two parts",
    given="three codes of p(z) = .5, .3, .2 and an image of p(x|z) = .42, .03, .11",
    tolerance=1e-12,
    because="sums of three numbers",
    relation="<=",
    mistakes={
        "the codes cost nothing": lambda p, likelihood: -np.log(likelihood),
        "the sign of log p(z) is lost": lambda p, likelihood: np.log(p) - np.log(likelihood),
        "the mean of the two stages": lambda p, likelihood: -np.log(p * likelihood) / 2,
    },
)
def two_stages_bound_the_nats(
    formula: Formula = lambda p, likelihood: -np.log(p) - np.log(likelihood),
) -> Routes:
    """Nats of the codes and of the image given them: at least those of the image, by one term."""
    yield "-log p(x), of all codes", -np.log(P_K @ LIKELIHOOD)
    yield "by the code of the encoder", formula(P_K[0], LIKELIHOOD[0])
    yield "by the best and the worst code", -np.log((P_K * LIKELIHOOD).min())


SHARES = np.array([0.5, 0.25, 0.125, 0.125])


@claim(
    r"\mathrm{perplexity} = \exp(-\sum_k p_k \log p_k)",
    source="Jurafsky & Martin 2009, section 4.4; Cover & Thomas 2006, section 5.3, for the lengths",
    given="shares of 1/2, 1/4, 1/8, 1/8: 1.75 bits, 2^1.75 = 3.364 codes",
    tolerance=1e-12,
    because="logarithms of four numbers",
    mistakes={
        "the entropy itself": lambda p: -(p * np.log(p)).sum(),
        "2 to the power of nats": lambda p: 2 ** -(p * np.log(p)).sum(),
        "the codes counted": lambda p: float((p > 0).sum()),
        "1 / sum p^2": lambda p: 1 / (p * p).sum(),
    },
)
def perplexity_of_a_codebook(
    formula: Formula = lambda p: np.exp(-(p * np.log(p)).sum()),
) -> Routes:
    """The perplexity is the number of codes that, used alike, would have the same entropy."""
    yield "closed form", formula(SHARES)
    yield "our VQ-VAE", perplexity(SHARES)
    yield "2^(mean length of a Huffman code)", 2 ** (SHARES @ [1, 2, 3, 3])
    yield "scipy's entropy", np.exp(stats.entropy(SHARES))
