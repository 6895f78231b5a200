"""Batch norm."""

import numpy as np

from autograd import Tensor, sqrt, tracing
from models.examples.example import Traces, example


@example("Batch norm")
def batch_norm() -> Traces:
    """The mean and the variance are made of all examples, so x has a gradient by three ways:
    directly, through the mean, and through the variance. Look at their sum: in each column it adds
    up to zero, since adding a number to every example changes nothing. That is why a derivation
    that treats the mean as a constant is wrong.
    """
    x = Tensor([[1.0, -1.0], [2.0, 0.0], [6.0, 4.0]], requires_grad=True)
    gamma = Tensor([1.0, 2.0], requires_grad=True)
    beta = Tensor([0.0, 1.0], requires_grad=True)
    target = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 3.0]])
    with tracing({"x": x, "gamma": gamma, "beta": beta, "target": target}) as trace:
        mean = x.mean(axis=0)
        centred = x - mean
        variance = (centred * centred).mean(axis=0)
        normed = centred / sqrt(variance + 1e-5)
        y = gamma * normed + beta
        loss = ((y - target) ** 2).sum()
        loss.backward()
    return {"batch norm": trace}
