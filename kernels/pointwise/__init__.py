"""Functions of each element that stand between convolutions, in one pass over memory.

Written as operations of arrays the nonlinearities take three to eight passes, and so much time that
it shows beside a convolution. Arrays of one shape and dtype, any layout, float32 or float64. Small
arrays have the kernels too: a value does not depend on how many there are.
"""

from types import ModuleType
from typing import Any

import numpy as np

from kernels.dispatch import DOUBLE, SINGLE, Array, implementation
from kernels.pointwise import reference

FLOATS = {SINGLE, DOUBLE}
FEW = 2**8  # elements up to which formulas are as fast; without e^x the values are the same


def add(x: Any, y: Any) -> Any:
    """x + y, of any arrays and numbers; a kernel only where both are images of one shape."""
    if type(x) is type(y) is np.ndarray and x.ndim > 2 and (x.shape, x.dtype) == (y.shape, y.dtype):
        return _chosen(x, y).add(x, y)
    return x + y


def leaky_relu(x: Array, slope: float) -> Array:
    """x where it is positive, else slope * x. Raises ValueError for a negative slope."""
    if slope < 0:
        raise ValueError(f"leaky_relu of slope {slope}: below 0 the gradient is not told by y")
    return (reference if x.size < FEW else _chosen(x)).leaky_relu(x, slope)


def leaky_relu_grad(g: Array, y: Array, slope: float) -> Array:
    """g, but slope * g where y, which has the sign of x, is not positive."""
    return (reference if g.size < FEW else _chosen(g, y)).leaky_relu_grad(g, y, slope)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)."""
    return _chosen(x).sigmoid(x)


def silu(x: Array) -> Array:
    """x sigmoid(x) (Elfwing et al. 2018; "swish")."""
    return _chosen(x).silu(x)


def silu_grad(g: Array, x: Array) -> Array:
    """g s (1 + x (1 - s)), where s = sigmoid(x)."""
    return _chosen(g, x).silu_grad(g, x)


def _chosen(*arrays: Array) -> ModuleType:
    """The definition for what no kernel takes: integers, and the smallest and longest floats."""
    for array in arrays:
        if array.dtype not in FLOATS:
            return reference
    return implementation("pointwise", *arrays)
