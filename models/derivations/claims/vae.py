"""Claims about variational autoencoders (Kingma & Welling 2014; Rezende et al. 2014).

Where a claim needs log p(x) itself, the model is linear: z ~ N(0, 1) and x|z ~ N(w z, sigma^2), so
x ~ N(0, w^2 + sigma^2), and the posterior is a Gaussian too.
"""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from scipy import integrate, optimize, special, stats

import kernels
from autograd import Tensor, exp, grad, reparameterize
from models.autoencoders.vae import VAE, Settings
from models.derivations.claim import Formula, Routes, claim

X, W, SIGMA = 1.5, 0.9, 0.6
LOG_P = stats.norm.logpdf(X, 0, np.hypot(W, SIGMA))
Q_MU, Q_SIGMA = 0.7, 0.4  # a q(z|x) that is not the posterior


def _reconstruction(mu: float, sigma: float) -> float:
    """E_q log N(x; w z, SIGMA^2): E (x - w z)^2 is (x - w mu)^2 and the variance of w z."""
    return stats.norm.logpdf(X, W * mu, SIGMA) - (W * sigma / SIGMA) ** 2 / 2


def _kl(mu: float, sigma: float, to_mu: float = 0.0, to_sigma: float = 1.0) -> float:
    """KL(N(mu, sigma^2) || N(to_mu, to_sigma^2)): a change of units makes the latter N(0, 1)."""
    mu, sigma = (mu - to_mu) / to_sigma, sigma / to_sigma
    return (mu**2 + sigma**2 - 1) / 2 - np.log(sigma)


def _posterior(w: float, sigma: float) -> tuple[float, float]:
    """The mean and the deviation of p(z|x): the precisions add, 1 and (w / sigma)^2."""
    variance = 1 / (1 + (w / sigma) ** 2)
    return variance * w * X / sigma**2, variance**0.5


def _linear_vae() -> VAE:
    """Our VAE as the linear model, its q(z|x) = N(Q_MU, Q_SIGMA^2) whatever x."""
    settings = Settings(hidden=(2,), latent=1, decoder="gaussian", binarisation="none")
    vae = VAE(settings, (1, 1), 1, np.random.default_rng(0))
    numbers = {
        "mu.bias": [Q_MU],
        "logvar.bias": [2 * np.log(Q_SIGMA)],
        "decoder.steps.0.weight": [[1], [-1]],
        "output.weight": [[W, -W]],  # w relu(z) - w relu(-z) = w z
        "log_sigma": [np.log(SIGMA)],
        "scale": [1],
    }
    zero = {name: np.zeros_like(array) for name, array in vae.state().items()}
    vae.load_state(zero | {name: np.array(value, np.float32) for name, value in numbers.items()})
    return vae


@claim(
    r"\log p(x) \geq \mathbb{E}_{q}[\log p(x|z)] - \mathrm{KL}(q(z|x) \| p(z))",
    source="Kingma & Welling 2014, eq. 3",
    given="the linear model and a q that is not the posterior; each route is at most the next",
    relation="<=",
    tolerance=1e-9,
    because="sums of a few terms; the quadrature of a Gaussian over 12 sigma is exact to 1e-12",
    mistakes={
        "the divergence added": lambda reconstruction, kl: reconstruction + kl,
        "the divergence left out": lambda reconstruction, kl: reconstruction,
        "the loss, which is -ELBO": lambda reconstruction, kl: kl - reconstruction,
        "the divergence counted twice": lambda reconstruction, kl: reconstruction - 2 * kl,
    },
)
def elbo_is_a_bound(formula: Formula = lambda reconstruction, kl: reconstruction - kl) -> Routes:
    """The ELBO is at most log p(x), by Jensen: E log w <= log E w with w = p(x, z) / q(z|x)."""
    bound = _linear_vae().bound(np.full((100_000, 1), X, np.float32), np.random.default_rng(0))
    elbo = -bound["negative_elbo"].astype(float)
    yield "ELBO of our VAE, Monte Carlo", elbo.mean(), stats.sem(elbo)
    yield "ELBO, closed form", formula(_reconstruction(Q_MU, Q_SIGMA), _kl(Q_MU, Q_SIGMA))
    joint = lambda z: stats.norm.pdf(z) * stats.norm.pdf(X, W * z, SIGMA)  # noqa: E731
    yield "log p(x), quadrature", np.log(integrate.quad(joint, -12, 12)[0])
    yield "log p(x), closed form", LOG_P


