"""Claims against common mistakes about likelihoods, divergences and what a model is.

Each claim states the right form; the common mistake is the first of its `mistakes`. Those about
losses, scores and training are in `mistakes_in_training`.
"""

import math

import numpy as np
from scipy import integrate, optimize, special, stats

from autograd import Tensor, bce_with_logits, grad, log_softmax, reparameterize
from kernels import normal
from models.autoencoders import autoencoder, vae
from models.autoregressive import pixelcnn
from models.derivations.claim import Formula, Routes, claim


@claim(
    r"\mathrm{ELBO} = -(\mathrm{reconstruction} + \mathrm{KL}) = "
    r"\log p(x) - \mathrm{KL}(q \| p(z|x))",
    source="Kingma & Welling 2014, eq. 1 to 3",
    given="z has two values, x is observed, and the reconstruction loss is -E_q log p(x|z)",
    tolerance=1e-12,
    because="sums of two terms",
    mistakes={
        "ELBO = reconstruction loss + KL": lambda nll, kl: nll + kl,
        "the KL with the wrong sign": lambda nll, kl: -nll + kl,
    },
)
def the_elbo_has_a_minus(formula: Formula = lambda nll, kl: -(nll + kl)) -> Routes:
    """The ELBO is minus the sum of reconstruction loss and KL, so it is below log p(x)."""
    prior, likelihood, q = np.array([0.3, 0.7]), np.array([0.9, 0.2]), np.array([0.6, 0.4])
    yield "from the two losses", formula(-(q * np.log(likelihood)).sum(), stats.entropy(q, prior))
    p = (prior * likelihood).sum()
    gap = stats.entropy(q, prior * likelihood / p)
    yield "log p(x) minus the KL to the posterior", np.log(p) - gap


@claim(
    r"q(z|x) = \mathcal{N}(\mu, \mathrm{diag}(\sigma^2))",
    source="Kingma & Welling 2014, section 3; their eq. 9 writes N(mu, sigma^2 I)",
    given="sigma = (1/2, 1, 2), one for each dimension",
    tolerance=1e-9,
    because="products of a few numbers; Monte Carlo has its standard errors",
    mistakes={
        "a multiple of I, as N(mu, sigma^2 I) reads": lambda s: (s**2).mean() * np.eye(3),
        "sigma instead of sigma^2": lambda s: np.diag(s),
    },
)
def posterior_is_diagonal(formula: Formula = lambda s: np.diag(s**2)) -> Routes:
    """The covariance of the approximate posterior is diagonal, not a multiple of I."""
    sigma, n = np.array([0.5, 1.0, 2.0]), 100_000
    yield "closed form", formula(sigma)
    # z = mu + sigma eps, so its covariance is J J^T with J = dz/deps.
    eps = Tensor(np.zeros((3, 3)), requires_grad=True)
    jacobian = grad(eps * sigma, eps, np.eye(3)).data
    yield "J J^T, by our engine", jacobian @ jacobian.T
    logvar = np.tile(2 * np.log(sigma), (n, 1))
    z = reparameterize(np.zeros((n, 3)), logvar, seed=0)[0]
    products = z[:, :, None] * z[:, None, :]
    yield "our samples", products.mean(0), stats.sem(products)


@claim(
    r"W_1(p, q) = \max_{|f(x) - f(y)| \leq |x - y|} \mathbb{E}_p f - \mathbb{E}_q f < \infty",
    source="Arjovsky et al. 2017, eq. 2",
    given="two distributions on six points of the line",
    tolerance=1e-7,
    because="the linear programme is solved to 1e-9",
    mistakes={
        "any critic, without the Lipschitz constraint": lambda slopes: {},
        "slopes bounded on one side": lambda slopes: {"A_ub": slopes, "b_ub": np.ones(5)},
    },
)
def the_dual_is_constrained(
    formula: Formula = lambda slopes: {"A_ub": np.vstack([slopes, -slopes]), "b_ub": np.ones(10)},
) -> Routes:
    """The dual of W_1 is over 1-Lipschitz critics; without that constraint it is unbounded."""
    places, rng = np.arange(6.0), np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(6))
    slopes = np.diff(np.eye(6), axis=0)  # neighbours are 1 apart
    bounds = [(0, 0)] + 5 * [(None, None)]  # f(0) = 0: a constant in f changes nothing
    critic = optimize.linprog(q - p, bounds=bounds, **formula(slopes))
    yield "the best critic", -critic.fun if critic.success else math.inf
    yield "the area between the distribution functions", np.abs(np.cumsum(p - q)).sum()
    yield "scipy's W_1", stats.wasserstein_distance(places, places, p, q)


