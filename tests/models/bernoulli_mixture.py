"""A mixture of Bernoulli images: the example of CONTRIBUTING.md.

log p(x) = log sum_k pi_k prod_i mu_ki^x_i (1 - mu_ki)^(1 - x_i)      (Bishop 2006, eq. 9.47)
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd import Rng, Tensor, bce_with_logits, log_softmax, logsumexp, nn, no_grad, sigmoid
from models.data import Labels, Shape
from models.model import Loss, Model, Numbers
from models.settings import CommonSettings, setting


@dataclass(frozen=True)
class Settings(CommonSettings):
    components: int = setting(10, "of the mixture", least=1)
    pixels: str = setting("fixed")
    learning_rate: float = setting(0.2)


class Mixture(Model):
    settings_type = Settings
    likelihood = "exact"

    def __init__(self, settings: Settings, shape: Shape, levels: int, rng: Rng, classes: int = 0):
        super().__init__(settings, shape, levels, rng, classes)
        self.weight = nn.parameter(np.zeros(settings.components))  # logits of pi
        self.mean = nn.parameter(0.5 * rng.standard_normal((settings.components, math.prod(shape))))

    def log_likelihood(self, x: Any) -> Tensor:
        """log p(x) in nats of binary images (N, pixels): (N,)."""
        self.check_pixels(x)
        log_p = -bce_with_logits(self.mean, x[:, None]).sum(axis=-1)  # log p(x|k), (N, components)
        return logsumexp(log_softmax(self.weight) + log_p, axis=1)

    def loss(self, x: Any, rng: Rng, epoch: float = math.inf, labels: Labels = None) -> Loss:
        return -self.log_likelihood(x).mean(), {}

    @no_grad()
    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        return {"nll": -self.log_likelihood(x).numpy()}

    def sample(self, n: int, rng: Rng, labels: Labels = None) -> np.ndarray:
        self.classes_of(n, labels)  # raises, since there are none
        pi = np.exp(log_softmax(self.weight).numpy().astype(float))
        k = rng.choice(len(pi), size=n, p=pi / pi.sum())
        mu = sigmoid(self.mean).numpy()[k].reshape(n, *self.shape)
        return (rng.random(mu.shape) < mu).astype(np.float32)