@claim(
    r"\log p(x) = \mathrm{ELBO} + \mathrm{KL}(q(z|x) \| p(z|x))",
    source="Kingma & Welling 2014, eq. 1",
    given="the linear model, where p(x) and the posterior are known, and a q that is not it",
    tolerance=1e-9,
    because="sums of a few terms; the quadrature of a Gaussian over 12 sigma is exact to 1e-12",
    mistakes={
        "the divergence to the prior": lambda elbo, m, s: elbo + _kl(Q_MU, Q_SIGMA),
        "q and the posterior exchanged": lambda elbo, m, s: elbo + _kl(m, s, Q_MU, Q_SIGMA),
        "the sign": lambda elbo, m, s: elbo - _kl(Q_MU, Q_SIGMA, m, s),
        "a posterior with the prior's precision forgotten": lambda elbo, m, s: (
            elbo + _kl(Q_MU, Q_SIGMA, X / W, SIGMA / W)
        ),
    },
)
def gap_of_the_elbo(
    formula: Formula = lambda elbo, m, s: elbo + _kl(Q_MU, Q_SIGMA, m, s),
) -> Routes:
    """What the ELBO lacks of log p(x) is the divergence of q from the posterior."""
    yield "log p(x), closed form", LOG_P
    elbo = _reconstruction(Q_MU, Q_SIGMA) - _kl(Q_MU, Q_SIGMA)
    m, s = _posterior(W, SIGMA)
    yield "ELBO + KL, closed form", formula(elbo, m, s)
    q = stats.norm(Q_MU, Q_SIGMA)

    def mean_log(w: Callable) -> float:
        ends = (Q_MU - 12 * Q_SIGMA, Q_MU + 12 * Q_SIGMA)
        return integrate.quad(lambda z: q.pdf(z) * (w(z) - q.logpdf(z)), *ends)[0]

    joint = lambda z: stats.norm.logpdf(z) + stats.norm.logpdf(X, W * z, SIGMA)  # noqa: E731
    yield "quadrature", mean_log(joint) - mean_log(stats.norm(m, s).logpdf)


@claim(
    r"\mathrm{KL}(\mathcal{N}(\mu, \sigma^2) \| \mathcal{N}(0, 1)) = "
    r"\frac{1}{2} (\mu^2 + \sigma^2 - 1 - \log \sigma^2)",
    source="Kingma & Welling 2014, appendix B",
    given="one dimension, mu = 2 and sigma = 1/2; the lecture prints 2.318",
    tolerance=1e-9,
    because="quadrature of a smooth function over 12 sigma is exact to about 1e-12",
    mistakes={
        "the half forgotten": lambda mu, logvar: mu**2 + np.exp(logvar) - 1 - logvar,
        "the sign of the logarithm": lambda mu, logvar: (mu**2 + np.exp(logvar) - 1 + logvar) / 2,
        "sigma in the place of sigma^2": lambda mu, logvar: (
            (mu**2 + np.exp(logvar / 2) - 1 - logvar / 2) / 2
        ),
    },
)
def kl_to_the_prior(
    formula: Formula = lambda mu, logvar: 0.5 * (mu**2 + np.exp(logvar) - 1 - logvar),
) -> Routes:
    """The KL divergence of a Gaussian from the standard normal."""
    mu, sigma = 2.0, 0.5
    q, p = stats.norm(mu, sigma), stats.norm()
    yield "closed form", formula(mu, 2 * np.log(sigma))
    ends = (mu - 12 * sigma, mu + 12 * sigma)
    yield "quadrature", integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), *ends)[0]
    z = q.rvs(100_000, random_state=0)
    log_ratio = q.logpdf(z) - p.logpdf(z)
    yield "Monte Carlo", log_ratio.mean(), stats.sem(log_ratio)


