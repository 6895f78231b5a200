"""Long sums keep the precision of their numbers, along every axis and in every layout."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

import autograd as ag
import kernels
from autograd import Tensor, grad

LONG = 20_011  # no multiple of any block
LAYOUTS = {
    "C": lambda a: a,
    "Fortran": np.asfortranarray,
    "reversed": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "every other": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "every third row": lambda a: np.repeat(a, 3, axis=0)[::3],
}


def numbers(*shape):
    """Positive and of similar size, so that no errors of a sum cancel."""
    rng = np.random.default_rng(0)
    return rng.uniform(0.1, 0.11, shape).astype(np.float32)


def assert_precise(got, x, axis, keepdims=False):
    expected = x.sum(axis=axis, dtype=np.float64, keepdims=keepdims)
    assert (got.dtype, got.shape) == (x.dtype, expected.shape)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", list(itertools.permutations((LONG, 3, 2))), ids=str)
def test_every_axis_in_every_layout(layout, shape):
    x = LAYOUTS[layout](numbers(*shape))
    for count in range(4):
        for axis in itertools.combinations(range(3), count):
            for keepdims in (False, True):
                assert_precise(kernels.total(x, axis, keepdims), x, axis, keepdims)
    assert_precise(kernels.total(x), x, None)


@pytest.mark.parametrize("rows", [*range(1, 6), 31, 32, 33, 128, 129, 160, 4095, 4096, 4128])
@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_every_length(rows, order):
    """As images, of one channel and of several."""
    for channels, images in itertools.product((1, 7), (1, 3)):
        x = numbers(*(np.array([images, channels, 1, rows])[list(order)])).transpose(order)
        for axis in (0, -1, (0, 2, 3), (1,), None):
            assert_precise(kernels.total(x, axis), x, axis)


def test_the_parts_of_an_equal_sum_are_equal():
    """Equal numbers are the worst case: all are rounded in the same direction."""
    for value in np.float32([0.1, 1 / 3, 1e-6, 7.7]):
        assert_precise(kernels.total(np.full((10**6, 2), value), 0), np.full((10**6, 2), value), 0)


def test_other_dtypes_and_empty_arrays():
    flags = np.ones((300, 2), bool)
    np.testing.assert_array_equal(kernels.total(flags, 0), [300, 300])
    assert kernels.total(np.zeros((0, 300), np.float32), 0).tolist() == [0] * 300
    assert kernels.total(np.zeros((300, 0), np.float32), 0).shape == (0,)
    x = np.ones((2, 1, 300), np.float32)
    assert not any(np.shares_memory(kernels.total(x, axis), x) for axis in (1, (), (0, 1)))


@pytest.mark.parametrize(
    "f",
    [
        lambda b: (np.ones((10**6, 2), np.float32) + b).mean(axis=0).sum(),
        lambda b: (np.ones((2, 1000, 1000, 2), np.float32) * b).mean(axis=(1, 2)).sum() / 2,
        lambda b: ag.linear(np.ones((10**6, 1), np.float32), np.ones((2, 1), "f"), b).sum() / 1e6,
        lambda b: (
            ag.conv2d(np.ones((10, 1, 300, 300), np.float32), np.ones((2, 1, 1, 1), "f"), b).sum()
            / (10 * 300 * 300)
        ),
        lambda b: ag.getitem(b, index=np.arange(10**6) % 2).sum() / 5e5,
    ],
    ids=["mean", "mean in the middle", "linear", "conv2d", "the same elements, often"],
)
def test_the_gradient_of_a_value_that_many_rows_use(f):
    b = Tensor(np.ones(2, np.float32), requires_grad=True)
    g = grad(f(b), b)
    assert g.dtype == np.float32
    np.testing.assert_allclose(g.numpy(), [1, 1], rtol=1e-6)


@pytest.mark.parametrize("name", ["logsumexp", "norm", "mean", "var"])
def test_functions_that_contain_sums(name):
    f, x = getattr(ag, name), numbers(LONG, 3)
    np.testing.assert_allclose(f(x, axis=0), f(x.astype(np.float64), axis=0), rtol=1e-6)


def test_the_bias_of_a_group_and_its_weight_by_the_definition():
    g, x = numbers(LONG, 2, 1), np.random.default_rng(1).random((LONG, 2, 3), np.float32)
    expected = g.sum(axis=(0, 2), dtype=np.float64)
    np.testing.assert_allclose(ag.sum_by_channel(g), expected, rtol=1e-6)
    with kernels.use("reference"):
        wide = [a.astype(np.float64) for a in (np.repeat(g, 3, axis=2), x)]
        exact = kernels.group_norm_weight_grad(*wide, 1, 1e-5)
        got = kernels.group_norm_weight_grad(np.repeat(g, 3, axis=2), x, 1, 1e-5)
    scale = np.abs(wide[0]).sum(axis=(0, 2))
    np.testing.assert_allclose(got / scale, exact / scale, atol=1e-7)


PROGRAM = """
import numpy as np, kernels
x = np.random.default_rng(0).random((50, 32, 40, 41), np.float32)
for axis in (0, 1, (0, 2, 3), (1, 2), None):
    print(kernels.total(x, axis).sum(dtype=np.float64).hex(), end=" ")
"""


def test_the_same_bits_on_one_core_and_on_two():
    def printed(cores):
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
        environment = os.environ | dict.fromkeys(names, cores)
        program = [sys.executable, "-c", PROGRAM]
        return subprocess.run(program, capture_output=True, env=environment, check=True).stdout

    assert printed("1") == printed("2")
