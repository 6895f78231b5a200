"""A sum that the blocks of a kernel share."""

import numpy as np
import pytest

from tests.cuda import needs_cuda, on_device, to_numpy

needs_cuda()

from numba import cuda, float32, uint32  # noqa: E402

from kernels.cuda.launch import launch  # noqa: E402
from kernels.cuda.shared_sum import ARITY, room_for_parts, shared_sum  # noqa: E402

THREADS, ROWS, COLUMNS = 2, 2, 4
add_up = shared_sum(THREADS, ROWS, COLUMNS)


@cuda.jit
def kernel(x, y, times, parts, counters):
    """y[tile] is the sum of x[tile] over the blocks, and times[tile] how many wrote it."""
    total = cuda.local.array((ROWS, COLUMNS), float32)
    tile, split, thread = cuda.blockIdx.x, cuda.blockIdx.y, cuda.threadIdx.x
    for r in range(ROWS):
        for c in range(COLUMNS):
            total[r, c] = x[tile, split, thread, r, c]
    if add_up(total, parts, counters, uint32(tile), uint32(split), uint32(cuda.gridDim.y)):
        for r in range(ROWS):
            for c in range(COLUMNS):
                y[tile, thread, r, c] = total[r, c]
        if thread == 0:
            times[tile] += 1


@pytest.mark.parametrize(
    ("tiles", "splits"), [(2, 1), (3, 2), (2, ARITY), (2, ARITY + 1), (1, ARITY**2 + 1)]
)
def test_the_last_block_has_the_sum(tiles, splits):
    x = np.random.default_rng(0).standard_normal((tiles, splits, THREADS, ROWS, COLUMNS))
    given, times = on_device(x.astype(np.float32)), on_device(np.zeros(tiles, np.int32))
    parts, counters = room_for_parts(given, tiles, x[0, 0].size, splits)
    found = []
    for _ in range(2):
        y = on_device(np.zeros(x[:, 0].shape, np.float32))
        launch(kernel, (tiles, splits), THREADS, given, y, times, parts, counters)
        found.append(to_numpy(y))
    np.testing.assert_allclose(found[0], x.sum(axis=1), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(*found)
    assert (to_numpy(times) == 2).all()
    assert not to_numpy(counters).any()  # ready for the next kernel