@claim(
    r"\mathrm{KL}(q \| \mathcal{N}(0, I)) = "
    r"\frac{1}{2} \sum_j (\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2)",
    source="Kingma & Welling 2014, appendix B",
    given="mu = (1.2, -.5, .8), log sigma^2 = (-1.1, -.3, -2); the lecture prints 1.9695",
    tolerance=1e-9,
    because="quadrature of a smooth function over 12 sigma is exact to about 1e-12",
    mistakes={
        "the mean over the dimensions": lambda mu, logvar: (
            np.mean(mu**2 + np.exp(logvar) - 1 - logvar) / 2
        ),
        "1 subtracted once, not in each dimension": lambda mu, logvar: (
            (np.sum(mu**2 + np.exp(logvar) - logvar) - 1) / 2
        ),
        "log sigma^2 read as log sigma": lambda mu, logvar: (
            np.sum(mu**2 + np.exp(2 * logvar) - 1 - 2 * logvar) / 2
        ),
    },
)
def kl_adds_over_dimensions(
    formula: Formula = lambda mu, logvar: np.sum(mu**2 + np.exp(logvar) - 1 - logvar) / 2,
) -> Routes:
    """The divergence of a diagonal Gaussian from N(0, I) is a sum over its dimensions."""
    mu, logvar = np.array([1.2, -0.5, 0.8]), np.array([-1.1, -0.3, -2.0])
    yield "closed form", formula(mu, logvar)
    yield "our kernel", kernels.reparameterize(mu, logvar, seed=0)[1]
    parts = []
    for q in map(stats.norm, mu, np.exp(logvar / 2)):
        integrand = lambda z, q=q: q.pdf(z) * (q.logpdf(z) - stats.norm.logpdf(z))  # noqa: E731
        parts.append(integrate.quad(integrand, q.mean() - 12 * q.std(), q.mean() + 12 * q.std())[0])
    yield "quadrature of each dimension", sum(parts)


def _kl_of_gaussians(m: np.ndarray, a: np.ndarray, n: np.ndarray, b: np.ndarray) -> float:
    """KL(N(m, a) || N(n, b)), E_q[log q - log p] term by term: E d'b^-1 d has a trace in it."""
    d = m - n
    logdet = np.linalg.slogdet(b)[1] - np.linalg.slogdet(a)[1]
    return (np.trace(np.linalg.solve(b, a)) + d @ np.linalg.solve(b, d) - len(d) + logdet) / 2


