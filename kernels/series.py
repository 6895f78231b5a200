"""e^v - 1 - v near 0, where the differences would cancel."""

from numba import float32

NEAR_0 = float32(0.5)


def remainder(v):
    """(e^v - 1 - v) / v^2 for |v| <= NEAR_0, in float32; the terms after v^7/7! are 8e-7 of it.

    Numba compiles this for the CPU and for CUDA.
    """
    rest = float32(1 / 120) + v * (float32(1 / 720) + v * float32(1 / 5040))
    return float32(1 / 2) + v * (float32(1 / 6) + v * (float32(1 / 24) + v * rest))
