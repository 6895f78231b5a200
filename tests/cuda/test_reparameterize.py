"""The sampling kernels on CUDA against the definition."""

import numpy as np
import pytest
from numba import cuda

from tests.cuda import needs_cuda, on_device, to_numpy

needs_cuda()

from kernels import dispatch  # noqa: E402
from kernels.cuda.launch import launch  # noqa: E402
from kernels.reparameterize import cuda as implementation  # noqa: E402
from kernels.reparameterize import (  # noqa: E402
    normal,
    reference,
    reparameterize,
    reparameterize_logvar_grad,
)
from kernels.reparameterize.philox import philox  # noqa: E402

FLOAT = np.dtype(np.float32)
CLOSE = {"atol": 1e-5, "rtol": 1e-5}

# Rows that are a Philox block or two, that share blocks with their neighbours, that fill a thread
# block, and that are longer than one; few rows, and more than a thread block has; one row alone.
SHAPES = [(5, 4), (9, 8), (7, 1), (5, 3), (3, 2, 5), (70, 20), (3, 50), (2, 1024), (2, 1031), (37,)]
NUMBERS = [(0, 0), (2**40 + 3, 2**33 + 5), (2**64 - 1, 2**63)]


def arrays(*shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape, np.float32) for shape in shapes]


@pytest.mark.parametrize(("seed", "offset"), NUMBERS)
def test_the_words_are_equal_to_the_bit(seed, offset):
    blocks = np.array([0, 1, 2**31, 2**32 - 1, 2**32, 2**62], np.uint64)
    words = on_device(np.zeros((len(blocks), 4), np.uint64))

    @cuda.jit
    def write(blocks, offset, seed, words):
        i = cuda.threadIdx.x
        words[i, 0], words[i, 1], words[i, 2], words[i, 3] = implementation._philox(
            blocks[i], offset, seed
        )

    launch(write, 1, len(blocks), on_device(blocks), np.uint64(offset), np.uint64(seed), words)
    expected = np.stack(philox(blocks, np.uint64(offset), np.uint64(seed)), axis=1)
    assert np.array_equal(to_numpy(words), expected)


@pytest.mark.parametrize("count", [0, 1, 4, 1023, 1030])
def test_normals(count):
    for seed, offset in NUMBERS:
        eps = to_numpy(implementation.normal((count,), seed, offset, FLOAT))
        np.testing.assert_allclose(eps, reference.normal((count,), seed, offset, FLOAT), **CLOSE)


def check(mu, logvar, g_z, g_kl, z, kl, seed=2**40 + 3, offset=2**33 + 5):
    """Both kernels on these arrays of the device, which may be views of others."""
    expected_z, expected_kl = np.empty(mu.shape, np.float32), np.empty(kl.shape, np.float32)
    in_numpy = [to_numpy(array) for array in (mu, logvar, g_z, g_kl)]
    reference.reparameterize(*in_numpy[:2], seed, offset, expected_z, expected_kl)
    expected_grad = reference.reparameterize_logvar_grad(*in_numpy[2:], in_numpy[1], seed, offset)

    implementation.reparameterize(mu, logvar, seed, offset, z, kl)
    grad = implementation.reparameterize_logvar_grad(g_z, g_kl, logvar, seed, offset)
    np.testing.assert_allclose(to_numpy(z), expected_z, **CLOSE)
    np.testing.assert_allclose(to_numpy(kl), expected_kl, **CLOSE)
    np.testing.assert_allclose(to_numpy(grad), expected_grad, **CLOSE)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sampling_and_its_gradient(shape):
    z, kl = np.full(shape, np.nan, np.float32), np.full(shape[:-1], np.nan, np.float32)
    inputs = arrays(shape, shape, shape, shape[:-1])
    check(*map(on_device, inputs), on_device(z), on_device(kl))


@pytest.mark.parametrize("spread", [1e-7, 1e-3, 0.4, 3])
def test_the_kl_of_a_collapsed_posterior_does_not_cancel(spread):
    mu, logvar = (spread * array for array in arrays((5, 8), (5, 8)))
    kl, on = np.empty(5, np.float32), np.ones(5, np.float32)
    expected_kl, z = np.empty(5, np.float64), np.empty((5, 8), np.float64)
    reference.reparameterize(mu.astype(float), logvar.astype(float), 0, 0, z, expected_kl)
    z, kl, on, mu, logvar = map(on_device, (z.astype(np.float32), kl, on, mu, logvar))
    implementation.reparameterize(mu, logvar, 0, 0, z, kl)
    np.testing.assert_allclose(to_numpy(kl), expected_kl, rtol=1e-5)
    gradient = implementation.reparameterize_logvar_grad(0 * mu, on, logvar, 0, 0)
    expected = np.expm1(to_numpy(logvar).astype(float)) / 2
    np.testing.assert_allclose(to_numpy(gradient), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0,)])
def test_nothing_to_sample(shape):
    inputs = arrays(shape, shape, shape, shape[:-1])
    z, kl = np.empty(shape, np.float32), np.ones(shape[:-1], np.float32)
    check(*map(on_device, inputs), on_device(z), on_device(kl))


def test_slices_and_strides():
    """A slice that begins between two multiples of 16 bytes, and rows that do not follow."""
    (whole,) = map(on_device, arrays((8, 41)))
    shape = (4, 8)
    slid = [whole.reshape(-1)[k : k + 32].reshape(shape) for k in (1, 2, 3)]
    aligned = [implementation._aligned(array.reshape(-1)) for array in (whole, *slid)]
    assert aligned == [True, False, False, False]
    g_kl, kl = (on_device(np.zeros(4, np.float32)) for _ in range(2))
    z = on_device(np.zeros(40, np.float32))[1:33].reshape(shape)
    check(*slid, g_kl + 1, z, kl)
    check(whole[::-2, 9:1:-1], whole[::2, 16:8:-1], whole[:4, ::5][:, :8], g_kl + 2, z, kl)


def test_the_public_functions_choose_it():
    mu, logvar, g_kl = map(on_device, arrays((3, 6), (3, 6), (3,)))
    with dispatch.use("cuda"):
        z, kl = reparameterize(mu, logvar, 5)
        grad = reparameterize_logvar_grad(z, g_kl, logvar, 5)
        eps = normal(z.shape, 5, like=z)
    expected = reference.normal((3, 6), 5, 0, FLOAT)
    np.testing.assert_allclose(to_numpy(eps), expected, **CLOSE)
    np.testing.assert_allclose(
        to_numpy(z), to_numpy(mu) + np.exp(to_numpy(logvar) / 2) * expected, **CLOSE
    )
    assert {type(array) for array in (z, kl, grad, eps)} == {type(mu)}
