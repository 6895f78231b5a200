"""The nonlinearities of neural networks; tanh and sigmoid are with their kind."""

from typing import Any

import numpy as np

from autograd.ops.elementwise import tanh
from autograd.ops.stable import sigmoid
from autograd.primitive import bare, primitive


@primitive
def relu(x):
    return np.maximum(x, 0)


relu.rule(x=lambda g, ans: g * (ans != 0))


@primitive
def leaky_relu(x, *, slope=0.2):
    """x where it is positive, else slope * x."""
    return x * _slopes(x, slope)


def _slopes(x, slope):
    x = bare(x)
    return np.where(x > 0, x.dtype.type(1), x.dtype.type(slope))


leaky_relu.rule(x=lambda g, x, slope: g * _slopes(x, slope))


def silu(x: Any) -> Any:
    """x sigmoid(x) (Elfwing et al. 2018; "swish")."""
    return x * sigmoid(x)


def gelu(x: Any) -> Any:
    """x Phi(x), with the tanh approximation of Phi (Hendrycks & Gimpel 2016, section 2)."""
    return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x**3)))
