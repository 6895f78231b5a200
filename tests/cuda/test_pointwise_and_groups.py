"""Functions of each element, and normalisation of groups, on CUDA against the definition."""

import numpy as np
import pytest

from tests.cuda import needs_cuda, on_device, to_numpy

needs_cuda()

from kernels import dispatch  # noqa: E402
from kernels.group_norm import cuda as groups_on_cuda  # noqa: E402
from kernels.group_norm import reference as groups_by_definition  # noqa: E402
from kernels.pointwise import cuda, reference  # noqa: E402

ENDS = [0, -0.0, np.inf, -np.inf, np.nan, -87, -90, -103, -200, 88.7, 89, 200, -1e4, 1e4]
X = np.concatenate([ENDS, 30 * np.random.default_rng(0).standard_normal(346)]).astype(np.float32)
ARRAYS = {
    "more than a block": X,
    "one number": X[15:16].reshape(()),
    "nothing": X[:0],
    "images, transposed": X.reshape(3, 4, 5, 6).transpose(0, 3, 1, 2)[::-1],
}
POINTWISE = {
    "bce_with_logits": lambda run, x, y: run.bce_with_logits(x, y),
    "bce_with_logits_grad": lambda run, x, y: run.bce_with_logits_grad(y, x, x),
    "sigmoid": lambda run, x, y: run.sigmoid(x),
    "softplus": lambda run, x, y: run.softplus(x),
    "silu": lambda run, x, y: run.silu(x),
    "silu_grad": lambda run, x, y: run.silu_grad(y, x),
    "leaky_relu": lambda run, x, y: run.leaky_relu(x, 0.2),
    "leaky_relu_grad": lambda run, x, y: run.leaky_relu_grad(y, x, 0.2),
    "relu": lambda run, x, y: run.leaky_relu(x, 0.0),
    "relu_grad": lambda run, x, y: run.leaky_relu_grad(y, run.leaky_relu(x, 0.0), 0.0),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("name", POINTWISE)
def test_functions_of_each_element(name, array):
    x = ARRAYS[array]
    y = np.array(x + 1, order="C")
    expected = POINTWISE[name](reference, x.astype(np.float64), y.astype(np.float64))
    found = POINTWISE[name](cuda, on_device(x), on_device(y))
    assert (found.shape, found.dtype) == (x.shape, np.float32)
    np.testing.assert_allclose(to_numpy(found), expected, rtol=4e-6, atol=1e-6)


SHAPES = [
    # x, groups
    ((3, 8, 5, 6), 4),
    ((2, 6, 1, 1), 1),
    ((5, 12), 2),
    ((1, 3, 700), 3),  # as batch normalisation has it, and more than a number for each thread
    ((2, 4, 0), 2),
    ((0, 4, 3), 2),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the mean of nothing
@pytest.mark.parametrize(("shape", "groups"), SHAPES, ids=str)
@pytest.mark.parametrize("layout", ["as it is", "channels last"])
def test_normalised_groups_and_their_gradients(shape, groups, layout):
    rng = np.random.default_rng(0)
    g, x = rng.standard_normal((2, *shape)).astype(np.float32)
    x += 3
    w, b = rng.standard_normal((2, shape[1])).astype(np.float32)
    if layout == "channels last":
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    calls = {
        "group_norm": (x, w, b),
        "group_norm_input_grad": (g, x, w),
        "group_norm_weight_grad": (g, x),
    }
    for name, arrays in calls.items():
        exact = (array.astype(np.float64) for array in arrays)
        expected = getattr(groups_by_definition, name)(*exact, groups, 1e-5)
        found = getattr(groups_on_cuda, name)(*map(on_device, arrays), groups, 1e-5)
        assert (found.shape, found.dtype) == (expected.shape, np.float32)
        np.testing.assert_allclose(to_numpy(found), expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("shape", [(6, 3), (3, 4, 5, 6), (40, 2, 30)], ids=str)
def test_running_moments(shape):
    rng = np.random.default_rng(0)
    x, mean, var = (3 + rng.standard_normal(s, np.float32) for s in (shape, shape[1], shape[1]))
    expected = [a.astype(float) for a in (x, mean, var)]
    found = [on_device(a) for a in (x, mean, var)]
    groups_by_definition.running_moments(*expected, 0.1)
    groups_on_cuda.running_moments(*found, 0.1)
    for a, b in zip(found, expected):
        np.testing.assert_allclose(to_numpy(a), b, rtol=1e-5)


def test_the_public_functions_choose_them():
    import kernels

    x, w = on_device(np.ones((2, 4, 3), np.float32)), on_device(np.ones(4, np.float32))
    with dispatch.use("cuda"):
        y = kernels.silu(kernels.group_norm(x, w, w, 2, 1e-5))
    np.testing.assert_allclose(to_numpy(y), 1 / (1 + np.exp(-1)), rtol=1e-6)
