"""log(sum e^x), which e^x itself would overflow: the normaliser of a softmax."""

from typing import Any

from kernels.dispatch import DOUBLE, SINGLE, Array, implementation
from kernels.logsumexp import reference


def logsumexp(x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """Over an axis, several, or all of them (None). Without any x it is -inf, the log of 0."""
    known = x.size and x.dtype in (SINGLE, DOUBLE)
    return (implementation("logsumexp", x) if known else reference).logsumexp(x, axis, keepdims)