@claim(
    r"\max_x \mathcal{N}(x; \mu, \sigma^2) = \frac{1}{\sigma \sqrt{2 \pi}}",
    source="Goodfellow, Bengio & Courville 2016, section 3.3.2: a density need not be below 1",
    given="sigma = 0.1, 1 and 10",
    tolerance=1e-6,
    because="the quotient of a probability and a width of 1e-4 sigma",
    mistakes={
        "p(x) is between 0 and 1": lambda sigma: np.minimum(1 / (sigma * np.sqrt(2 * np.pi)), 1),
        "the variance instead of sigma": lambda sigma: 1 / (sigma**2 * np.sqrt(2 * np.pi)),
    },
)
def a_density_may_exceed_1(
    formula: Formula = lambda sigma: 1 / (sigma * np.sqrt(2 * np.pi)),
) -> Routes:
    """A density is a probability per unit of length and may exceed 1: here it is 3.99."""
    sigma = np.array([0.1, 1.0, 10.0])
    yield "closed form", formula(sigma)
    yield "scipy's density", stats.norm.pdf(0, 0, sigma)
    half = sigma * 5e-5
    probability = stats.norm.cdf(half, 0, sigma) - stats.norm.cdf(-half, 0, sigma)
    yield "the probability of an interval over its width", probability / (2 * half)


@claim(
    r"\mathbb{E}_{z \sim \mathcal{N}(0, I)} \left[\log \frac{p(0)}{p(z)}\right] = \frac{d}{2}",
    source="Bishop 2006, exercise 1.20",
    given="a latent code of d = 20 dimensions",
    tolerance=1e-9,
    because="a logarithm in closed form; Monte Carlo has its standard error",
    mistakes={
        "all z are equally likely": lambda d: 0.0,
        "the half forgotten": lambda d: d,
        "as in one dimension": lambda d: 0.5,
    },
)
def latents_are_not_equally_likely(formula: Formula = lambda d: d / 2) -> Routes:
    """The density of a typical z in 20 dimensions is e^10 times smaller than that of z = 0."""
    d = 20
    yield "closed form", formula(d)
    p = stats.multivariate_normal(np.zeros(d))
    at_typical_length = np.sqrt(d) * np.eye(d)[0]  # |z|^2 is d on average
    yield "log p(0) - log p(z) at |z|^2 = d", p.logpdf(np.zeros(d)) - p.logpdf(at_typical_length)
    z = normal((20_000, d), seed=0, dtype=np.float64)
    ratio = p.logpdf(np.zeros(d)) - p.logpdf(z)
    yield "our samples", ratio.mean(), stats.sem(ratio)


