"""Claims about several generators (MGAN) and several discriminators (GMAN)."""

import numpy as np
from scipy import optimize, special

from autograd import Tensor, grad, log_softmax, softmax, softplus
from models.adversarial.gman import GMAN, Settings
from models.derivations.claim import Formula, Routes, claim

GENERATORS = np.array([[0.6, 0.2, 0.1, 0.1], [0.1, 0.5, 0.3, 0.1], [0.2, 0.1, 0.1, 0.6]])
"""The probabilities of four outcomes by each of three generators, (generators, outcomes)."""
P = np.array([0.4, 0.3, 0.2, 0.1])
"""Those of the data."""


def _entropy(p: np.ndarray) -> np.ndarray:
    return special.entr(p).sum(axis=-1)


def _jsd(p: np.ndarray) -> float:
    """Of distributions (K, outcomes), in equal shares: H(mean) - mean H, in nats."""
    return _entropy(p.mean(0)) - _entropy(p).mean()


@claim(
    r"\arg\max_C \ \sum_k \frac{1}{K} \, \mathbb{E}_{G_k} [\log C_k(x)] = "
    r"\frac{p_{G_k}(x)}{\sum_j p_{G_j}(x)}",
    source="Hoang et al. 2018, MGAN: Training Generative Adversarial Nets with Multiple Generators",
    given="three generators of four outcomes, in equal shares",
    tolerance=1e-6,
    because="a search finds a minimum up to the root of the rounding error, 1e-8",
    mistakes={
        "the generator's own probabilities": lambda p: p.T,
        "over the outcomes, not the generators": lambda p: (p / p.sum(1, keepdims=True)).T,
        "against the others only": lambda p: (p / (p.sum(0) - p)).T,
    },
)
def best_classifier_of_generators(formula: Formula = lambda p: (p / p.sum(0)).T) -> Routes:
    """The best classifier of generators is their posterior, by Bayes with equal shares."""
    yield "closed form", formula(GENERATORS)

    def slopes(logits: np.ndarray) -> np.ndarray:
        s = Tensor(logits.reshape(4, 3), requires_grad=True)
        cross_entropy = -(log_softmax(s) * GENERATORS.T).sum() / 3
        return grad(cross_entropy, s).numpy().ravel()

    found = optimize.root(slopes, np.zeros(12), method="lm", tol=1e-14).x
    yield "where the gradient of our cross-entropy is 0", special.softmax(found.reshape(4, 3), 1)


@claim(
    r"\min_C \ -\sum_k \frac{1}{K} \, \mathbb{E}_{G_k} [\log C_k(x)] = "
    r"\log K - \mathrm{JSD}(p_{G_1}, \ldots, p_{G_K})",
    source="Hoang et al. 2018, MGAN: Training Generative Adversarial Nets with Multiple Generators",
    given="three generators of four outcomes, in equal shares",
    tolerance=1e-9,
    because="sums over four outcomes",
    mistakes={
        "plus: a loss that grows with what C has to go by": lambda p: np.log(len(p)) + _jsd(p),
        "log K forgotten": lambda p: -_jsd(p),
        "the entropy of the mixture": lambda p: np.log(len(p)) - _entropy(p.mean(0)),
    },
)
def loss_of_the_best_classifier(
    formula: Formula = lambda p: np.log(len(p)) - _jsd(p),
) -> Routes:
    """The classifier's least loss is log K minus what a sample tells of its generator."""
    yield "closed form", formula(GENERATORS)
    posterior = GENERATORS / GENERATORS.sum(0)
    yield "at the posterior", -(GENERATORS * np.log(posterior)).sum() / 3
    joint = GENERATORS / 3
    independent = joint.sum(1, keepdims=True) * joint.sum(0)
    information = (joint * np.log(joint / independent)).sum()
    yield "log K minus the mutual information", np.log(3) - information


def _objective(p: np.ndarray, g: np.ndarray, beta: float) -> float:
    pair = np.stack([p, g.mean(0)])
    return 2 * _jsd(pair) - np.log(4) + beta * (np.log(len(g)) - _jsd(g))


@claim(
    r"\max_D \min_C J = 2 \, \mathrm{JSD}(p_{data}, p_{model}) - \log 4 + "
    r"\beta \, (\log K - \mathrm{JSD}(p_{G_1}, \ldots, p_{G_K}))",
    source="Hoang et al. 2018, MGAN: Training Generative Adversarial Nets with Multiple Generators",
    given="data and three generators of four outcomes, beta = .5",
    tolerance=1e-9,
    because="sums over four outcomes",
    mistakes={
        "the generators drawn together: + JSD": lambda p, g, beta: (
            2 * _jsd(np.stack([p, g.mean(0)])) - np.log(4) + beta * (np.log(len(g)) + _jsd(g))
        ),
        "each generator against the data, not their mixture": lambda p, g, beta: (
            np.mean([2 * _jsd(np.stack([p, one])) for one in g])
            - np.log(4)
            + beta * (np.log(len(g)) - _jsd(g))
        ),
        "beta forgotten": lambda p, g, beta: _objective(p, g, 1.0),
    },
)
def objective_of_an_mgan(formula: Formula = _objective) -> Routes:
    """Against the best D and C the mixture nears the data, and the generators part."""
    model, beta = GENERATORS.mean(0), 0.5
    yield "closed form", formula(P, GENERATORS, beta)
    d, c = P / (P + model), GENERATORS / GENERATORS.sum(0)
    game = (P * np.log(d) + model * np.log(1 - d)).sum()
    yield "the game at the best D and C", game - beta * (GENERATORS * np.log(c)).sum() / 3


