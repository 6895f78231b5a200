"""TF32, and the arithmetic of a tensor core on it: the definition, in NumPy.

TF32 is float32 with 10 bits of mantissa instead of 23. `mma.sync` reads float32 registers and
ignores the lower 13 bits. It multiplies exactly, but it adds as a fixed-point adder does: some
products and the sum so far are shifted to the exponent of the largest, and what is below the
adder's last bit is cut off, and so is the result to float32. NVIDIA doesn't document this. It has
been found by experiments (Fasi, Higham, Mikaitis & Pranesh 2021, "Numerical behavior of NVIDIA
tensor cores"), and two models of it agree with the hardware in every bit (Khattak & Mikaitis 2025,
"Accurate Models of NVIDIA Tensor Cores"; Xie et al. 2025, "MMA-Sim: Bit-Accurate Reference Model of
Tensor Cores and Matrix Cores").
"""

from typing import NamedTuple

import numpy as np


class Adder(NamedTuple):
    """Adds `products` at once to a sum, with `bits` after the point of the largest of these."""

    products: int
    bits: int


A100, H100 = Adder(4, 24), Adder(8, 25)


def nearest(x: np.ndarray) -> np.ndarray:
    """The nearest TF32 of each float32; ties go away from zero."""
    return _upper_bits(x.view(np.uint32) + np.uint32(0x1000))


def _upper_bits(bits: np.ndarray) -> np.ndarray:
    return (bits & np.uint32(0xFFFFE000)).view(np.float32)


def multiply_add(a: np.ndarray, b: np.ndarray, c: np.ndarray, adder: Adder = H100) -> np.ndarray:
    """c (m, n) + a (m, k) b (k, n) as `mma.sync` adds it; all float32, not subnormal."""
    a, b = (_upper_bits(x.view(np.uint32)).astype(np.float64) for x in (a.T, b))
    for k in range(0, len(b), adder.products):
        left, right = a[k : k + adder.products, :, None], b[k : k + adder.products, None, :]
        terms = np.concatenate([left * right, c[None]])
        exponents = np.concatenate([_exponent(left) + _exponent(right), _exponent(c[None])])
        largest = exponents.max(axis=0, where=terms != 0, initial=-300)
        unit = np.ldexp(1.0, largest - adder.bits)
        c = _towards_zero(np.trunc(terms / unit).sum(axis=0) * unit)
    return c


def _exponent(x: np.ndarray) -> np.ndarray:
    return np.frexp(x)[1] - 1


def _towards_zero(x: np.ndarray) -> np.ndarray:
    rounded = x.astype(np.float32)
    return np.where(abs(rounded) > abs(x), np.nextafter(rounded, np.float32(0)), rounded)


def product(
    a: np.ndarray, b: np.ndarray, split: bool = True, moved: int = 8, adder: Adder = H100
) -> np.ndarray:
    """a (m, k) b (k, n) on a tensor core: as `conv2d/cuda/tensor_cores.py` does it, by default.

    split: in three products, of large parts and rests, else in one. moved: the terms after which
    the sum leaves the tensor core, to be added by float32.
    """
    large_a, large_b = nearest(a), nearest(b)
    pairs = [(large_a, large_b)]
    if split:
        pairs = [(a - large_a, large_b), (large_a, b - large_b), *pairs]
    total = sums = zeros = np.zeros((len(a), b.shape[1]), np.float32)
    for k in range(0, len(b), 8):
        for x, y in pairs:
            sums = multiply_add(x[:, k : k + 8], y[k : k + 8], sums, adder)
        if (k + 8) % moved == 0:
            total, sums = total + sums, zeros
    return total + sums
