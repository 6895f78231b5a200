"""Functions of each element on the CPU, by Numba; for float64, to check derivatives, by NumPy.

Each core takes the same images of a large array as it does in a convolution: a core is slow to read
what another core has just written.
"""

import numpy as np
from numba import float32

from kernels.cpu.compile import njit_exact
from kernels.cpu.threads import MIN_SHARED_SIZE, run_if_large
from kernels.cpu.vector_math import exp, log1p, njit_elementwise, njit_exact_inlined, njit_inlined
from kernels.dispatch import SINGLE
from kernels.pointwise import reference

__all__ = [
    "add",
    "bce_with_logits",
    "bce_with_logits_grad",
    "leaky_relu",
    "leaky_relu_grad",
    "sigmoid",
    "silu",
    "silu_grad",
    "softplus",
]


def add(x, y):
    if x.dtype != SINGLE or x.size < MIN_SHARED_SIZE:
        return reference.add(x, y)
    return _over(_add, x, y)


def leaky_relu(x, slope):
    if x.dtype != SINGLE:
        return reference.leaky_relu(x, slope)
    return _over(_leaky_relu, x, numbers=(np.float32(slope),))


def leaky_relu_grad(g, y, slope):
    if g.dtype != SINGLE:
        return reference.leaky_relu_grad(g, y, slope)
    return _over(_leaky_relu_grad, g, y, numbers=(np.float32(slope),))


def sigmoid(x):
    return _over(_sigmoid, x) if x.dtype == SINGLE else reference.sigmoid(x)


def softplus(x):
    return _over(_softplus, _exp_of_minus_abs(x), x) if x.dtype == SINGLE else reference.softplus(x)


def bce_with_logits(logits, targets):
    if logits.dtype != SINGLE:
        return reference.bce_with_logits(logits, targets)
    return _over(_bce_with_logits, _exp_of_minus_abs(logits), logits, targets)


def bce_with_logits_grad(g, logits, targets):
    if g.dtype != SINGLE:
        return reference.bce_with_logits_grad(g, logits, targets)
    return _over(_bce_with_logits_grad, g, logits, targets)


def silu(x):
    return _over(_silu, x) if x.dtype == SINGLE else reference.silu(x)


def silu_grad(g, x):
    return _over(_silu_grad, g, x) if x.dtype == SINGLE else reference.silu_grad(g, x)


def _exp_of_minus_abs(x):
    """By NumPy, so that every bit of softplus is the definition's."""
    return np.exp(-np.abs(x))


def _over(kernel, *operands, numbers=()):
    """A new array in the memory order of the last operand, filled by `kernel` from flat ones."""
    out = np.empty_like(operands[-1])
    flat = [_flat(operand, out) for operand in operands]
    run_if_large(kernel, out.size, out.size, *flat, out.ravel(order="K"), *numbers)
    return out


def _flat(operand, like):
    """In the memory order of `like`."""
    if operand.strides != like.strides:
        reordered = np.empty_like(like)
        reordered[...] = operand
        operand = reordered
    return operand.ravel(order="K")


@njit_elementwise
def _add(x, y, z, start, stop):
    x, y, z = x[start:stop], y[start:stop], z[start:stop]
    for i in range(len(z)):
        z[i] = x[i] + y[i]


@njit_elementwise
def _leaky_relu(x, y, slope, start, stop):
    x, y = x[start:stop], y[start:stop]
    for i in range(len(x)):
        y[i] = x[i] if not x[i] <= float32(0) else slope * x[i] if slope else float32(0)


@njit_elementwise
def _leaky_relu_grad(g, y, d, slope, start, stop):
    g, y, d = g[start:stop], y[start:stop], d[start:stop]
    for i in range(len(d)):
        d[i] = g[i] if not y[i] <= float32(0) else slope * g[i] if slope else float32(0)


@njit_inlined
def _logistic(x):
    """As in the reference: no exponent is ever positive."""
    e = exp(-abs(x))
    return (e if x < float32(0) else float32(1)) / (float32(1) + e)


@njit_elementwise
def _sigmoid(x, y, start, stop):
    x, y = x[start:stop], y[start:stop]
    for i in range(len(x)):
        y[i] = _logistic(x[i])


@njit_elementwise
def _silu(x, y, start, stop):
    x, y = x[start:stop], y[start:stop]
    for i in range(len(x)):
        y[i] = x[i] * _logistic(x[i])


@njit_elementwise
def _silu_grad(g, x, d, start, stop):
    g, x, d = g[start:stop], x[start:stop], d[start:stop]
    for i in range(len(d)):
        s = _logistic(x[i])
        d[i] = g[i] * s * (float32(1) + x[i] * (float32(1) - s))


@njit_exact_inlined
def _log_of_1_and(e, x):
    """As in the reference, log(1 + e^x) from e = e^-|x|; NaN stays NaN."""
    return (float32(0) if x < float32(0) else x) + log1p(e)


@njit_exact
def _softplus(e, x, y, start, stop):
    e, x, y = e[start:stop], x[start:stop], y[start:stop]
    for i in range(len(y)):
        y[i] = _log_of_1_and(e[i], x[i])


@njit_exact
def _bce_with_logits(e, logits, targets, y, start, stop):
    e, logits, targets, y = e[start:stop], logits[start:stop], targets[start:stop], y[start:stop]
    for i in range(len(y)):
        y[i] = _log_of_1_and(e[i], logits[i]) - logits[i] * targets[i]


@njit_elementwise
def _bce_with_logits_grad(g, logits, targets, d, start, stop):
    g, logits, targets, d = g[start:stop], logits[start:stop], targets[start:stop], d[start:stop]
    for i in range(len(d)):
        d[i] = g[i] * (_logistic(logits[i]) - targets[i])
