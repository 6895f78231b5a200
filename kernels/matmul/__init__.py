"""Matrix products. They are BLAS's; what is ours is how cuBLAS is asked."""

from typing import Any

import numpy as np

from kernels.dispatch import SINGLE, implementation


def matmul(x: Any, y: Any) -> Any:
    """x @ y, of matrices in the last two axes, broadcast over the others."""
    if type(x) is np.ndarray or x.dtype != SINGLE or y.dtype != SINGLE:
        return x @ y
    return implementation("matmul", x, y).matmul(x, y)
