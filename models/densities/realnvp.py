"""Real NVP (Dinh, Sohl-Dickstein & Bengio 2017, "Density estimation using Real NVP").

A flow is an invertible map f that takes an image x to z = f(x), which is to be N(0, I). Then

    log p(x) = log N(f(x); 0, I) + log |det df/dx|                     (change of variables)

exactly: no bound, and no posterior to approximate. A sample is f^-1(z), and the code of x is f(x).
Such an f must be easy to invert, with a determinant that is easy to compute. An affine coupling
changes half of the numbers, by a scale and a shift that a network computes from the other half:

    y = b x + (1 - b) (x exp(s(b x)) + t(b x)),  b a mask of 0s and 1s     (masked coupling)

As b y = b x, the inverse knows s and t too, whatever the network is. With the kept half first, the
Jacobian is triangular, and 1 and exp(s) are on its diagonal: log |det| = sum (1 - b) s(b x). Those
of several couplings add up. The next one changes the other half.
"""

import math
from typing import Any, Self

import numpy as np

from autograd import Array, Rng, Tensor, exp, log, nn, no_grad, sigmoid, softplus, tanh
from models.autoencoders.networks import perceptron
from models.data import Dataset, Labels, Shape
from models.densities.realnvp_settings import DEFAULTS, Settings
from models.model import Loss, Model, Numbers


class Coupling(nn.Module):
    """An affine coupling of x (N, D) with the mask b (D,). It begins as the identity."""

    def __init__(self, mask: np.ndarray, hidden: tuple[int, ...], rng: Rng):
        self.kept = Tensor(mask.astype(np.float32))  # b
        self.changed = Tensor(1 - self.kept.data)
        self.features = perceptron((mask.size, *hidden), "relu", rng)
        self.scale, self.shift = (nn.Linear(hidden[-1], mask.size, rng) for _ in range(2))
        self.bound = nn.parameter(np.ones(mask.size))  # of s: without it exp(s) may overflow
        for layer in (self.scale, self.shift):
            layer.weight.data[...], layer.bias.data[...] = 0, 0

    def scale_and_shift(self, x: Any) -> tuple[Tensor, Tensor]:
        """(1 - b) s(b x) and (1 - b) t(b x), (N, D) each: of y they are the same."""
        h = self.features(x * self.kept)
        return self.changed * self.bound * tanh(self.scale(h)), self.changed * self.shift(h)

    def forward(self, x: Any) -> tuple[Tensor, Tensor]:
        """y, and log |det dy/dx|, (N,)."""
        s, t = self.scale_and_shift(x)
        return x * exp(s) + t, s.sum(axis=-1)  # where b = 1, s and t are 0

    def inverse(self, y: Any) -> Tensor:
        s, t = self.scale_and_shift(y)
        return (y - t) * exp(-s)


