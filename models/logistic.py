"""The discretised logistic: a probability of each level of a pixel.

A logistic has the sigmoid as its cumulative distribution. Each level 0 ... levels - 1 takes the
mass within half a step of it, and the two levels at the ends take the tails as well:

    P(x | mu, s) = sigmoid((x + 1/2 - mu) / s) - sigmoid((x - 1/2 - mu) / s)

with x - 1/2 = -infinity at x = 0 and x + 1/2 = infinity at x = levels - 1 (Salimans et al. 2017,
"PixelCNN++", eq. 2; for a VAE Kingma et al. 2016, "Improved Variational Inference with Inverse
Autoregressive Flow", appendix C.5). So the masses sum to 1 for any mu and s, in units of a level.
"""

import math
from typing import Any

import numpy as np

from autograd import Rng, Values
from autograd.ops import clip, exp, log, log_sigmoid, tanh, where

LOG_S = math.log(math.sqrt(3) / math.pi)  # log s of a logistic with a standard deviation of 1
MIN_LOG_S = -2.0
"""Of a level. The middle one then has all but 0.0006 of the mass. With a smaller s a pixel that
never varies in training costs far more nats, once it does."""


def log_mass(x: Any, mu: Values, log_s: Values, levels: int) -> Any:
    """log P(x | mu, s) in nats, element by element, of whole x; the shapes broadcast.

    With b > a and d = b - a = 1 / s the difference of the sigmoids is the product

        sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - e^-d),  1 - e^-d = 2 t / (1 + t)

    where t = tanh(d / 2). Nothing cancels in it, so it is exact in float32 far out in the tails,
    and its gradient there is -1 / s or 1 / s, not 0 / 0.
    """
    d = exp(-clip(log_s, low=MIN_LOG_S))
    t = tanh(d / 2)
    below, above = x == 0, x == levels - 1
    b, a = (x + 0.5 - mu) * d, (x - 0.5 - mu) * d
    return (
        where(above, 0.0, log_sigmoid(b))
        + where(below, 0.0, log_sigmoid(-a))
        + where(below | above, 0.0, log(2 * t / (1 + t)))
    )


def sample(mu: np.ndarray, log_s: np.ndarray, levels: int, rng: Rng) -> np.ndarray:
    """Levels x ~ P(x | mu, s), of the shape of mu."""
    x = mu + np.exp(np.maximum(log_s, MIN_LOG_S)) * rng.logistic(size=mu.shape)
    return np.rint(x).clip(0, levels - 1)
