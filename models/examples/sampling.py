"""Sampling, with and without the reparameterisation trick."""

import numpy as np

from autograd import Tensor, exp, reparameterize, tracing
from models.examples.example import Traces, example


@example("Sampling with and without the reparameterisation trick")
def reparameterisation() -> Traces:
    """Without the trick z is a plain number, as a generator of random numbers gives it: the graph
    is cut, and of the gradient of the loss nothing reaches mu and logvar. With it z = mu + sigma
    eps, where only the noise eps is a constant: z is the same number, and it has derivatives. The
    primitive of this project makes eps again from its seed on the way back, and computes the
    divergence beside z (Kingma & Welling 2014, section 2.4).
    """
    eps = np.array([0.5, -1.0])

    def parameters() -> dict[str, Tensor]:
        values = {"mu": [1.0, 0.0], "logvar": [0.0, -1.0], "w": [1.0, 2.0]}
        return {name: Tensor(value, requires_grad=True) for name, value in values.items()}

    traces = {}
    p = parameters()
    with tracing(p | {"eps": Tensor(eps)}) as traces["without the trick"]:
        sigma = exp(p["logvar"] / 2)
        z = p["mu"].detach() + sigma.detach() * eps
        loss = ((p["w"] * z) ** 2).sum()
        loss.backward()
    p = parameters()
    with tracing(p | {"eps": Tensor(eps)}) as traces["with the trick"]:
        sigma = exp(p["logvar"] / 2)
        z = p["mu"] + sigma * eps
        loss = ((p["w"] * z) ** 2).sum()
        loss.backward()
    p = parameters()
    with tracing(p | {"eps": Tensor(eps)}) as traces["as one primitive"]:
        z, kl = reparameterize(p["mu"], p["logvar"], seed=1)
        loss = ((p["w"] * z) ** 2).sum() + kl.sum()
        loss.backward()
    return traces
