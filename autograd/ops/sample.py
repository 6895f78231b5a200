"""Random variables as differentiable functions of their parameters."""

import numpy as np

from autograd.ops.elementwise import exp
from autograd.primitive import primitive


@primitive
def reparameterize(mu, logvar, eps):
    """z = mu + sigma eps with sigma = e^(logvar / 2): a draw of N(mu, sigma^2) if eps is N(0, 1).

    The randomness comes in as an argument, so z is a smooth function of mu and logvar
    (Kingma & Welling 2014, section 2.4).
    """
    return mu + np.exp(logvar / 2) * eps


reparameterize.rule(
    mu=lambda g: g,
    logvar=lambda g, logvar, eps: g * eps * exp(logvar / 2) / 2,  # dz/dlogvar = sigma eps / 2
    eps=lambda g, logvar: g * exp(logvar / 2),
)
