"""Functions of each element on CUDA, a kernel each; of formulas of arrays CuPy starts up to twelve.

float32, any layout; the results are C-contiguous, as the convolution kernels read images.
"""

import math

import numpy as np
from numba import cuda, float32, uint32

from kernels.cuda.launch import launch
from kernels.dispatch import namespace
from kernels.pointwise.reference import add

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

THREADS = 256  # of a block, one for each element


def leaky_relu(x, slope):
    return _over(_leaky_relu, x, numbers=(np.float32(slope),))


def leaky_relu_grad(g, y, slope):
    return _over(_leaky_relu_grad, g, y, numbers=(np.float32(slope),))


def sigmoid(x):
    return _over(_sigmoid, x)


def silu(x):
    return _over(_silu, x)


def silu_grad(g, x):
    return _over(_silu_grad, g, x)


def softplus(x):
    return _over(_softplus, x)


def bce_with_logits(logits, targets):
    return _over(_bce_with_logits, logits, targets)


def bce_with_logits_grad(g, logits, targets):
    return _over(_bce_with_logits_grad, g, logits, targets)


def _over(kernel, *operands, numbers=()):
    """A new array, filled by `kernel` from flat ones."""
    xp = namespace(operands[0])
    out = xp.empty(operands[0].shape, np.float32)
    flat = [xp.ascontiguousarray(array).reshape(-1) for array in (*operands, out)]
    launch(kernel, -(-out.size // THREADS), THREADS, *flat, *numbers)
    return out


@cuda.jit
def _leaky_relu(x, y, slope):
    i = uint32(cuda.grid(1))
    if i < uint32(y.size):
        y[i] = x[i] if not x[i] <= float32(0) else slope * x[i] if slope else float32(0)


@cuda.jit
def _leaky_relu_grad(g, y, d, slope):
    i = uint32(cuda.grid(1))
    if i < uint32(d.size):
        d[i] = g[i] if not y[i] <= float32(0) else slope * g[i] if slope else float32(0)


@cuda.jit(device=True)
def _logistic(x):
    """As in the reference: no exponent is ever positive."""
    e = math.exp(-math.fabs(x))
    return (e if x < float32(0) else float32(1)) / (float32(1) + e)


@cuda.jit
def _sigmoid(x, y):
    i = uint32(cuda.grid(1))
    if i < uint32(y.size):
        y[i] = _logistic(x[i])


@cuda.jit
def _silu(x, y):
    i = uint32(cuda.grid(1))
    if i < uint32(y.size):
        y[i] = x[i] * _logistic(x[i])


@cuda.jit
def _silu_grad(g, x, d):
    i = uint32(cuda.grid(1))
    if i < uint32(d.size):
        s = _logistic(x[i])
        d[i] = g[i] * s * (float32(1) + x[i] * (float32(1) - s))


@cuda.jit(device=True)
def _log_of_1_and_exp(x):
    """As in the reference; NaN stays NaN."""
    return (float32(0) if x < float32(0) else x) + math.log1p(math.exp(-math.fabs(x)))


@cuda.jit
def _softplus(x, y):
    i = uint32(cuda.grid(1))
    if i < uint32(y.size):
        y[i] = _log_of_1_and_exp(x[i])


@cuda.jit
def _bce_with_logits(logits, targets, y):
    i = uint32(cuda.grid(1))
    if i < uint32(y.size):
        y[i] = _log_of_1_and_exp(logits[i]) - logits[i] * targets[i]


@cuda.jit
def _bce_with_logits_grad(g, logits, targets, d):
    i = uint32(cuda.grid(1))
    if i < uint32(d.size):
        d[i] = g[i] * (_logistic(logits[i]) - targets[i])
