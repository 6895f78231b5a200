"""Special functions of each element: by SciPy, whose counterpart in CuPy is cupyx.scipy."""

import math

import numpy as np

from autograd.array import scipy_for
from autograd.ops.elementwise import clip, exp
from autograd.primitive import primitive


@primitive
def erf(x):
    """The error function: N(0, 1) lies below x with the probability (1 + erf(x / sqrt 2)) / 2."""
    return scipy_for(x, "special").erf(x)


def _erf_x(g, x):
    """g 2 e^(-x^2) / sqrt pi, which is 0 long before x = 40."""
    u = clip(x, low=-40, high=40)
    return g * exp(-u * u) * (2 / math.sqrt(math.pi))


erf.rule(x=_erf_x)


@primitive
def lgamma(x):
    """log |Gamma(x)|, so log (n - 1)! for an integer n; infinite at 0, -1, -2, ..."""
    return scipy_for(x, "special").gammaln(x)


@primitive
def polygamma(x, *, n):
    """The (n + 1)-th derivative of lgamma; of n = 0 it is called digamma."""
    special = scipy_for(x, "special")
    if n == 0:
        return special.psi(x)
    found = special.polygamma(np.full_like(x, n), x)
    return found.astype(np.result_type(x.dtype, np.float32), copy=False)


lgamma.rule(x=lambda g, x: g * polygamma(x, n=0))
polygamma.rule(x=lambda g, x, n: g * polygamma(x, n=n + 1))
