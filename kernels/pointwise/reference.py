"""As formulas of arrays, which CuPy's arrays take too."""

import numpy as np


def add(x, y):
    return x + y


def leaky_relu(x, slope):
    return np.where(x <= 0.0, slope * x, x) if slope else np.maximum(x, 0.0)


def leaky_relu_grad(g, y, slope):
    if not slope:
        return np.where(y, g, 0.0)  # a ReLU's y is 0 where it is not positive
    return np.where(y <= 0.0, slope * g, g)


def sigmoid(x):
    """As e^min(x, 0) / (1 + e^-|x|): no exponent is ever positive.

    The zeros turn integers, which may be unsigned, into floats.
    """
    return np.exp(np.minimum(x, 0.0)) / (1 + np.exp(0.0 - np.abs(x)))


def softplus(x):
    """As max(x, 0) + log(1 + e^-|x|)."""
    return np.maximum(x, 0.0) + np.log1p(np.exp(0.0 - np.abs(x)))


def bce_with_logits(logits, targets):
    return softplus(logits) - logits * targets


def bce_with_logits_grad(g, logits, targets):
    return g * (sigmoid(logits) - targets)


def silu(x):
    return x * sigmoid(x)


def silu_grad(g, x):
    s = sigmoid(x)
    return g * s * (1 + x * (1 - s))
