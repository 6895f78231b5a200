"""Nonlinearities on the CPU: ufuncs of Numba's. float64, for checking derivatives, is NumPy's.

On one core: what they wait for is memory, and on two they were no faster. A slope is compiled in,
since a ufunc makes vector instructions only where each operand moves on.
"""

from functools import cache, partial

import numpy as np
from numba import float32, njit

from kernels.activation import reference
from kernels.compiled import elementwise
from kernels.reparameterize.cpu import exp


@cache
def _leaky_relu(slope):
    zero, slope = np.float32(0), np.float32(slope)

    @elementwise
    def leaky_relu(x):
        return x if not x <= zero else x * slope if slope else zero

    return leaky_relu


@cache
def _leaky_relu_grad(slope):
    zero, slope = np.float32(0), np.float32(slope)

    @elementwise
    def leaky_relu_grad(g, y):
        return g if not y <= zero else g * slope if slope else zero

    return leaky_relu_grad


@njit(forceinline=True, fastmath={"contract"})
def _logistic(x):
    """As the reference has it: no exponent is ever positive."""
    e = exp(-abs(x))
    return (e if x < float32(0) else float32(1)) / (float32(1) + e)


@elementwise
def _sigmoid(x):
    return _logistic(x)


@elementwise
def _silu(x):
    return x * _logistic(x)


@elementwise
def _silu_grad(g, x):
    s = _logistic(x)
    return g * s * (float32(1) + x * (float32(1) - s))


def leaky_relu(x, slope):
    return _run(_leaky_relu(slope), partial(reference.leaky_relu, slope=slope), x)


def leaky_relu_grad(g, y, slope):
    return _run(_leaky_relu_grad(slope), partial(reference.leaky_relu_grad, slope=slope), g, y)


def sigmoid(x):
    return _run(_sigmoid, reference.sigmoid, x)


def silu(x):
    return _run(_silu, reference.silu, x)


def silu_grad(g, x):
    return _run(_silu_grad, reference.silu_grad, g, x)


def _run(ufunc, definition, *operands):
    if operands[0].dtype != np.float32:
        return definition(*operands)
    return np.asarray(ufunc(*operands))
