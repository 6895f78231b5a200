"""What the cores share: every number once, and an error of a kernel is Python's."""

import numpy as np
import pytest

from kernels.cpu import threads
from kernels.cpu.compile import njit_kernel


@njit_kernel
def count_up(x, scratch, start, stop):
    np.empty(scratch, x.dtype)[0] = 0
    for i in range(start, stop):
        x[i] += i


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_each_number_has_one_core_and_a_lack_of_memory_is_reported(cores, monkeypatch):
    monkeypatch.setattr(threads, "CORES", cores)
    for count in (0, 1, 2, 7):
        x = np.zeros(7, np.float32)
        threads.run(count_up, count, x, 4)
        np.testing.assert_array_equal(x, [i if i < count else 0 for i in range(7)])
    with pytest.raises(MemoryError, match="a kernel found no memory"):
        threads.run(count_up, 7, x, 2**60)