@claim(
    r"\mathrm{visible} = 2 r (r + 1) - \frac{r (r - 1)}{2} \ \mathrm{(plain)}, \quad "
    r"2 r (r + 1) \ \mathrm{(gated)}",
    source="van den Oord et al. 2016 (gated PixelCNN), section 2.2",
    given="r = 4: four layers of 3x3, the first with mask A",
    tolerance=1e-12,
    because="pixels are counted",
    mistakes={
        "a plain PixelCNN sees all earlier pixels": lambda r: [2 * r * (r + 1), 2 * r * (r + 1)],
        "both have a blind spot": lambda r: [2 * r * (r + 1) - r * (r - 1) // 2] * 2,
    },
)
def a_plain_pixelcnn_has_a_blind_spot(
    formula: Formula = lambda r: [2 * r * (r + 1) - r * (r - 1) // 2, 2 * r * (r + 1)],
) -> Routes:
    """A plain PixelCNN does not see all the pixels above and to the left; a gated one does."""
    r = 4
    yield "closed form", formula(r)

    def visible(kind: str) -> int:
        settings = pixelcnn.Settings(
            kind=kind, kernel_size=3, channels=8, blocks=r - 1, pixels="fixed"
        )
        size, rng = 2 * r + 1, np.random.default_rng(0)
        model = pixelcnn.PixelCNN(settings, (size, size), 2, rng)
        return int(np.count_nonzero(model.dependence(rng.random((8, size, size)), r, r)))

    yield "non-zero gradients of our networks", [visible("plain"), visible("gated")]


@claim(
    r"\int_0^1 p^x (1 - p)^{1 - x} \, dx = \frac{\tanh(\ell / 2)}{\ell} < 1, \quad "
    r"\ell = \log \frac{p}{1 - p}",
    source="Loaiza-Ganem & Cunningham 2019, The continuous Bernoulli: fixing a pervasive error",
    given="logits of 1/10, 1 and 5, and grey x from 0 to 1",
    tolerance=1e-9,
    because="quadrature of a smooth function",
    mistakes={
        "exp(-BCE) is a density of grey x too": lambda logit: np.ones(3),
        "the reciprocal": lambda logit: logit / np.tanh(logit / 2),
        "the half forgotten": lambda logit: np.tanh(logit) / logit,
    },
)
def bce_on_grey_is_no_likelihood(
    formula: Formula = lambda logit: np.tanh(logit / 2) / logit,
) -> Routes:
    """For grey targets exp(-BCE) does not integrate to 1, so it is not a density."""
    logits = np.array([0.1, 1.0, 5.0])
    yield "closed form", formula(logits)

    def density(x: float, logit: float) -> float:
        return np.exp(-bce_with_logits(np.array(logit), x))

    integrals = [integrate.quad(density, 0, 1, args=(logit,))[0] for logit in logits]
    yield "quadrature of our BCE", integrals


@claim(
    r"\min_p \mathrm{BCE}(p, x) = -x \log x - (1 - x) \log(1 - x) > 0",
    source="Cover & Thomas 2006, theorem 2.6.3: a cross-entropy is at least the entropy",
    given="the grey levels 1/16, 1/2 and 3/4; the minima of MNIST's pixels sum to 45.5 nats",
    tolerance=1e-8,
    because="a minimum is flat: a search that stops within 1e-5 of it is 1e-10 above",
    mistakes={
        "a perfect reconstruction has a BCE of 0": lambda x: np.zeros(3),
        "half of it": lambda x: -x * np.log(x),
        "in bits": lambda x: special.entr(x) / np.log(2) + special.entr(1 - x) / np.log(2),
    },
)
def bce_on_grey_has_a_floor(
    formula: Formula = lambda x: special.entr(x) + special.entr(1 - x),
) -> Routes:
    """The BCE of a perfect reconstruction of grey pixels is not 0, but their entropy."""
    x = np.array([1 / 16, 1 / 2, 3 / 4])
    yield "closed form", formula(x)

    def bce(logit: float, target: float) -> float:
        return bce_with_logits(np.array(logit), target)

    yield "the minimum of our BCE", [optimize.minimize_scalar(bce, args=(t,)).fun for t in x]


@claim(
    r"-\log \mathcal{N}(x; \mu, \frac{1}{2} I) = |x - \mu|^2 + \mathrm{const}",
    source="Kingma & Welling 2014, appendix C.2",
    given="the Gaussian decoder of our VAE, with one sigma for all pixels",
    tolerance=1e-5,
    because="the networks compute in float32",
    mistakes={"the squared error as sigma = 1": 1.0, "sigma = 1/2": 0.25},
)
def squared_error_fixes_sigma(formula: float = 0.5) -> Routes:
    """The squared error is the likelihood of a Gaussian with one choice of sigma: sigma^2 = 1/2."""
    rng = np.random.default_rng(0)
    settings = vae.Settings(hidden=(4,), latent=2, decoder="gaussian", pixels="dequantised")
    model = vae.VAE(settings, (2, 2), 17, rng)
    model.log_sigma.data[...] = math.log(formula) / 2
    x = rng.random((3, 4), np.float32)
    z = Tensor(rng.standard_normal((3, 2), np.float32), requires_grad=True)
    yield "gradient of -log p(x|z)", grad(model.reconstruction(x, z).sum(), z).data
    yield "gradient of |x - decode(z)|^2", grad(((x - model.decode(z)) ** 2).sum(), z).data


@claim(
    r"q_k = 0 < p_k \ \Rightarrow \ \mathrm{KL}(p \| q) = +\infty",
    source="Cover & Thomas 2006, section 2.3: p log(p / 0) = infinity",
    given="p = (1/2, 1/2, 0) and q = (1/2, 0, 1/2)",
    tolerance=1e-12,
    because="the value is infinite, or it is not",
    mistakes={
        "not defined": lambda p, q: math.nan,
        "the term left out": lambda p, q: (p[:1] * np.log(p[:1] / q[:1])).sum(),
        "a small number added to q": lambda p, q: stats.entropy(p, q + 1e-8),
    },
)
def kl_off_support(formula: Formula = lambda p, q: special.rel_entr(p, q).sum()) -> Routes:
    """KL(p || q) is not undefined but infinite where q is 0 and p is not."""
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.5, 0.0, 0.5])
    yield "sum of p log(p / q)", formula(p, q)
    log_q = log_softmax(np.array([0.0, -math.inf, 0.0]))
    cross_entropy = -(p * log_q).sum()
    yield "cross-entropy by our log_softmax, minus the entropy", cross_entropy - stats.entropy(p)