@claim(
    r"\mathrm{KL} = \frac{1}{2} (\mathrm{tr} \, \Sigma_p^{-1} \Sigma_q + d^T \Sigma_p^{-1} d - k + "
    r"\log \frac{\det \Sigma_p}{\det \Sigma_q}), \ d = \mu_q - \mu_p",
    source="Kullback 1959, Information Theory and Statistics",
    given="two Gaussians of k = 2 dimensions with correlations",
    tolerance=1e-9,
    because="decompositions of 2 x 2 matrices that are far from singular",
    mistakes={
        "the two exchanged": lambda m, a, n, b: _kl_of_gaussians(n, b, m, a),
        "k forgotten": lambda m, a, n, b: _kl_of_gaussians(m, a, n, b) + 1,
        "the correlations forgotten": lambda m, a, n, b: _kl_of_gaussians(
            m, np.diag(np.diag(a)), n, np.diag(np.diag(b))
        ),
        "the ratio of determinants upside down": lambda m, a, n, b: (
            _kl_of_gaussians(m, a, n, b) + np.log(np.linalg.det(a) / np.linalg.det(b))
        ),
    },
)
def kl_between_gaussians(formula: Formula = _kl_of_gaussians) -> Routes:
    """The divergence between two Gaussians of any mean and covariance."""
    m, a = np.array([1.0, -0.5]), np.array([[0.6, 0.3], [0.3, 0.5]])
    n, b = np.array([0.2, 0.3]), np.array([[1.5, -0.4], [-0.4, 0.8]])
    yield "closed form", formula(m, a, n, b)
    # An invertible map of z leaves the divergence as it is: the one that makes p N(0, I), then a
    # rotation to the axes of q, which makes q diagonal: there our kernel's formula holds.
    whiten = np.linalg.inv(np.linalg.cholesky(b))
    variances, axes = np.linalg.eigh(whiten @ a @ whiten.T)
    mu = axes.T @ whiten @ (m - n)
    yield "whitened, by our kernel", kernels.reparameterize(mu, np.log(variances), seed=0)[1]
    q, p = stats.multivariate_normal(m, a), stats.multivariate_normal(n, b)
    z = q.rvs(200_000, random_state=0)
    log_ratio = q.logpdf(z) - p.logpdf(z)
    yield "Monte Carlo", log_ratio.mean(), stats.sem(log_ratio)


@claim(
    r"-\log \mathcal{N}(x; \hat{x}, \frac{1}{2} I) = \|x - \hat{x}\|^2 + \frac{D}{2} \log \pi",
    source="Kingma & Welling 2014, appendix C.2, at sigma^2 = 1/2",
    given="the squared error with weight one, summed over D = 4 pixels",
    tolerance=1e-5,
    because="our VAE computes in float32, which has 7 digits",
    mistakes={
        "sigma^2 = 1 has weight one": lambda x, mean: (
            np.sum((x - mean) ** 2) + len(x) / 2 * np.log(2 * np.pi)
        ),
        "the mean over the pixels": lambda x, mean: (
            np.mean((x - mean) ** 2) + len(x) / 2 * np.log(np.pi)
        ),
        "the constant of one pixel": lambda x, mean: np.sum((x - mean) ** 2) + np.log(np.pi) / 2,
    },
)
def squared_error_is_a_gaussian(
    formula: Formula = lambda x, mean: np.sum((x - mean) ** 2) + len(x) / 2 * np.log(np.pi),
) -> Routes:
    """The squared error is -log p(x|z), but for a constant, of a Gaussian with sigma^2 = 1/2."""
    x = np.array([0.1, 0.9, 0.4, 0.7])
    settings = Settings(hidden=(3,), latent=2, decoder="gaussian", binarisation="none")
    vae = VAE(settings, (2, 2), 1, np.random.default_rng(0))
    vae.log_sigma.data[...] = np.log(0.5) / 2
    z = np.array([[0.5, -1.0]], np.float32)
    mean = vae.decode(z).data[0].astype(float)
    yield "closed form", formula(x, mean)
    yield "a density of scipy", -stats.multivariate_normal(mean, 0.5 * np.eye(4)).logpdf(x)
    yield "the reconstruction of our VAE", vae.reconstruction(x[None].astype(np.float32), z).item()


