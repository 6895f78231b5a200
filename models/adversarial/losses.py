"""The losses of a GAN, as pairs: what the discriminator minimises, and what the generator does.

Both are of logits (N,), log D / (1 - D), of data and of samples; or of a critic's scores, which are
no probabilities. They work on arrays and on Tensors.

(a) Goodfellow et al. 2014, "Generative Adversarial Nets".
(b) Arjovsky, Chintala & Bottou 2017, "Wasserstein GAN".
(c) Gulrajani et al. 2017, "Improved Training of Wasserstein GANs": (b) with a gradient penalty.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from autograd import Values, bce_with_logits, sigmoid, softplus

LOG_4, LOG_2 = math.log(4), math.log(2)


def cross_entropy(
    real: Values, fake: Values, real_target: float = 1.0, fake_target: float = 0.0
) -> tuple[Values, Values]:
    """-log D(x) and -log(1 - D(G(z))), the terms of (a), eq. 1, with the sign changed.

    A real target a < 1 and a fake target b > 0 move D's optimum from p / (p + q) to
    (a p + b q) / (p + q). With b > 0, D of a sample far from the data tends to b and G learns
    little there, so smooth the one side only (Salimans et al. 2016, section 3.4).
    """
    return bce_with_logits(real, real_target), bce_with_logits(fake, fake_target)


def minimax(fake: Values) -> Values:
    """log(1 - D(G(z))): flat where D is sure, D(G(z)) -> 0."""
    return -softplus(fake)


def non_saturating(fake: Values) -> Values:
    """-log D(G(z)): steep there, and the same fixed point ((a), section 3)."""
    return softplus(-fake)


def critic_difference(real: Values, fake: Values, *_: float) -> tuple[Values, Values]:
    """-f(x) and f(G(z)).

    The greatest E f(x) - E f(G(z)) over 1-Lipschitz f is the distance W_1 ((b), eq. 2).
    """
    return -real, fake


def critic_score(fake: Values) -> Values:
    """-f(G(z))."""
    return -fake


class Loss(NamedTuple):
    """A pair, and the losses (nats) at its equilibrium, where D = 1/2 everywhere."""

    discriminator: Callable[..., tuple[Any, Any]]
    generator: Callable[[Any], Any]
    equilibrium: Mapping[str, float]

    @property
    def has_critic(self) -> bool:
        return self.discriminator is critic_difference

    def output(self, scores: Any) -> Any:
        """D's probability that x is of the data; a critic's score."""
        return scores if self.has_critic else sigmoid(scores)


LOSSES = {
    "minimax": Loss(cross_entropy, minimax, {"log 4": LOG_4, "$-$log 2": -LOG_2}),
    "non-saturating": Loss(cross_entropy, non_saturating, {"log 4": LOG_4, "log 2": LOG_2}),
    "wgan": Loss(critic_difference, critic_score, {}),
    "wgan-gp": Loss(critic_difference, critic_score, {}),
}
