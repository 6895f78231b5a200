"""A mixture of Gaussians, by EM (Dempster, Laird & Rubin 1977) or by gradient descent.

    p(x) = sum_k pi_k N(x | mu_k, Sigma_k)                           (Bishop 2006, section 9.2)

Which component an image came from is not seen: it is a latent z with K values. A step of EM finds
the posterior of z, the responsibilities, and then the parameters that are best for these:

    E:  r_nk = p(k | x_n) = pi_k N(x_n | k) / sum_j pi_j N(x_n | j)
    M:  N_k = sum_n r_nk,  pi_k = N_k / N,  mu_k = sum_n r_nk x_n / N_k,
        Sigma_k = sum_n r_nk (x_n - mu_k) (x_n - mu_k)^T / N_k

The likelihood of the images never falls. A VAE generalises this: its z may have infinitely many
values, so the posterior and the best parameters have no formula. A network stands in for the E step
and makes a bound of the likelihood, and steps along gradients stand in for the M step.
"""

import math
from typing import Any, Self

import numpy as np

from autograd import Array, Rng, Tensor, grad, namespace, nn, no_grad, optim
from autograd.ops import (
    cholesky,
    clip,
    exp,
    log_softmax,
    logsumexp,
    solve_triangular,
    stack,
    tril,
)
from models.data import Dataset, Labels, Shape, batches
from models.densities.gmm_settings import DEFAULTS, Settings
from models.errors import Failure, UsageError
from models.model import Loss, Model, Numbers, Optimizers

IMAGES = 1000  # whose responsibilities are computed together
LOG_LIMITS = -30.0, 30.0  # of the logarithm of a deviation


class Gaussian(nn.Module):
    """N(mean, Sigma) with Sigma = L L^T, where L is lower triangular."""

    def __init__(self, dimensions: int):
        self.mean = nn.parameter(np.zeros(dimensions))
        self.log_diagonal = nn.parameter(np.zeros(dimensions))  # of L
        self.below = nn.parameter(np.zeros((dimensions, dimensions)))  # the diagonal of L

    @property
    def log_deviations(self) -> Tensor:
        """The logarithm of the diagonal of L, within LOG_LIMITS: so L can be solved with."""
        return clip(self.log_diagonal, *LOG_LIMITS)

    @property
    def factor(self) -> Tensor:
        """L, (dimensions, dimensions)."""
        identity = namespace(self.mean.data).eye(self.mean.size, dtype=self.mean.dtype)
        return tril(self.below, -1) + exp(self.log_deviations) * identity

    def forward(self, x: Any) -> Tensor:
        """log N(x) of (N, dimensions): (N,). With z = L^-1 (x - mean), log N(z | 0, I) - log det L.

        The determinant of a triangular matrix is the product of its diagonal.
        """
        z = solve_triangular(self.factor, (x - self.mean).transpose())
        return -0.5 * (z * z + math.log(2 * math.pi)).sum(axis=0) - self.log_deviations.sum()

    def fit(self, x: Array, share: Array, floor: float) -> None:
        """The M step, in float64: mean and covariance of x (N, dimensions), weighted by share (N,).

        Raises numpy.linalg.LinAlgError if the covariance is singular.
        """
        own = share > 0  # of many images nearly all have a share of 0
        if not own.any():
            return  # its weight is 0 from now on
        x, share = x[own].astype(np.float64), share[own, None].astype(np.float64)
        mean = (share * x).sum(axis=0) / share.sum()
        deviation = x - mean
        covariance = (share * deviation).T @ deviation / share.sum()
        factor = cholesky(covariance + floor * namespace(x).eye(len(mean)))
        self.mean.data[...], self.below.data[...] = mean, factor
        self.log_diagonal.data[...] = np.log(factor.diagonal())

    @no_grad()
    def sample(self, epsilon: Any) -> Tensor:
        """mean + L epsilon, of noise (N, dimensions)."""
        return self.mean + epsilon @ self.factor.transpose()