V = np.array([-3.0, -2.5, -2.0, -1.5])
"""The values of the games of four discriminators."""


def _f(v: np.ndarray, temperature: float) -> float:
    return special.softmax(temperature * v) @ v


def _gman(temperature: float) -> tuple[GMAN, np.ndarray, np.ndarray]:
    """Four discriminators of points that answer with their last bias alone; data and samples."""
    settings = Settings(
        loss="minimax",
        network="mlp",
        hidden=(3,),
        discriminators=4,
        inverse_temperature=temperature,
    )
    model = GMAN(settings, (2,), 0, np.random.default_rng(0))
    for d, value in zip(model.discriminator.each, V):
        d.output.weight.data[...] = 0
        # log D + log(1 - D) = -2 log(2 cosh(s / 2)) of the logit s, which is at most -log 4
        d.output.bias.data[...] = 2 * np.arccosh(np.exp(-value / 2) / 2)
    x = np.ones((5, 2), np.float32)
    return model, x, x


@claim(
    r"\frac{1}{N} \sum_i V_i \leq \sum_i w_i V_i \leq \max_i V_i, \quad w = "
    r"\mathrm{softmax}(\lambda V)",
    source="Durugkar et al. 2017, Generative Multi-Adversarial Networks, section 3.3.1, eq. 3",
    given="four values V, lambda = 2",
    tolerance=1e-5,
    because="our GMAN computes in float32",
    relation="<=",
    mistakes={
        "the sign of lambda, which leans to the smallest": lambda v, t: _f(v, -t),
        "the sum, not the mean": lambda v, t: v.sum(),
        "log-sum-exp, which is above the maximum": lambda v, t: special.logsumexp(t * v) / t,
    },
)
def soft_maximum_is_between(formula: Formula = _f) -> Routes:
    """The softmax-weighted mean of the values lies between their mean and their maximum."""
    yield "lambda = 0: the mean", V.mean()
    yield "lambda = 2", formula(V, 2.0)
    yield "our GMAN, lambda = 3", _value(3.0)
    yield "lambda = 100", _f(V, 100.0)
    yield "the maximum", V.max()


def _value(temperature: float) -> float:
    model, real, fake = _gman(temperature)
    return model.value(fake, real, None).item()


@claim(
    r"\frac{\partial}{\partial V_i} \sum_j w_j V_j = w_i \, (1 + \lambda (V_i - F)), \quad F = "
    r"\sum_j w_j V_j",
    source="Durugkar et al. 2017, Generative Multi-Adversarial Networks, section 3.3.1, eq. 3",
    given="four values V, lambda = 2",
    tolerance=1e-8,
    because="central differences: rounding of 1e-15 over 1e-5, and a cubic term of 1e-10",
    mistakes={
        "the weights alone, as if they were constants": lambda v, t: special.softmax(t * v),
        "lambda forgotten": lambda v, t: special.softmax(t * v) * (1 + v - _f(v, t)),
        "from the mean, not from F": lambda v, t: special.softmax(t * v) * (1 + t * (v - v.mean())),
    },
)
def gradient_of_the_soft_maximum(
    formula: Formula = lambda v, t: special.softmax(t * v) * (1 + t * (v - _f(v, t))),
) -> Routes:
    """The weights move too: a discriminator far below F can count with a negative sign."""
    t, h = 2.0, 1e-5
    yield "by hand", formula(V, t)
    v = Tensor(V, requires_grad=True)
    yield "our engine", grad((softmax(t * v) * v).sum(), v).numpy()
    yield (
        "finite differences",
        [(_f(V + step, t) - _f(V - step, t)) / (2 * h) for step in h * np.eye(4)],
    )


@claim(
    r"\frac{1}{N} \sum_i \log(1 - D_i) = \frac{1}{N} \log \prod_i (1 - D_i), \quad \frac{d}{ds} = "
    r"-\frac{1}{N} \sum_i D_i",
    source="Durugkar et al. 2017, Generative Multi-Adversarial Networks, section 3.3.2, eq. 6",
    given="three discriminators, of which two are sure: D = 1e-6, 1e-6, .4",
    tolerance=1e-9,
    because="the engine differentiates softplus exactly",
    mistakes={
        "the surest one decides": lambda d: -d.min(),
        "the product of them, which vanishes": lambda d: -d.prod(),
        "not divided by N": lambda d: -d.sum(),
    },
)
def gradient_of_several_minimax_losses(formula: Formula = lambda d: -d.mean()) -> Routes:
    """A generator gets a gradient of log(1 - D) if only one of its discriminators is unsure."""
    d = np.array([1e-6, 1e-6, 0.4])
    yield "closed form", formula(d)
    s = Tensor(0.0, requires_grad=True)  # the same shift of every logit
    yield "our engine", grad(-softplus(s + special.logit(d)).mean(), s).item()
    h = 1e-6
    product = lambda x: np.log(np.prod(1 - special.expit(special.logit(d) + x))) / 3  # noqa: E731
    yield "finite differences of eq. 6", (product(h) - product(-h)) / (2 * h)
