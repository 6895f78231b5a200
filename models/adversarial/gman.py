"""Several discriminators (Durugkar et al. 2017, "Generative Multi-Adversarial Networks").

Each D_i of N plays its own game against one generator, and maximises its value

    V_i = V(D_i, G) = E[log D_i(x)] + E[log(1 - D_i(G(z)))]                                (eq. 1)

The generator minimises a mean of them that leans towards the largest, the harshest critic's:

    F(V) = sum_i w_i V_i,   w_i = exp(lambda V_i) / sum_j exp(lambda V_j)                  (eq. 3)

At lambda = 0 that is the mean, and lambda -> infinity makes it the maximum. A D that is sure of
itself gives no gradient of log(1 - D); with several, G needs one that is not (section 3.3.2).

With another loss than the paper's minimax, the second term of V_i is that of the generator.
"""

from typing import Any

import numpy as np

from autograd import Rng, Tensor, nn, softmax, stack
from models.adversarial.gan import GAN
from models.adversarial.gman_settings import DEFAULTS, Settings
from models.adversarial.losses import LOSSES
from models.adversarial.networks import Discriminator
from models.data import Labels, Shape
from models.model import Numbers, Optimizers


class Discriminators(nn.Module):
    """N networks that differ by their start: x (B, pixels) to the logits of each, (B, N).

    So the loss of D is the mean of theirs, and each is trained as if it were alone.
    """

    def __init__(self, settings: Settings, shape: Shape, classes: int, rng: Rng):
        number = settings.discriminators
        self.each = [Discriminator(settings, shape, classes, rng) for _ in range(number)]

    def forward(self, x: Any, classes: Any = None) -> Tensor:
        return stack([d(x, classes) for d in self.each], axis=1)


class GMAN(GAN):
    """A generator against several discriminators, for images or for points."""

    settings_type, defaults = Settings, DEFAULTS
    discriminator_type = Discriminators

    def __init__(self, settings: Settings, shape: Shape, levels: int, rng: Rng, classes: int = 0):
        super().__init__(settings, shape, levels, rng, classes)
        n = settings.discriminators
        self.weights = Tensor(np.full(n, 1 / n, dtype=np.float32))

    def value(self, fake: Any, real: Any, classes: Any) -> Tensor:
        """F(V), which the generator minimises; the weights of the discriminators are kept."""
        pair = LOSSES[self.settings.loss]
        on_real, on_fake = self.discriminator(real, classes), self.discriminator(fake, classes)
        of_real, _ = pair.discriminator(on_real, on_fake)  # -log D_i(x)
        values = pair.generator(on_fake).mean(axis=0) - of_real.mean(axis=0)  # eq. 1
        weights = softmax(self.settings.inverse_temperature * values)
        self.weights.data[...] = weights.data
        return (weights * values).sum()  # eq. 3

    def update(
        self, x: Any, rng: Rng, epoch: float, labels: Labels, optimizers: Optimizers
    ) -> dict[str, Any]:
        """As of a GAN; with the largest of the weights that the generator gave to them."""
        numbers = super().update(x, rng, epoch, labels, optimizers)
        return numbers | {"largest_weight": self.weights.data.max()}

    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """As of a GAN, the mean over the discriminators."""
        numbers = super().evaluate(x, rng, labels, thorough)
        return {name: values.mean(axis=1) for name, values in numbers.items()}
