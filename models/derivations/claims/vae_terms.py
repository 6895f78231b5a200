"""Claims about the two terms of a VAE's loss: the KL to the prior, and the reconstruction."""

import numpy as np
from scipy import integrate, stats

import kernels
from autograd import Tensor, grad
from models.autoencoders.vae import VAE, Settings
from models.derivations.claim import Formula, Routes, claim


@claim(
    r"\mathrm{KL}(\mathcal{N}(\mu, \sigma^2) \| \mathcal{N}(0, 1)) = "
    r"\frac{1}{2} (\mu^2 + \sigma^2 - 1 - \log \sigma^2)",
    source="Kingma & Welling 2014, appendix B",
    given="one dimension, mu = 2 and sigma = 1/2: 2.318147 nats",
    tolerance=1e-9,
    because="quadrature of a smooth function over 12 sigma is exact to about 1e-12",
    mistakes={
        "the half forgotten": lambda mu, logvar: mu**2 + np.exp(logvar) - 1 - logvar,
        "the wrong sign of the logarithm": lambda mu, logvar: (
            (mu**2 + np.exp(logvar) - 1 + logvar) / 2
        ),
        "sigma instead of sigma^2": lambda mu, logvar: (
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
    given="mu = (1.2, -.5, .8), log sigma^2 = (-1.1, -.3, -2): 1.969512 nats",
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
    """The KL divergence of a diagonal Gaussian from N(0, I) is a sum over the dimensions."""
    mu, logvar = np.array([1.2, -0.5, 0.8]), np.array([-1.1, -0.3, -2.0])
    yield "closed form", formula(mu, logvar)
    yield "our kernel", kernels.reparameterize(mu, logvar, seed=0)[1]
    parts = []
    for q in map(stats.norm, mu, np.exp(logvar / 2)):
        integrand = lambda z, q=q: q.pdf(z) * (q.logpdf(z) - stats.norm.logpdf(z))  # noqa: E731
        parts.append(integrate.quad(integrand, q.mean() - 12 * q.std(), q.mean() + 12 * q.std())[0])
    yield "quadrature of each dimension", sum(parts)


def _kl_of_gaussians(m: np.ndarray, a: np.ndarray, n: np.ndarray, b: np.ndarray) -> float:
    """KL(N(m, a) || N(n, b)) = E_q[log q - log p]; E (z - n)' b^-1 (z - n) gives the trace."""
    d = m - n
    logdet = np.linalg.slogdet(b)[1] - np.linalg.slogdet(a)[1]
    return (np.trace(np.linalg.solve(b, a)) + d @ np.linalg.solve(b, d) - len(d) + logdet) / 2


@claim(
    r"\mathrm{KL} = \frac{1}{2} (\mathrm{tr} \, \Sigma_p^{-1} \Sigma_q + d^T \Sigma_p^{-1} d - k + "
    r"\log \frac{\det \Sigma_p}{\det \Sigma_q}), \ d = \mu_q - \mu_p",
    source="Bishop 2006, exercise 2.13",
    given="two Gaussians of k = 2 dimensions with correlations",
    tolerance=1e-9,
    because="decompositions of 2x2 matrices that are far from singular",
    mistakes={
        "p and q exchanged": lambda m, a, n, b: _kl_of_gaussians(n, b, m, a),
        "k forgotten": lambda m, a, n, b: _kl_of_gaussians(m, a, n, b) + 1,
        "the correlations forgotten": lambda m, a, n, b: _kl_of_gaussians(
            m, np.diag(np.diag(a)), n, np.diag(np.diag(b))
        ),
        "the ratio of determinants inverted": lambda m, a, n, b: (
            _kl_of_gaussians(m, a, n, b) + np.log(np.linalg.det(a) / np.linalg.det(b))
        ),
    },
)
def kl_between_gaussians(formula: Formula = _kl_of_gaussians) -> Routes:
    """The KL divergence between two Gaussians of any mean and covariance."""
    m, a = np.array([1.0, -0.5]), np.array([[0.6, 0.3], [0.3, 0.5]])
    n, b = np.array([0.2, 0.3]), np.array([[1.5, -0.4], [-0.4, 0.8]])
    yield "closed form", formula(m, a, n, b)
    # An invertible map of z does not change the KL. Map p to N(0, I), then rotate to the axes of q,
    # which makes q diagonal: the formula of our kernel.
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
    given="the squared error with weight 1, summed over D = 4 pixels",
    tolerance=1e-5,
    because="our VAE computes in float32, which has 7 digits",
    mistakes={
        "sigma^2 = 1": lambda x, mean: np.sum((x - mean) ** 2) + len(x) / 2 * np.log(2 * np.pi),
        "the mean over the pixels": lambda x, mean: (
            np.mean((x - mean) ** 2) + len(x) / 2 * np.log(np.pi)
        ),
        "the constant of one pixel": lambda x, mean: np.sum((x - mean) ** 2) + np.log(np.pi) / 2,
    },
)
def squared_error_is_a_gaussian(
    formula: Formula = lambda x, mean: np.sum((x - mean) ** 2) + len(x) / 2 * np.log(np.pi),
) -> Routes:
    """Up to a constant, the squared error is -log p(x|z) of a Gaussian with sigma^2 = 1/2."""
    x = np.array([0.1, 0.9, 0.4, 0.7])
    settings = Settings(hidden=(3,), latent=2, decoder="gaussian", pixels="dequantised")
    vae = VAE(settings, (2, 2), 1, np.random.default_rng(0))
    vae.log_sigma.data[...] = np.log(0.5) / 2
    z = np.array([[0.5, -1.0]], np.float32)
    mean = vae.decode(z).data[0].astype(float)
    yield "closed form", formula(x, mean)
    yield "scipy's density", -stats.multivariate_normal(mean, 0.5 * np.eye(4)).logpdf(x)
    yield "the reconstruction of our VAE", vae.reconstruction(x[None].astype(np.float32), z).item()


@claim(
    r"\arg\min_{\hat{x}} \ \mathbb{E} \, [\|x - \hat{x}\|^2 | z] = \mathbb{E}[x | z]",
    source="Bishop 2006, section 1.5.5",
    given="an edge at one of three places, p = .2, .3, .5; z does not determine which",
    tolerance=1e-9,
    because="the loss is quadratic: one step of Newton's method is exact",
    mistakes={
        "the most probable image, which is sharp": lambda images, p: images[np.argmax(p)],
        "the median of each pixel, best for |x - x'|": lambda images, p: np.median(
            np.repeat(images, (10 * p).astype(int), axis=0), axis=0
        ),
        "the unweighted mean of the images": lambda images, p: images.mean(0),
    },
)
def best_image_is_blurred(formula: Formula = lambda images, p: p @ images) -> Routes:
    """The decoder with the smallest squared error outputs the mean of all images for z: a blur."""
    images = np.array([[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]], float)
    p = np.array([0.2, 0.3, 0.5])
    yield "the conditional mean", formula(images, p)
    guess = Tensor(np.full(4, 0.5), requires_grad=True)
    squares = ((guess - images) ** 2).sum(axis=1) @ p
    yield "a Newton step, by our engine", guess.data - grad(squares, guess).data / 2
    # Least squares for a decoder with one weight per pixel and a constant input of 1.
    root = np.sqrt(p)[:, None]
    yield "least squares", np.linalg.lstsq(root, root * images, rcond=None)[0][0]