class RealNVP(Model):
    """A flow for images of `shape`, or for points of the plane."""

    settings_type, defaults = Settings, DEFAULTS
    likelihood = "exact"
    takes_points = True

    def __init__(self, settings: Settings, shape: Shape, levels: int, rng: Rng, classes: int = 0):
        super().__init__(settings, shape, levels, rng, classes)
        mask = checkerboard(shape)
        self.couplings = [
            Coupling(1 - mask if settings.alternate and i % 2 else mask, settings.hidden, rng)
            for i in range(settings.layers)
        ]
        self.center = Tensor(np.zeros(mask.size, np.float32))
        self.deviation = Tensor(np.ones(mask.size, np.float32))

    @classmethod
    def for_data(cls, settings: Settings, data: Dataset, rng: Rng) -> Self:
        model = super().for_data(settings, data, rng)
        model.standardise(data.observe(data.excerpt, settings.pixels, rng))
        return model

    @no_grad()
    def standardise(self, train: np.ndarray) -> None:
        """Give the numbers that the first coupling gets mean 0 and variance 1: a layer of f too."""
        y = self.logit(train)[0].astype(np.float64)
        self.center.data[...], self.deviation.data[...] = y.mean(axis=0), y.std(axis=0) + 1e-6

    def logit(self, x: Any) -> tuple[Any, Any]:
        """Pixels in [0, 1] as any real numbers, and log |det|, (N,); points stay as they are.

        y = logit(alpha + (1 - 2 alpha) x), so that no pixel comes out of its bounds. The paper has
        1 - alpha (section 4.1), with which x = 1 would be at infinity.
        """
        self.check_pixels(x)
        if not self.levels:
            return x, 0.0
        alpha = self.settings.alpha
        p = alpha + (1 - 2 * alpha) * x
        y = log(p) - log(1 - p)
        # dy/dx = (1 - 2 alpha) / (p (1 - p)), and -log p = softplus(-y), -log(1 - p) = softplus(y)
        slope = softplus(y) + softplus(-y) + math.log(1 - 2 * alpha)
        return y, slope.sum(axis=-1)

    def encode(self, x: Any) -> tuple[Tensor, Tensor]:
        """z = f(x) of images (N, pixels), (N, pixels), and log |det df/dx|, (N,)."""
        y, log_det = self.logit(x)
        z = (y - self.center) / self.deviation
        log_det = log_det - log(self.deviation).sum()
        for coupling in self.couplings:
            z, change = coupling(z)
            log_det = log_det + change
        return z, log_det

    @no_grad()
    def decode(self, z: Any) -> Tensor:
        """x = f^-1(z): (N, pixels) to (N, pixels)."""
        for coupling in reversed(self.couplings):
            z = coupling.inverse(z)
        y = z * self.deviation + self.center
        alpha = self.settings.alpha
        return (sigmoid(y) - alpha) / (1 - 2 * alpha) if self.levels else y

    def log_density(self, x: Any) -> Tensor:
        """log p(x) of images (N, pixels) in [0, 1], or of points: (N,), in nats."""
        z, log_det = self.encode(x)
        return log_det - 0.5 * (z * z + math.log(2 * math.pi)).sum(axis=-1)

    def loss(self, x: Any, rng: Rng, epoch: float = math.inf, labels: Labels = None) -> Loss:
        """-log p(x), nats an image, mean over the batch. Of images p is a density."""
        return -self.log_density(x).mean(), {}

    @no_grad()
    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """-log p(x); for images that of the levels: density times the width of one, 1 / levels."""
        of_levels = x.shape[1] * math.log(self.levels) if self.levels else 0.0
        return {"nll": of_levels - self.log_density(x).numpy()}

    def sample(self, n: int, rng: Rng, labels: Labels = None) -> np.ndarray:
        """f^-1(z) for z ~ N(0, I): images (n, *shape) in [0, 1], or points (n, 2)."""
        return self.decode_codes(self.normal(rng, (n, self.latent)), rng, labels)

    @no_grad()
    def codes(self, x: Array, labels: Labels = None) -> np.ndarray:
        """f(x) of images (N, pixels): (N, pixels)."""
        self.classes_of(len(x), labels)
        return self.encode(x)[0].numpy()

    def decode_codes(self, z: Any, rng: Rng, labels: Labels = None) -> np.ndarray:
        """f^-1(z): (n, pixels) to images (n, *shape) in [0, 1], or points (n, 2)."""
        self.classes_of(len(z), labels)
        x = self.decode(self.array(z)).numpy().reshape(-1, *self.shape)
        return x.clip(0, 1) if self.levels else x


def checkerboard(shape: Shape) -> np.ndarray:
    """1 and 0 in turns along rows and columns, flat; of a point (1, 0)."""
    row = np.arange(shape[1] if len(shape) > 1 else shape[0])
    if len(shape) == 1:
        return (row + 1) % 2
    mask = (np.arange(shape[0])[:, None] + row + 1) % 2
    return np.repeat(mask.ravel(), 3 if len(shape) == 3 else 1)
