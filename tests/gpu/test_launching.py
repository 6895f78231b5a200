"""Kernels that are started by hand, on a real GPU: the bits that Numba's launch gives."""

import numpy as np
import pytest

from kernels.conv2d import cuda as convolution
from kernels.cuda import launch
from kernels.group_norm import cuda as groups
from kernels.logsumexp import cuda as exponentials
from kernels.optimizer import cuda as optimizer
from kernels.pointwise import cuda as pointwise
from kernels.reparameterize import cuda as sampling
from tests.gpu.real import module as cupy

OPTIONS = (1, 1), (1, 1), (1, 1)


def normal(*shape):
    """The same numbers for the same shape."""
    return cupy.asarray(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


def sample():
    z, kl = normal(9, 10), normal(9)
    sampling.reparameterize(normal(9, 10), normal(9, 10), 2**63, 2, z, kl)
    return z, kl


def adam():
    lists = [[abs(normal(n)) for n in range(1, 20)] for _ in range(4)]  # two launches
    optimizer.adam(*lists, cupy.asarray([1e-3, 0.9, 1.0]), 0.9, 0.999, 1e-8)
    return *lists[0], *lists[2], *lists[3]


def clip():
    return optimizer.clip([normal(300), normal(4, 5)], 1.0)[0]


X, W, B = (normal(*shape) for shape in ((4, 32, 7, 7), (32, 32, 3, 3), (32,)))
CALLS = {
    "implicit gemm": lambda: [convolution.conv2d(X, W, *OPTIONS, B)],
    "direct": lambda: [convolution.conv2d(X[:, :1], W[:, :1], *OPTIONS, B)],
    "weight_grad": lambda: [convolution.conv2d_weight_grad(X, X, (3, 3), *OPTIONS)],
    "sampling": sample,
    "adam": adam,
    "clip": clip,
    "group norm": lambda: [groups.group_norm(X, B, B, 4, 1e-5)],
    "strided": lambda: groups.running_moments(X, normal(32, 2)[:, 0], normal(32, 2)[:, 1], 0.1),
    "leaky relu": lambda: [pointwise.leaky_relu(X, 0.2)],
    "logsumexp": lambda: [exponentials.logsumexp(X, 1, True)],
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_by_hand_and_by_numba(call, monkeypatch):
    found = []
    for by_hand in (True, False, True):
        monkeypatch.setattr(launch, "BY_HAND", by_hand)
        found.append([array.get() for array in call()])
    for arrays in found[1:]:
        for one, other in zip(found[0], arrays, strict=True):
            assert np.isfinite(one).all()
            np.testing.assert_array_equal(one, other)


def test_a_launch_can_be_captured_in_a_graph():
    x, y = normal(1000), cupy.zeros(1000, np.float32)
    expected = pointwise.silu(x).get()
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        launch.launch(pointwise._silu, 4, 256, x, y)  # loads the kernel
        y.fill(0)
        stream.begin_capture()
        launch.launch(pointwise._silu, 4, 256, x, y)
        graph = stream.end_capture()
        assert not y.any()
        graph.launch(stream)
        stream.synchronize()
    np.testing.assert_array_equal(y.get(), expected)
