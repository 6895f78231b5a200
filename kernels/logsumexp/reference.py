"""The definition, in functions that CuPy's arrays take too."""

import numpy as np

from kernels.sums import total


def logsumexp(x, axis, keepdims):
    """m + log(sum e^(x - m)) with m the largest x, or 0 in the exponent if that is infinite.

    The sum is at least 1, but where every x is -inf: there m is the answer.
    """
    m = x.max(axis=axis, keepdims=True) if x.size else x.sum(axis=axis, keepdims=True) - np.inf
    e = np.exp(x - np.where(np.isfinite(m), m, 0.0))
    ans = m + np.log(np.maximum(total(e, axis, keepdims=True), 1.0))
    return ans if keepdims else ans.squeeze(axis)
