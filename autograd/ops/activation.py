"""The nonlinearities of neural networks, but for tanh, which is in `elementwise`."""

import math
from typing import Any

import kernels
from autograd.ops.elementwise import clip, tanh
from autograd.ops.special import erf
from autograd.primitive import primitive
from autograd.tensor import Values


@primitive
def relu(x):
    return kernels.leaky_relu(x, 0.0)


@primitive
def leaky_relu(x, *, slope=0.2):
    """x where x > 0, else slope * x."""
    return kernels.leaky_relu(x, slope)


@primitive
def leaky_relu_grad(g, y, *, slope):
    """g where y > 0, else slope * g, for y = leaky_relu(x)."""
    return kernels.leaky_relu_grad(g, y, slope)


relu.rule(x=lambda g, ans: leaky_relu_grad(g, ans, slope=0.0))
leaky_relu.rule(x=lambda g, ans, slope: leaky_relu_grad(g, ans, slope=slope))
leaky_relu_grad.rule(g=lambda h, y, slope: leaky_relu_grad(h, y, slope=slope), y=None)


sigmoid = primitive(kernels.sigmoid)
silu = primitive(kernels.silu)
silu_grad = primitive(kernels.silu_grad)


def _silu_grad_x(h, g, x):
    """With s' = s (1 - s): h g s' (2 + x (1 - 2 s))."""
    s = sigmoid(x)
    return h * g * s * (1 - s) * (2 + x * (1 - 2 * s))


sigmoid.rule(x=lambda g, ans: g * ans * (1 - ans))
silu.rule(x=lambda g, x: silu_grad(g, x))
silu_grad.rule(g=lambda h, x: silu_grad(h, x), x=_silu_grad_x)


def gelu(x: Values, exact: bool = False) -> Any:
    """x Phi(x), with the tanh approximation of Phi unless `exact` (Hendrycks & Gimpel 2016)."""
    if exact:
        return 0.5 * x * (1 + erf(x / math.sqrt(2)))
    u = clip(x, low=-10, high=10)  # where tanh is 1 exactly, and u^3 does not overflow
    return 0.5 * x * (1 + tanh(0.7978845608028654 * (u + 0.044715 * u**3)))