@claim(
    r"\mathbb{E}_q[\log p(x|z)] - \beta \, \mathrm{KL} \leq \mathrm{ELBO} \leq \log p(x), "
    r"\quad \beta \geq 1",
    source="Higgins et al. 2017, eq. 4",
    given="the linear model with beta = 4, 2 and 1; each route is at most the next",
    relation="<=",
    tolerance=1e-9,
    because="closed forms of a few terms",
    mistakes={
        "beta divides": lambda reconstruction, kl, beta: reconstruction - kl / beta,
        "the divergence added": lambda reconstruction, kl, beta: reconstruction + beta * kl,
        "beta on the ELBO, which is negative": lambda reconstruction, kl, beta: (
            (reconstruction - kl) / beta
        ),
    },
)
def beta_lowers_the_bound(
    formula: Formula = lambda reconstruction, kl, beta: reconstruction - beta * kl,
) -> Routes:
    """With beta above 1 the objective is still a lower bound of log p(x), a looser one."""
    x = np.full((100_000, 1), X, np.float32)
    reconstruction, kl = _linear_vae().terms(x, np.random.default_rng(0))
    each = -(reconstruction + 4 * kl).data.astype(float)
    yield "beta = 4, our VAE by Monte Carlo", each.mean(), stats.sem(each)
    for beta in (4, 2, 1):
        value = formula(_reconstruction(Q_MU, Q_SIGMA), _kl(Q_MU, Q_SIGMA), beta)
        yield f"beta = {beta}, closed form", value
    yield "log p(x)", LOG_P


@claim(
    r"\arg\max_q \ \mathbb{E}_q[\log p_\sigma(x|z)] - \beta \, \mathrm{KL} = "
    r"p_{\sigma \sqrt{\beta}}(z|x)",
    source="Higgins et al. 2017, eq. 4, in the linear model",
    given="the linear model with beta = 4: the mean and the logarithm of the variance of q",
    tolerance=1e-6,
    because="the minimiser stops at a gradient of 1e-9",
    mistakes={
        "the posterior, whatever beta": lambda beta: _posterior(W, SIGMA),
        "sigma multiplied by beta": lambda beta: _posterior(W, SIGMA * beta),
        "the noise divided by beta": lambda beta: _posterior(W, SIGMA / beta**0.5),
    },
)
def beta_widens_the_decoder(
    formula: Formula = lambda beta: _posterior(W, SIGMA * beta**0.5),
) -> Routes:
    """The best q for beta is the posterior of a decoder whose variance is beta times as large."""
    beta = 4.0
    # In beta (E log p(x|z) / beta - KL), p^(1/beta) is a Gaussian with beta times the variance.
    mean, deviation = formula(beta)
    yield "closed form", [mean, 2 * np.log(deviation)]

    def loss(q: np.ndarray) -> tuple[float, np.ndarray]:
        mu, logvar = Tensor(q[:1], requires_grad=True), Tensor(q[1:], requires_grad=True)
        _, kl = reparameterize(mu, logvar, seed=0)
        squares = (X - W * mu) ** 2 + W**2 * exp(logvar)
        value = (squares / (2 * SIGMA**2)).sum() + beta * kl
        return value.item(), np.concatenate([g.data for g in grad(value, [mu, logvar])])

    found = optimize.minimize(loss, [0.0, 0.0], jac=True, options={"gtol": 1e-9})
    yield "minimised with our gradients", found.x
    z = np.linspace(-8, 8, 20_001)
    tempered = stats.norm.pdf(z) * stats.norm.pdf(X, W * z, SIGMA) ** (1 / beta)
    tempered /= tempered.sum()
    mean = tempered @ z
    yield "p(z) p(x|z)^(1/beta) on a grid", [mean, np.log(tempered @ (z - mean) ** 2)]


