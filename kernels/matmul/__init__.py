"""Matrix products. They are BLAS's; what is ours is how cuBLAS is asked."""

from typing import Any

from kernels.dispatch import SINGLE, implementation, is_on_device


def matmul(x: Any, y: Any) -> Any:
    """x @ y, of matrices in the last two axes, broadcast over the others.

    Of anything else than float32 arrays of a GPU it is `x @ y`, which a Tensor knows too.
    """
    if not (is_on_device(x) and is_on_device(y)) or x.dtype != SINGLE or y.dtype != SINGLE:
        return x @ y
    return implementation("matmul", x, y).matmul(x, y)
