"""What the lectures print that does not hold, and what does: the printed form is the mistake.

Those about training are in `errata_of_training`.
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
    r"\mathcal{L} = -\log p(x|z) + \beta \, \mathrm{KL}",
    source="erratum 1; Kingma & Welling 2014, eq. 3",
    given="printed as loss = -(recon_loss + beta kl_loss), where recon_loss = -log p(x|z)",
    tolerance=1e-12,
    because="the gradient of a few terms, against the softplus written out",
    mistakes={"as printed": lambda nll, kl: -(nll + kl)},
)
def the_loss_descends(formula: Formula = lambda nll, kl: nll + kl) -> Routes:
    """Minimising the loss lowers the negative log-likelihood: no minus stands before it."""
    logits, x = Tensor(np.array([0.5, -1.0, 2.0]), requires_grad=True), np.array([1.0, 0.0, 0.0])
    loss = formula(bce_with_logits(logits, x).sum(), 0.25)
    yield "gradient of the loss", grad(loss, logits).data
    yield "gradient of -log p, by hand", special.expit(logits.data) - x


@claim(
    r"\mathrm{ELBO} = -(\mathrm{reconstruction} + \mathrm{KL}) = "
    r"\log p(x) - \mathrm{KL}(q \| p(z|x))",
    source="erratum 2; Kingma & Welling 2014, eq. 1 to 3",
    given="z is one of two and x was seen; printed as ELBO = recon_loss + KL_loss",
    tolerance=1e-12,
    because="sums of two terms",
    mistakes={
        "as printed": lambda nll, kl: nll + kl,
        "the KL with the other sign": lambda nll, kl: -nll + kl,
    },
)
def the_elbo_has_a_minus(formula: Formula = lambda nll, kl: -(nll + kl)) -> Routes:
    """The ELBO is minus the sum of reconstruction and KL, so that it is below log p(x)."""
    prior, likelihood, q = np.array([0.3, 0.7]), np.array([0.9, 0.2]), np.array([0.6, 0.4])
    yield "of the two losses", formula(-(q * np.log(likelihood)).sum(), stats.entropy(q, prior))
    p = (prior * likelihood).sum()
    gap = stats.entropy(q, prior * likelihood / p)
    yield "log p(x), and the gap to the posterior", np.log(p) - gap


@claim(
    r"q(z|x) = \mathcal{N}(\mu, \mathrm{diag}(\sigma^2))",
    source="erratum 8; Kingma & Welling 2014, section 3: a diagonal covariance",
    given="sigma = (1/2, 1, 2), one for each dimension; printed as N(mu, sigma^2 I)",
    tolerance=1e-9,
    because="products of a few numbers; the draws have their standard errors",
    mistakes={
        "as printed": lambda sigma: (sigma**2).mean() * np.eye(3),
        "sigma, not its square": lambda sigma: np.diag(sigma),
    },
)
def posterior_is_diagonal(formula: Formula = lambda sigma: np.diag(sigma**2)) -> Routes:
    """The covariance of the approximate posterior is diagonal, and not a multiple of I."""
    sigma, n = np.array([0.5, 1.0, 2.0]), 100_000
    yield "closed form", formula(sigma)
    # z = mu + sigma eps, so its covariance is J J^T with J = dz/deps.
    eps = Tensor(np.zeros((3, 3)), requires_grad=True)
    jacobian = grad(eps * sigma, eps, np.eye(3)).data
    yield "J J^T, by our engine", jacobian @ jacobian.T
    logvar = np.tile(2 * np.log(sigma), (n, 1))
    z = reparameterize(np.zeros((n, 3)), logvar, seed=0)[0]
    products = z[:, :, None] * z[:, None, :]
    yield "our draws", products.mean(0), stats.sem(products)


@claim(
    r"W_1(p, q) = \max_{|f(x) - f(y)| \leq |x - y|} \mathbb{E}_p f - \mathbb{E}_q f < \infty",
    source="erratum 10; Arjovsky et al. 2017, eq. 2",
    given="two distributions on six points of the line; printed as an unconstrained dual",
    tolerance=1e-7,
    because="the linear programme is solved to 1e-9",
    mistakes={
        "as printed": lambda slopes: {},
        "slopes bounded on one side": lambda slopes: {"A_ub": slopes, "b_ub": np.ones(5)},
    },
)
def the_dual_is_constrained(
    formula: Formula = lambda slopes: {
        "A_ub": np.vstack([slopes, -slopes]),
        "b_ub": np.ones(10),
    },
) -> Routes:
    """The dual of W_1 is over 1-Lipschitz critics; without that constraint it is unbounded."""
    places, rng = np.arange(6.0), np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(6))
    slopes = np.diff(np.eye(6), axis=0)  # neighbours are 1 apart
    bounds = [(0, 0)] + 5 * [(None, None)]  # f(0) = 0, for a constant changes nothing
    critic = optimize.linprog(q - p, bounds=bounds, **formula(slopes))
    yield "the best critic", -critic.fun if critic.success else math.inf
    yield "the area between the distribution functions", np.abs(np.cumsum(p - q)).sum()
    yield "scipy's W_1", stats.wasserstein_distance(places, places, p, q)


@claim(
    r"\max_x \mathcal{N}(x; \mu, \sigma^2) = \frac{1}{\sigma \sqrt{2 \pi}}",
    source="erratum 11",
    given="sigma = 0.1, 1 and 10; printed as a likelihood p(x) between 0 and 1",
    tolerance=1e-6,
    because="the quotient of a probability and a width of 1e-4 sigma",
    mistakes={
        "as printed": lambda sigma: np.minimum(1 / (sigma * np.sqrt(2 * np.pi)), 1),
        "the variance for sigma": lambda sigma: 1 / (sigma**2 * np.sqrt(2 * np.pi)),
    },
)
def a_density_may_exceed_1(
    formula: Formula = lambda sigma: 1 / (sigma * np.sqrt(2 * np.pi)),
) -> Routes:
    """A density is a probability per unit, and may exceed 1: here it is 3.99."""
    sigma = np.array([0.1, 1.0, 10.0])
    yield "closed form", formula(sigma)
    yield "scipy's density", stats.norm.pdf(0, 0, sigma)
    half = sigma * 5e-5
    probability = stats.norm.cdf(half, 0, sigma) - stats.norm.cdf(-half, 0, sigma)
    yield "the probability of an interval over its width", probability / (2 * half)


@claim(
    r"\mathbb{E}_{z \sim \mathcal{N}(0, I)} \left[\log \frac{p(0)}{p(z)}\right] = \frac{d}{2}",
    source="erratum 12",
    given="d = 20 dimensions of a latent code; printed as: all z are equally likely",
    tolerance=1e-9,
    because="a logarithm in closed form; the draws have their standard error",
    mistakes={
        "as printed": lambda d: 0.0,
        "the half forgotten": lambda d: d,
        "as in one dimension": lambda d: 0.5,
    },
)
def latents_are_not_equally_likely(formula: Formula = lambda d: d / 2) -> Routes:
    """A typical z in 20 dimensions has a density e^10 times below that of 0."""
    d = 20
    yield "closed form", formula(d)
    p = stats.multivariate_normal(np.zeros(d))
    at_typical_length = np.sqrt(d) * np.eye(d)[0]  # |z|^2 is d on average
    yield "log p(0) - log p(z) at |z|^2 = d", p.logpdf(np.zeros(d)) - p.logpdf(at_typical_length)
    z = normal((20_000, d), seed=0, dtype=np.float64)
    ratio = p.logpdf(np.zeros(d)) - p.logpdf(z)
    yield "our draws", ratio.mean(), stats.sem(ratio)


@claim(
    r"\mathrm{seen} = 2 r (r + 1) - \frac{r (r - 1)}{2} \ \mathrm{(plain)}, \quad "
    r"2 r (r + 1) \ \mathrm{(gated)}",
    source="erratum 13; van den Oord et al. 2016 (gated PixelCNN), section 2.2",
    given="r = 4: 3x3 with mask A and three blocks; printed: each sees all above and to the left",
    tolerance=1e-12,
    because="pixels are counted",
    mistakes={
        "as printed": lambda r: [2 * r * (r + 1), 2 * r * (r + 1)],
        "both have a blind spot": lambda r: [2 * r * (r + 1) - r * (r - 1) // 2] * 2,
    },
)
def a_plain_pixelcnn_has_a_blind_spot(
    formula: Formula = lambda r: [
        2 * r * (r + 1) - r * (r - 1) // 2,
        2 * r * (r + 1),
    ],
) -> Routes:
    """A plain PixelCNN sees fewer pixels than are above and to the left; a gated one sees all."""
    r = 4
    yield "closed form", formula(r)

    def seen(kind: str) -> int:
        settings = pixelcnn.Settings(kind, first=3, channels=8, blocks=r - 1, binarisation="fixed")
        size, rng = 2 * r + 1, np.random.default_rng(0)
        model = pixelcnn.PixelCNN(settings, (size, size), 2, rng)
        return int(np.count_nonzero(model.dependence(rng.random((8, size, size)), r, r)))

    yield "our networks' gradients that are not 0", [seen("plain"), seen("gated")]


@claim(
    r"\int_0^1 p^x (1 - p)^{1 - x} \, dx = \frac{\tanh(\ell / 2)}{\ell} < 1, \quad "
    r"\ell = \log \frac{p}{1 - p}",
    source="erratum 14; Loaiza-Ganem & Cunningham 2019",
    given="logits of 1/10, 1 and 5; printed: BCE is a Bernoulli's log-likelihood for grey x too",
    tolerance=1e-9,
    because="quadrature of a smooth function",
    mistakes={
        "as printed": lambda logit: np.ones(3),
        "the constant, not the integral": lambda logit: logit / np.tanh(logit / 2),
        "the half forgotten": lambda logit: np.tanh(logit) / logit,
    },
)
def bce_on_grey_is_no_likelihood(
    formula: Formula = lambda logit: np.tanh(logit / 2) / logit,
) -> Routes:
    """exp(-BCE) of grey targets does not integrate to 1, so it is no density."""
    logits = np.array([0.1, 1.0, 5.0])
    yield "closed form", formula(logits)

    def density(x: float, logit: float) -> float:
        return np.exp(-bce_with_logits(np.array(logit), x))

    yield (
        "quadrature of our BCE",
        [integrate.quad(density, 0, 1, args=(logit,))[0] for logit in logits],
    )


@claim(
    r"\min_p \mathrm{BCE}(p, x) = -x \log x - (1 - x) \log(1 - x) > 0",
    source="erratum 14; on MNIST the floor is 45.5 nats an image",
    given="the grey levels 1/16, 1/2 and 3/4; printed as a likelihood that could reach 0",
    tolerance=1e-8,
    because="a minimum is flat: a search that stops within 1e-5 of it is 1e-10 above",
    mistakes={
        "as printed": lambda x: np.zeros(3),
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

    yield "the least of our BCE", [optimize.minimize_scalar(bce, args=(t,)).fun for t in x]


@claim(
    r"-\log \mathcal{N}(x; \mu, \frac{1}{2} I) = |x - \mu|^2 + \mathrm{const}",
    source="erratum 15; Kingma & Welling 2014, appendix C.2",
    given="our VAE's Gaussian decoder with sigma^2 everywhere; printed as: Gaussian decoder = MSE",
    tolerance=1e-5,
    because="the networks compute in float32",
    mistakes={"as printed, with sigma = 1": 1.0, "sigma = 1/2": 0.25},
)
def squared_error_fixes_sigma(formula: float = 0.5) -> Routes:
    """The squared error with weight 1 is a Gaussian likelihood with sigma^2 = 1/2."""
    rng = np.random.default_rng(0)
    settings = vae.Settings(hidden=(4,), latent=2, decoder="gaussian", binarisation="none")
    model = vae.VAE(settings, (2, 2), 17, rng)
    model.log_sigma.data[...] = math.log(formula) / 2
    x = rng.random((3, 4), np.float32)
    z = Tensor(rng.standard_normal((3, 2), np.float32), requires_grad=True)
    yield "gradient of -log p(x|z)", grad(model.reconstruction(x, z).sum(), z).data
    yield "gradient of |x - decode(z)|^2", grad(((x - model.decode(z)) ** 2).sum(), z).data


@claim(
    r"q_k = 0 < p_k \ \Rightarrow \ \mathrm{KL}(p \| q) = +\infty",
    source="erratum 19; Cover & Thomas 2006, section 2.3: p log(p / 0) = infinity",
    given="p = (1/2, 1/2, 0) and q = (1/2, 0, 1/2); printed as not defined",
    tolerance=1e-12,
    because="an infinity is one",
    mistakes={
        "as printed": lambda p, q: math.nan,
        "the term left out": lambda p, q: (p[:1] * np.log(p[:1] / q[:1])).sum(),
        "a small number added to q": lambda p, q: stats.entropy(p, q + 1e-8),
    },
)
def kl_off_support(formula: Formula = lambda p, q: special.rel_entr(p, q).sum()) -> Routes:
    """The KL divergence is infinite where q gives no probability to what p does."""
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.5, 0.0, 0.5])
    yield "sum of p log(p / q)", formula(p, q)
    log_q = log_softmax(np.array([0.0, -math.inf, 0.0]))  # what a network says that is sure
    yield (
        "cross-entropy by our log_softmax, less the entropy",
        -(p * log_q).sum() - stats.entropy(p),
    )


@claim(
    r"\mathcal{L} = -\mathrm{ELBO} \geq -\log p(x)",
    source="erratum 3; the sign is a convention, and this is the one kept here",
    given="one lecture has L for the ELBO and another for -ELBO; three binary images, one noise",
    tolerance=1e-5,
    because="our losses are float32",
    mistakes={
        "as in the other lecture": lambda reconstruction, kl: -(reconstruction + kl),
        "its parts subtracted": lambda reconstruction, kl: reconstruction - kl,
    },
)
def one_sign_for_the_loss(
    formula: Formula = lambda reconstruction, kl: reconstruction + kl,
) -> Routes:
    """What is minimised and what is reported have one sign, which a bound on -log p(x) needs."""
    settings = vae.Settings(hidden=(4,), latent=2, binarisation="fixed")
    model = vae.VAE(settings, (2, 3), 2, np.random.default_rng(0))
    x = np.random.default_rng(1).integers(0, 2, (3, 6)).astype(np.float32)
    loss, parts = model.loss(x, np.random.default_rng(2))  # and below with the same noise
    yield "what our VAE minimises", loss.item()
    yield "-log p(x|z) and the KL", formula(parts["reconstruction"], parts["kl"])
    yield "what it reports", model.bound(x, np.random.default_rng(2))["negative_elbo"].mean()


@claim(
    r"p(x) = \frac{e^{-E(x)}}{Z}, \quad Z = \sum_x e^{-E(x)}",
    source="erratum 9; LeCun et al. 2006, eq. 2, at temperature 1",
    given="printed as p proportional to e^-E / Z; eight states",
    tolerance=1e-12,
    because="sums of eight terms",
    mistakes={
        "as printed: Z, and any factor besides": lambda e, z: 2 * np.exp(-e) / z,
        "proportional, without Z": lambda e, z: np.exp(-e),
        "the sign of the energy": lambda e, z: np.exp(e) / z,
    },
)
def a_boltzmann_distribution(formula: Formula = lambda e, z: np.exp(-e) / z) -> Routes:
    """Divided by Z it is a probability, not only proportional to one."""
    energies = np.random.default_rng(0).standard_normal(8)
    p = formula(energies, np.exp(-energies).sum())
    yield "closed form, and the sum", [*p, p.sum()]
    yield "our log_softmax, and certainty", [*np.exp(log_softmax(Tensor(-energies)).data), 1.0]
    # E(x) - E(x_0) = log p(x_0) / p(x) fixes all ratios, and that the sum is 1 fixes p.
    ratios = np.exp(energies[0] - energies)
    yield "from its ratios", [*(ratios / ratios.sum()), 1.0]


@claim(
    r"\mathrm{Var}[z|x] = 0 \ \mathrm{(autoencoder)}, \quad \sigma^2(x) \ \mathrm{(VAE)}",
    source="erratum 18; Kingma & Welling 2014, section 3",
    given="a plain autoencoder is printed as learning q(z|x) and p(x|z); untrained networks",
    tolerance=1e-6,
    because="our networks are float32",
    mistakes={
        "as printed: both have a q(z|x)": lambda variance: [variance, variance],
        "neither has": lambda variance: [0.0, 0.0],
    },
)
def a_plain_autoencoder_is_deterministic(
    formula: Formula = lambda variance: [0.0, variance],
) -> Routes:
    """The code of a plain autoencoder has no spread: there is no q(z|x), as a VAE has."""
    rng, n = np.random.default_rng(0), 20_000
    x = np.repeat(rng.integers(0, 2, (1, 6)).astype(np.float32), n, axis=0)
    plain = autoencoder.Autoencoder(
        autoencoder.Settings(kind="plain", hidden=(4,), latent=1), (2, 3), 2, rng
    )
    model = vae.VAE(vae.Settings(hidden=(4,), latent=1, binarisation="fixed"), (2, 3), 2, rng)
    mu, logvar = model.encode(x)
    yield "closed form", formula(np.exp(logvar.data[0, 0].item()))
    z = reparameterize(mu, logvar, seed=0)[0].data.ravel().astype(float)
    codes = plain.encode(x).data.ravel().astype(float)
    # The variance of n squared Gaussians' mean is 2 sigma^4 / n.
    yield "our networks' codes", [codes.var(), z.var()], [0.0, z.var() * np.sqrt(2 / n)]
