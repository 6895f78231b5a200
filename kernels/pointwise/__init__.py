"""Functions of each element, in one pass over memory: what stands between two convolutions.

Written as operations of arrays, a nonlinearity takes three to eight passes, and that time counts
beside a convolution's. Arrays of one shape and dtype, any layout, float32 or float64. Small arrays
use the kernels too, so that a value does not depend on the size of its array.
"""

from types import ModuleType
from typing import Any

import numpy as np

from kernels.dispatch import DOUBLE, SINGLE, Array, implementation
from kernels.pointwise import reference

FLOATS = SINGLE, DOUBLE
MIN_SIZE = 2**8
"""Elements from which a kernel is faster than formulas of arrays. Only for functions without e^x,
whose values are the same by both."""


def add(x: Any, y: Any) -> Any:
    """x + y, of any arrays and numbers; a kernel only where both are images of one shape."""
    if type(x) is type(y) is np.ndarray and x.ndim > 2 and (x.shape, x.dtype) == (y.shape, y.dtype):
        return _chosen(x, y).add(x, y)
    return x + y


def leaky_relu(x: Array, slope: float) -> Array:
    """x where it is positive, else slope * x. Raises ValueError for a negative slope."""
    if slope < 0:
        raise ValueError(f"leaky_relu of slope {slope}: below 0 the sign of x is not that of y")
    return (reference if x.size < MIN_SIZE else _chosen(x)).leaky_relu(x, slope)


def leaky_relu_grad(g: Array, y: Array, slope: float) -> Array:
    """g, but slope * g where y, the leaky_relu of x by this slope, is not positive."""
    return (reference if g.size < MIN_SIZE else _chosen(g, y)).leaky_relu_grad(g, y, slope)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)."""
    return _chosen(x).sigmoid(x)


def silu(x: Array) -> Array:
    """x sigmoid(x) (Elfwing et al. 2018; "swish")."""
    return _chosen(x).silu(x)


def silu_grad(g: Array, x: Array) -> Array:
    """g s (1 + x (1 - s)), where s = sigmoid(x)."""
    return _chosen(g, x).silu_grad(g, x)


def softplus(x: Array) -> Array:
    """log(1 + e^x)."""
    return _chosen(x).softplus(x)


def bce_with_logits(logits: Array, targets: Any) -> Array:
    """softplus(l) - l t; a kernel only where both have one shape."""
    if _alike(logits, targets):
        return _chosen(logits, targets).bce_with_logits(logits, targets)
    return softplus(logits) - logits * targets


def bce_with_logits_grad(g: Array, logits: Array, targets: Any) -> Array:
    """g (sigmoid(l) - t); a kernel only where all have one shape."""
    if _alike(g, logits) and _alike(logits, targets):
        return _chosen(g, logits, targets).bce_with_logits_grad(g, logits, targets)
    return g * (sigmoid(logits) - targets)


def _alike(x: Any, y: Any) -> bool:
    return type(x) is type(y) and (x.shape, x.dtype) == (y.shape, y.dtype)


def _chosen(*arrays: Array) -> ModuleType:
    """The definition for what no kernel takes: integers, float16, long doubles, plain numbers."""
    for array in arrays:
        if getattr(array, "dtype", None) not in FLOATS:
            return reference
    return implementation("pointwise", *arrays)
