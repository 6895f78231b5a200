"""What the compilers make of the sampling kernels: a failure costs speed, not correctness."""

import numpy as np
import pytest
from numba import float32, uint64

from tests.ptx.compiling import ARCHITECTURES, Launch, compiled, launches

# isort: split
# After `compiling`, which skips this file where there are no compilers.
from kernels.reparameterize import cuda as implementation

Z, KL = np.zeros((128, 32), np.float32), np.zeros(128, np.float32)
(FORWARD,) = launches(implementation.reparameterize, Z, Z, 1, 2, Z.copy(), KL.copy())
(GRAD,) = launches(implementation.reparameterize_logvar_grad, Z, KL, Z, 1, 2)
NORMAL = Launch(implementation._normal, (float32[::1], uint64[::1], uint64), (1,), (256,))

# With 64 registers a multiprocessor has 1,024 threads at work at a time, with 32 all its 2,048.
BUDGETS = {
    # registers, bytes of shared memory (a float32 of each thread), 128-bit loads
    "forward": (FORWARD, 64, 4 * implementation.THREADS, 2),
    "logvar_grad": (GRAD, 32, 0, 2),
    "normal": (NORMAL, 32, 0, 0),
}


@pytest.mark.parametrize("cc", ARCHITECTURES, ids=lambda cc: f"sm_{cc[0]}{cc[1]}")
@pytest.mark.parametrize("kernel", BUDGETS)
def test_budgets(kernel, cc):
    launch, registers, shared, loads = BUDGETS[kernel]
    report = compiled(launch.kernel, launch.signature, cc)
    assert report.registers <= registers
    assert report.spill_bytes == report.stack_bytes == 0
    assert report.shared_bytes == shared
    assert report.count(r"ld\.global\.v4\.[fb]32") == loads
    assert report.count(r"st\.global\.v4\.[fb]32") == 1
    assert report.count(r"\.f64") == 0  # nothing is in double precision unseen
    assert report.count(r"lg2\.approx") == 0  # that log would be wrong for u near 1


@pytest.mark.parametrize(
    ("rows", "columns", "grid", "block"),
    [
        (128, 32, 4, (8, 32)),
        (128, 1, 1, (1, 256)),
        (3, 20, 1, (8, 32)),
        (10, 3136, 10, (256, 1)),
        (10**8, 1, 390_625, (1, 256)),
    ],
)
def test_a_row_has_a_power_of_two_of_threads(rows, columns, grid, block):
    assert implementation._geometry(rows, columns) == (grid, block)