@claim(
    r"p(x) = \frac{e^{-E(x)}}{Z}, \quad Z = \sum_x e^{-E(x)}",
    source="Bishop 2006, eq. 8.41; LeCun et al. 2006, A Tutorial on Energy-Based Learning",
    given="eight states with random energies",
    tolerance=1e-12,
    because="sums of eight terms",
    mistakes={
        "p is proportional to e^-E / Z: any factor": lambda e, z: 2 * np.exp(-e) / z,
        "without Z": lambda e, z: np.exp(-e),
        "the wrong sign of the energy": lambda e, z: np.exp(e) / z,
    },
)
def a_boltzmann_distribution(formula: Formula = lambda e, z: np.exp(-e) / z) -> Routes:
    """e^-E divided by Z is equal to the probability, not only proportional to it."""
    energies = np.random.default_rng(0).standard_normal(8)
    p = formula(energies, np.exp(-energies).sum())
    yield "closed form, and the sum", [*p, p.sum()]
    yield "our log_softmax, and 1", [*np.exp(log_softmax(Tensor(-energies)).data), 1.0]
    # E(x) - E(x_0) = log p(x_0) / p(x) fixes all ratios, and the sum of 1 fixes p.
    ratios = np.exp(energies[0] - energies)
    yield "from its ratios", [*(ratios / ratios.sum()), 1.0]


@claim(
    r"\mathrm{Var}[z|x] = 0 \ \mathrm{(autoencoder)}, \quad \sigma^2(x) \ \mathrm{(VAE)}",
    source="Kingma & Welling 2014, section 3; Goodfellow, Bengio & Courville 2016, section 14.4",
    given="a plain autoencoder and a VAE, untrained; 20,000 codes of one image",
    tolerance=1e-6,
    because="our networks are float32",
    mistakes={
        "both learn a q(z|x)": lambda variance: [variance, variance],
        "neither does": lambda variance: [0.0, 0.0],
    },
)
def a_plain_autoencoder_is_deterministic(
    formula: Formula = lambda variance: [0.0, variance],
) -> Routes:
    """The code of a plain autoencoder has no variance: it has no q(z|x), and a VAE has one."""
    rng, n = np.random.default_rng(0), 20_000
    x = np.repeat(rng.integers(0, 2, (1, 6)).astype(np.float32), n, axis=0)
    settings = autoencoder.Settings(kind="plain", hidden=(4,), latent=1)
    plain = autoencoder.Autoencoder(settings, (2, 3), 2, rng)
    model = vae.VAE(vae.Settings(hidden=(4,), latent=1, pixels="fixed"), (2, 3), 2, rng)
    mu, logvar = model.encode(x)
    yield "closed form", formula(np.exp(logvar.data[0, 0].item()))
    z = reparameterize(mu, logvar, seed=0)[0].data.ravel().astype(float)
    codes = plain.encode(x).data.ravel().astype(float)
    # The variance of n squared Gaussians' mean is 2 sigma^4 / n.
    yield "codes of our networks", [codes.var(), z.var()], [0.0, z.var() * np.sqrt(2 / n)]
