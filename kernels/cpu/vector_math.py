"""ln, ln(1 + x), e^x, cosine and sine as polynomials, in float32, for the CPU kernels.

The functions of the C library take one number at a time. These are inlined by force into the loop
that calls them, and LLVM turns that loop into vector instructions.
"""

from functools import partial

import numpy as np
from numba import float32, int32, njit, uint32, uint64

from kernels.cpu.compile import njit_kernel
from kernels.series import remainder

SQRT_HALF_BITS = np.float32(0.5**0.5).view(np.int32)
LOG2_E = float32(1 / np.log(2))
LN2_HIGH = float32(355 / 512)  # nine bits of ln 2: times a whole number below 2^15 it is exact
LN2_LOW = float32(np.log(2) - 355 / 512)

# As fdlibm's log1pf has them.
SQRT_2, SQRT_2_LESS_1 = float32(1.414214), float32(0.41421387)
LN2_OF_17_BITS, LN2_REST = float32(90851 / 2**17), float32(9.058001e-06)

njit_elementwise = partial(njit_kernel, error_model="numpy", fastmath={"contract"})
"""Compiles a kernel that calls these functions."""

njit_inlined = njit(
    forceinline=True, no_cfunc_wrapper=True, error_model="numpy", fastmath={"contract"}
)
"""Compiles a function of one element that such a kernel calls."""

njit_exact_inlined = njit(forceinline=True, no_cfunc_wrapper=True, error_model="numpy")
"""The same, for kernels by `njit_exact`: no product is fused with a sum."""

exp_remainder = njit_inlined(remainder)


@njit_inlined
def log(x):
    """ln x for a positive normal x, within 2 in the last place.

    x = 2^k m with sqrt(1/2) <= m < sqrt(2), and for s = (m - 1) / (m + 1), |s| < 0.172,
    ln m = 2 artanh s = 2 (s + s^3/3 + s^5/5 + ...). The terms after s^9 are 4e-10 of the sum.
    """
    bits = np.float32(x).view(np.int32)
    k = (bits - SQRT_HALF_BITS) >> int32(23)
    m = np.int32(bits - (k << int32(23))).view(np.float32)
    s = (m - float32(1)) / (m + float32(1))
    t = s * s
    rest = float32(1 / 5) + t * (float32(1 / 7) + t * float32(1 / 9))
    rest = s * t * (float32(1 / 3) + t * rest)
    return float32(k) * LN2_HIGH + (float32(2) * (s + rest) + float32(k) * LN2_LOW)


@njit_exact_inlined
def log1p(x):
    """ln(1 + x) for 0 <= x <= 1, with the bits of log1pf in the C library (fdlibm, Sun 1993).

    u = 1 + x = 2^k (1 + f) with k = 0 below sqrt(2), else 1. For s = f / (2 + f)
    ln(1 + f) = 2 artanh s = f - (f^2/2 - s (f^2/2 + R)), R = 2 (s^2/3 + s^4/5 + s^6/7 + ...). The
    last four coefficients, fdlibm's, make up for the terms left out. What the rounding of 1 + x has
    cut off adds cut / u.
    """
    u = float32(1) + x
    halved = u >= SQRT_2
    f = x if x < SQRT_2_LESS_1 else (float32(0.5) * u if halved else u) - float32(1)
    cut = x - (u - float32(1)) if u < float32(2) else float32(0)
    high = LN2_OF_17_BITS if halved else float32(0)
    low = LN2_REST + cut / u if halved else float32(0)
    s = f / (float32(2) + f)
    t = s * s
    rest = float32(0.18183573) + t * (float32(0.15313838) + t * float32(0.14798199))
    rest = float32(2 / 7) + t * (float32(0.22222199) + t * rest)
    rest = t * (float32(2 / 3) + t * (float32(2 / 5) + t * rest))
    half = float32(0.5) * f * f
    return high - ((half - (s * (half + rest) + low)) - f)


@njit_inlined
def exp(x):
    """e^x, within 2 in the last place.

    x = k ln 2 + f with |f| <= ln(2) / 2, and e^x = 2^k e^f. The terms of e^f after f^7/7! are 6e-9
    of it. At both ends 2^k is not a normal float32, so it is multiplied in two factors.
    """
    x = float32(-104) if x < float32(-104) else x  # NaN passes
    x = float32(89) if x > float32(89) else x
    k = np.rint(x * LOG2_E)
    f = (x - k * LN2_HIGH) - k * LN2_LOW
    half = int32(k) >> int32(1)
    power = float32(1) + f * (float32(1) + f * exp_remainder(f))
    return power * _power_of_two(half) * _power_of_two(int32(k) - half)


@njit_inlined
def _power_of_two(k):
    return np.int32((k + int32(127)) << int32(23)).view(np.float32)


@njit_inlined
def cos_sin(word):
    """The cosine and sine of 2 pi word / 2^32.

    The angle is a multiple of pi/2, whose factor is the two highest bits, plus an x with
    |x| <= pi/4. The terms after x^8 and x^9 are 3e-8 and 2e-9.
    """
    turned = uint32(word + uint64(2**29))  # an eighth of a turn, so that x has both signs
    quadrant = turned >> uint32(30)
    within = int32(turned & uint32(2**30 - 1)) - int32(2**29)
    x = float32(within) * float32(2 * np.pi * 2.0**-32)
    t = x * x
    cos = float32(1 / 24) + t * (float32(-1 / 720) + t * float32(1 / 40320))
    cos = float32(1) + t * (float32(-1 / 2) + t * cos)
    sin = float32(1 / 120) + t * (float32(-1 / 5040) + t * float32(1 / 362880))
    sin = x + x * t * (float32(-1 / 6) + t * sin)
    if quadrant & uint32(1):
        cos, sin = -sin, cos
    if quadrant & uint32(2):
        cos, sin = -cos, -sin
    return cos, sin