def _log_weights(k: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """log p(x, z) and log q(z|x) for k draws of q, n times: (k, n) each."""
    z = Q_MU + Q_SIGMA * np.random.default_rng(k).standard_normal((k, n))
    log_joint = stats.norm.logpdf(z) + stats.norm.logpdf(X, W * z, SIGMA)
    return log_joint, stats.norm.logpdf(z, Q_MU, Q_SIGMA)


@claim(
    r"\mathcal{L}_k = \mathbb{E} \, \log \frac{1}{k} \sum_{i=1}^k \frac{p(x, z_i)}{q(z_i|x)}, "
    r"\quad \mathcal{L}_1 \leq \mathcal{L}_k \leq \mathcal{L}_{k+1} \leq \log p(x)",
    source="Burda et al. 2016, theorem 1",
    given="the linear model and a q that is not the posterior; each route is at most the next",
    relation="<=",
    tolerance=1e-5,
    because="our VAE computes in float32; the rest is Monte Carlo, with its standard error",
    mistakes={
        "1/k forgotten": lambda log_joint, log_q: special.logsumexp(log_joint - log_q, axis=0),
        "the mean of the logarithms": lambda log_joint, log_q: np.mean(log_joint - log_q, axis=0),
        "q forgotten": lambda log_joint, log_q: (
            special.logsumexp(log_joint, axis=0) - np.log(len(log_q))
        ),
    },
)
def iwae_rises_to_log_p(
    formula: Formula = lambda log_joint, log_q: (
        special.logsumexp(log_joint - log_q, axis=0) - np.log(len(log_q))
    ),
) -> Routes:
    """More importance samples never lower the bound: from the ELBO at k = 1 up to log p(x)."""
    n, x = 4000, np.full((4000, 1), X, np.float32)
    yield "ELBO, closed form", _reconstruction(Q_MU, Q_SIGMA) - _kl(Q_MU, Q_SIGMA)
    for k in (1, 4, 64):
        if k > 1:
            ours = _linear_vae().log_prob(x, np.random.default_rng(0), k).astype(float)
            yield f"k = {k}, our VAE", ours.mean(), stats.sem(ours)
        bound = formula(*_log_weights(k, n))
        yield f"k = {k}, Monte Carlo", bound.mean(), stats.sem(bound)
    yield "log p(x)", LOG_P


@iwae_rises_to_log_p.plot
def _(axes: Axes) -> None:
    log_joint, log_q = _log_weights(2**18, 1)
    log_w, ks = log_joint - log_q, 2 ** np.arange(11)
    groups = [special.logsumexp(log_w.reshape(-1, k), axis=1) - np.log(k) for k in ks]
    axes.semilogx(ks, [each.mean() for each in groups], ".-", base=2, label="$\\mathcal{L}_k$")
    axes.axhline(LOG_P, color="0.6", linestyle="--", linewidth=1, label="$\\log p(x)$")
    axes.set_xlabel("$k$, importance samples")
    axes.legend(frameon=False)


@claim(
    r"\arg\min_{\hat{x}} \ \mathbb{E} \, [\|x - \hat{x}\|^2 | z] = \mathbb{E}[x | z]",
    source="any textbook; Bishop 2006, section 1.5.5",
    given="an edge at one of three places, p = .2, .3, .5, of which z does not tell",
    tolerance=1e-9,
    because="the loss is quadratic: one step of Newton's method is exact",
    mistakes={
        "the likeliest image, which is sharp": lambda images, p: images[np.argmax(p)],
        "the median of each pixel, the best for |x - x'|": lambda images, p: np.median(
            np.repeat(images, (10 * p).astype(int), axis=0), axis=0
        ),
        "the images' mean, unweighted": lambda images, p: images.mean(0),
    },
)
def best_image_is_blurred(formula: Formula = lambda images, p: p @ images) -> Routes:
    """The decoder with the least squared error shows the mean of what z may stand for: a blur."""
    images = np.array([[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]], float)
    p = np.array([0.2, 0.3, 0.5])
    yield "the conditional mean", formula(images, p)
    guess = Tensor(np.full(4, 0.5), requires_grad=True)
    squares = ((guess - images) ** 2).sum(axis=1) @ p
    yield "a Newton step, by our engine", guess.data - grad(squares, guess).data / 2
    # Least squares for the only decoder there is: one weight a pixel, on an input that is 1.
    root = np.sqrt(p)[:, None]
    yield "least squares", np.linalg.lstsq(root, root * images, rcond=None)[0][0]
