"""The definition, in functions that CuPy's arrays take too."""

import numpy as np

from kernels.sums import total


def logsumexp(x, axis, keepdims):
    """m + log(sum e^(x - m)) with m the largest x, or 0 if that is infinite."""
    m = x.max(axis=axis, keepdims=True) if x.size else x.sum(axis=axis, keepdims=True) - np.inf
    m = np.where(np.isfinite(m), m, 0.0)
    with np.errstate(divide="ignore"):  # log 0 = -inf is the answer where every x is -inf
        ans = m + np.log(total(np.exp(x - m), axis, keepdims=True))
    return ans if keepdims else ans.squeeze(axis)