class GMM(Model):
    """A mixture for images of `shape`, or for points of the plane."""

    settings_type, defaults = Settings, DEFAULTS
    likelihood = "exact"
    takes_points = True
    train_images = 0  # how many there are: a step of EM takes all

    def __init__(self, settings: Settings, shape: Shape, levels: int, rng: Rng, classes: int = 0):
        super().__init__(settings, shape, levels, rng, classes)
        self.log_weight = nn.parameter(np.zeros(settings.components))  # log pi, but for a constant
        self.components = [Gaussian(math.prod(shape)) for _ in range(settings.components)]

    @classmethod
    def for_data(cls, settings: Settings, data: Dataset, rng: Rng) -> Self:
        if settings.components > len(data.train):
            raise UsageError(
                f"components={settings.components}: {data.name} has {len(data.train)} to train on, "
                "and each component starts at another one"
            )
        if settings.method == "em" and settings.batch:
            raise UsageError(
                f"batch={settings.batch}: a step of EM takes all images; "
                "leave it at 0, or --set method=gradient"
            )
        model = super().for_data(settings, data, rng)
        model.train_images = len(data.train)
        model.start(data.observe(data.excerpt, settings.pixels, rng).astype(np.float64), rng)
        return model

    def start(self, x: np.ndarray, rng: Rng) -> None:
        """Means at images (N, pixels) far apart, by k-means++ (Arthur & Vassilvitskii 2007).

        Each is chosen in proportion to its squared distance from the nearest one before. The mean
        of these distances is at last the variance, the same in all directions.
        """
        nearest = np.ones(len(x))
        for k, component in enumerate(self.components):
            mean = x[rng.choice(len(x), p=nearest / nearest.sum())]
            squares = ((x - mean) ** 2).sum(axis=1) + 1e-12
            nearest = np.minimum(nearest, squares) if k else squares
            component.mean.data[...] = mean
        variance = nearest.mean() / x.shape[1] + self.settings.floor
        for component in self.components:
            component.log_diagonal.data[...] = 0.5 * math.log(variance)

    @property
    def images_per_step(self) -> int:
        return self.settings.batch or self.train_images

    def log_joint(self, x: Any) -> Tensor:
        """log pi_k N(x | mu_k, Sigma_k) of images (N, pixels): (N, components), in nats."""
        self.check_pixels(x)
        log_n = stack([component(x) for component in self.components], axis=1)
        return log_softmax(self.log_weight) + log_n

    def loss(self, x: Any, rng: Rng, epoch: float = math.inf, labels: Labels = None) -> Loss:
        """-log p(x), nats an image, mean over the batch. Of images p is a density."""
        return -logsumexp(self.log_joint(x), axis=1).mean(), {}

    def e_step(self, x: Array) -> tuple[Array, Array]:
        """The responsibilities of images (N, pixels), (N, components), and their log p, (N,)."""
        scores = self.log_joint(x)  # s_nk = log pi_k N(x_n | k)
        log_p = logsumexp(scores, axis=1)  # log p(x_n) = log sum_k exp(s_nk)
        # The gradient of a logsumexp is a softmax: d log p(x_n) / d s_nk = p(k | x_n) = r_nk.
        return grad(log_p.sum(), scores).data, log_p.data

    def m_step(self, x: Array, r: Array) -> None:
        """The parameters that have the greatest sum_nk r_nk log pi_k N(x_n | k).

        Raises Failure where a component has too few images for a covariance.
        """
        counts = r.sum(axis=0, dtype=np.float64) + 1e-15  # N_k
        self.log_weight.data[...] = np.log(counts / counts.sum())
        for k, component in enumerate(self.components):
            try:
                component.fit(x, r[:, k], self.settings.floor)
            except np.linalg.LinAlgError as error:
                raise Failure(
                    f"component {k} has collapsed on {float(counts[k]):.2g} images: its covariance "
                    "is singular; give each variance a floor, as --set floor=1e-6"
                ) from error

    def optimizers(self, steps: int) -> dict[str, optim.Optimizer]:
        """EM needs none."""
        return {} if self.settings.method == "em" else super().optimizers(steps)

    def update(
        self, x: Any, rng: Rng, epoch: float, labels: Labels, optimizers: Optimizers
    ) -> dict[str, float]:
        """One step of EM, or one along the gradient; the loss is that before the step."""
        if self.settings.method == "gradient":
            return super().update(x, rng, epoch, labels, optimizers)
        parts = [self.e_step(x[part]) for part in batches(len(x), IMAGES)]
        r, log_p = (np.concatenate(arrays) for arrays in zip(*parts))
        self.m_step(x, r)
        return {"loss": -float(log_p.mean(dtype=np.float64))}

    @no_grad()
    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """-log p(x); for images that of the levels: density times the width of one, 1 / levels."""
        of_levels = x.shape[1] * math.log(self.levels) if self.levels else 0.0
        return {"nll": of_levels - logsumexp(self.log_joint(x), axis=1).numpy()}

    def sample(self, n: int, rng: Rng, labels: Labels = None) -> np.ndarray:
        """x = mu_k + L_k epsilon for k ~ pi: images (n, *shape) in [0, 1], or points (n, 2)."""
        self.classes_of(n, labels)  # raises, since there are none
        epsilon = self.normal(rng, (n, math.prod(self.shape)))
        pi = np.exp(log_softmax(self.log_weight).numpy().astype(np.float64))
        return self.sample_of(rng.choice(len(pi), size=n, p=pi / pi.sum()), epsilon)

    def sample_of(self, k: np.ndarray, epsilon: Array) -> np.ndarray:
        """A sample of each of the components k (n,), made of the noise epsilon (n, pixels)."""
        x = np.zeros((len(k), *self.shape), np.float32)
        for i in np.unique(k):
            x[k == i] = self.components[i].sample(epsilon[k == i]).numpy().reshape(-1, *self.shape)
        return x.clip(0, 1) if self.levels else x
