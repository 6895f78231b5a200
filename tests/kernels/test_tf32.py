"""The arithmetic of tensor cores, by its definition in NumPy: rounding, sums, three products."""

import numpy as np
import pytest

from kernels.cuda.tf32 import A100, H100, multiply_add, nearest, product


def float32(*numbers) -> np.ndarray:
    return np.array(numbers, np.float32)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (1 + 2**-10, 1 + 2**-10),
        (1 + 2**-12, 1),
        (1 + 2**-11, 1 + 2**-10),  # ties go away from zero
        (-1 - 2**-11, -1 - 2**-10),
        (2 - 2**-12, 2),
        (0, 0),
    ],
)
def test_rounding_to_tf32(x, expected):
    assert nearest(float32(x)) == float32(expected)


def test_a_number_is_its_large_part_and_the_rest():
    """The rest is at most half a unit of TF32."""
    x = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    large = nearest(x)
    rest = x - large
    assert (large + rest == x).all()
    assert (abs(rest) <= 2.0**-11 * abs(x)).all()


@pytest.mark.parametrize(
    ("adder", "terms", "c", "expected"),
    [
        (H100, [2**-24], 1, 1),
        (H100, [2**-24] * 3, 1, 1 + 2**-23),  # the nearest would be 1 + 2**-22
        (H100, [-(2**-24)] * 3, -1, -1 - 2**-23),
        (H100, [2**-25] * 4, 1, 1 + 2**-23),
        (A100, [2**-25] * 4, 1, 1),  # below its last bit
        (H100, [2**-26] * 8, 1, 1),
        (H100, [1] * 8, -8, 0),
        (A100, [2**-24, 0, 0, 0, 2**-24], 1, 1),  # four at once, and then the other four
        (H100, [2**-24, 0, 0, 0, 2**-24], 1, 1 + 2**-23),
    ],
)
def test_sums_are_cut_off(adder, terms, c, expected):
    a, b = np.zeros((1, 8), np.float32), np.ones((8, 1), np.float32)
    a[0, : len(terms)] = terms
    assert multiply_add(a, b, float32([c]), adder) == float32(expected)


LENGTHS = [144, 576]
"""Of the sums in convolutions of 3 x 3 from 16 and 64 channels."""

FACTORS = {
    "normal": lambda x: x,
    "after a ReLU": lambda x: np.maximum(x, 0),
    "positive": abs,  # all that is cut off adds up
}


def factors(length: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(length)
    a, b = rng.standard_normal((2, 24, length), np.float32)
    return abs(a) if name == "positive" else a, FACTORS[name](b.T)


def error(y: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """The root of the mean square error, in units of that of the terms and of their number."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(np.sqrt(((y - a @ b) ** 2 / (a**2 @ b**2)).mean()))


def by_multiply_adds(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """In float32, each fused: one rounding."""
    y = np.zeros((len(a), b.shape[1]), np.float32)
    for k in range(len(b)):
        y = (y + np.outer(a[:, k].astype(np.float64), b[k])).astype(np.float32)
    return y


@pytest.mark.parametrize("adder", [A100, H100], ids=["A100", "H100"])
@pytest.mark.parametrize("name", FACTORS)
@pytest.mark.parametrize("length", LENGTHS)
def test_three_products_are_as_exact_as_float32(length, name, adder):
    a, b = factors(length, name)
    of_float32 = error(by_multiply_adds(a, b), a, b)
    assert error(product(a, b, adder=adder), a, b) <= of_float32
    assert error(product(a, b, moved=length, adder=adder), a, b) > 3 * of_float32
    assert error(product(a, b, split=False, adder=adder), a, b) > 20 * of_float32


ERRORS = {
    # float32, one product, three whose sum stays in the tensor core, or leaves it after 32, 16, 8
    64: (1.6e-7, 3.0e-4, 4.9e-7, 2.6e-7, 1.5e-7, 1.1e-7),
    144: (2.2e-7, 2.9e-4, 1.0e-6, 2.5e-7, 1.5e-7, 1.2e-7),
    576: (4.3e-7, 3.0e-4, 4.2e-6, 2.6e-7, 1.8e-7, 1.7e-7),
    1152: (6.6e-7, 3.1e-4, 8.5e-6, 2.7e-7, 2.0e-7, 2.3e-7),
}


@pytest.mark.parametrize("length", ERRORS)
def test_the_errors_in_the_notes(length):
    a, b = factors(length, "normal")
    results = [by_multiply_adds(a, b), product(a, b, split=False)]
    results += [product(a, b, moved=moved) for moved in (length, 32, 16, 8)]
    got = [error(y, a, b) for y in results]
    np.testing.assert_allclose(got, ERRORS[length], rtol=0.05)
