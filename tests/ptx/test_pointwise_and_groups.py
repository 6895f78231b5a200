"""What the compilers make of the functions of each element and of normalisation."""

import numpy as np
import pytest

from tests.ptx.compiling import ARCHITECTURES, compiled, launches

# isort: split
# After `compiling`, which skips this file where there are no compilers.
from kernels.group_norm import cuda as groups
from kernels.logsumexp import cuda as exponentials
from kernels.pointwise import cuda as pointwise

X = np.zeros((2, 8, 28, 28), np.float32)
W = np.zeros(8, np.float32)
SUMS = 4 * groups.MAX_THREADS

CALLS = {
    # what starts the kernel, its registers and its shared memory in bytes
    "sigmoid": (lambda: pointwise.sigmoid(X), 16, 0),
    "softplus": (lambda: pointwise.softplus(X), 24, 0),
    "silu": (lambda: pointwise.silu(X), 16, 0),
    "silu_grad": (lambda: pointwise.silu_grad(X, X), 16, 0),
    "leaky_relu": (lambda: pointwise.leaky_relu(X, 0.2), 16, 0),
    "leaky_relu_grad": (lambda: pointwise.leaky_relu_grad(X, X, 0.2), 16, 0),
    "logsumexp": (lambda: exponentials.logsumexp(X, 1, True), 32, 4 * exponentials.MAX_THREADS),
    "group_norm": (lambda: groups.group_norm(X, W, W, 4, 1e-5), 40, SUMS),
    "its input's": (lambda: groups.group_norm_input_grad(X, X, W, 4, 1e-5), 40, SUMS),
    "running moments": (lambda: groups.running_moments(X, W, W, 0.1), 40, SUMS),
    "its weight's": (lambda: groups.group_norm_weight_grad(X, X, 4, 1e-5), 40, SUMS),
}


@pytest.mark.parametrize("cc", ARCHITECTURES, ids=lambda cc: f"sm_{cc[0]}{cc[1]}")
@pytest.mark.parametrize("name", CALLS)
def test_budgets(name, cc):
    """40 registers leave room for the 2,048 threads of a multiprocessor, but for a fifth."""
    call, registers, shared_bytes = CALLS[name]
    with np.errstate(all="ignore"):  # sums are added that nothing has computed
        (launch,) = launches(call)
    report = compiled(launch.kernel, launch.signature, cc)
    assert report.registers <= registers
    assert report.spill_bytes == report.stack_bytes == 0
    assert report.shared_bytes == shared_bytes
    assert report.count(r"\.f64") == 0
