"""What the compilers make of the kernels of the optimisers."""

import numpy as np
import pytest

from tests.ptx.compiling import ARCHITECTURES, compiled, launches

# isort: split
# After `compiling`, which skips this file where there are no compilers.
from kernels.optimizer import cuda as implementation

ARRAYS = [np.zeros((128, 32), np.float32), np.zeros(40, np.float32)]
NUMBERS = np.zeros(3)
CLIPPING = launches(implementation.clip, ARRAYS, 1.0)
BUDGETS = {
    # loads and stores of float32, bytes of shared memory; the loop of squares is four in one
    "sgd": (*launches(implementation.sgd, *[ARRAYS] * 3, NUMBERS, 0.9), 3, 2, 0),
    "rmsprop": (*launches(implementation.rmsprop, *[ARRAYS] * 3, NUMBERS, 0.9, 1e-8), 3, 2, 0),
    "adam": (*launches(implementation.adam, *[ARRAYS] * 4, NUMBERS, 0.9, 0.999, 1e-8), 4, 3, 0),
    "average": (*launches(implementation.average, *[ARRAYS] * 2, NUMBERS), 2, 1, 0),
    "squares": (CLIPPING[0], 5, 0, 8 * implementation.THREADS),
    "finish": (CLIPPING[1], 0, 0, 8 * implementation.THREADS),
    "scale": (CLIPPING[2], 1, 1, 0),
}


@pytest.mark.parametrize("cc", ARCHITECTURES, ids=lambda cc: f"sm_{cc[0]}{cc[1]}")
@pytest.mark.parametrize("kernel", BUDGETS)
def test_budgets(kernel, cc):
    """With 32 registers a multiprocessor has all its 2,048 threads, whose loads hide each other."""
    launch, loads, stores, shared = BUDGETS[kernel]
    report = compiled(launch.kernel, launch.signature, cc)
    assert report.registers <= 32
    assert report.spill_bytes == report.stack_bytes == 0
    assert report.shared_bytes == shared
    assert report.count(r"ld(\.global)?\.f32") == loads
    assert report.count(r"st(\.global)?\.f32") == stores


@pytest.mark.parametrize(("parameters", "grids"), [(1, [(16, 1)]), (18, [(16, 16), (16, 2)])])
def test_a_row_of_blocks_for_each_parameter(parameters, grids):
    found = launches(implementation.adam, *[ARRAYS[:1] * parameters] * 4, NUMBERS, 0.9, 0.99, 1e-8)
    assert [launch.grid for launch in found] == grids
    assert len({launch.signature for launch in found}) == 1  # it is compiled once
