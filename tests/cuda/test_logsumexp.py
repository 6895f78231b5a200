"""The logarithm of a sum of exponentials on CUDA against the definition."""

import numpy as np
import pytest

from tests.cuda import needs_cuda, on_device, to_numpy

needs_cuda()

from kernels.logsumexp import cuda, reference  # noqa: E402

ENDS = [[-np.inf] * 4, [np.inf, 1, 2, 3], [np.nan, 1, 2, 3], [-np.inf, 1, 2, 3], [1e4, -1e4, 0, 0]]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("shape", "axis"), [((5, 4), -1), ((2, 70, 3), 1), ((3, 4, 2), (0, 2)), ((5,), None)], ids=str
)
def test_it_is_the_definition(shape, axis):
    x = 30 * np.random.default_rng(0).standard_normal(shape, np.float32)
    if shape == (5, 4):
        x = np.float32(ENDS)
    for keepdims in (False, True):
        expected = reference.logsumexp(x.astype(float), axis, keepdims)
        found = cuda.logsumexp(on_device(x), axis, keepdims)
        assert (found.shape, found.dtype) == (expected.shape, np.float32)
        np.testing.assert_allclose(to_numpy(found), expected, rtol=1e-6)
