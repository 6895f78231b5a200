"""What the compilers make of the weight gradient's kernel: a failure costs speed only."""

import numpy as np
import pytest

from tests.ptx.compiling import ARCHITECTURES, compiled, launches

# isort: split
# After `compiling`, which skips this file where there are no compilers.
from kernels.conv2d.cuda.weight_grad import BLOCKS, STAGES, conv2d_weight_grad


def started(channels: int, out_channels: int, size: int = 28):
    """The one launch, for a 3x3 kernel and a batch of 128."""
    x = np.broadcast_to(np.float32(0), (128, channels, size, size))
    g = np.broadcast_to(np.float32(0), (128, out_channels, size, size))
    (launch,) = launches(conv2d_weight_grad, x, g, (3, 3), (1, 1), (1, 1), (1, 1))
    return launch


CASES = {
    # channels of x and g, rows and columns of the tile, registers
    "64 to 64": (64, 64, 64, 64, 128),
    "64 to 32": (64, 32, 32, 64, 112),
    "1 to 64": (1, 64, 64, 32, 112),
    "1 to 32": (1, 32, 32, 32, 96),
}


@pytest.mark.parametrize("cc", ARCHITECTURES, ids=lambda cc: f"sm_{cc[0]}{cc[1]}")
@pytest.mark.parametrize("name", CASES)
def test_budgets_of_the_product(name, cc):
    channels, out_channels, rows, columns, registers = CASES[name]
    launch = started(channels, out_channels)
    report = compiled(launch.kernel, launch.signature, cc)
    assert report.registers <= registers <= 65536 // (BLOCKS * launch.block[0])
    assert report.spill_bytes == report.stack_bytes == 0
    assert report.shared_bytes == 4 * STAGES * 8 * (rows + 4 + columns + 4)
    assert set(report.shared_alignments) == {16}
    # A step is written out: 8 pixels, for each of which a thread loads fours and multiplies.
    thread_rows, thread_columns = rows // 8, columns // 8
    assert report.wide_shared_loads == 8 * (thread_rows + thread_columns) // 4
    assert report.scalar_shared_loads == 0
    assert report.fused_multiply_adds == 8 * thread_rows * thread_columns
    assert report.count(r"cp\.async\.ca") == thread_rows + thread_columns
    fours = thread_rows * thread_columns // 4  # of its part of a shared sum
    assert report.count(r"st\.global\.v4") == report.count(r"ld\.global\.v4") == fours
    assert report.count(r"atom\.") == 1
    assert report.count(r"\.f64") == 0


@pytest.mark.parametrize(
    ("channels", "out_channels", "size"),
    [(1, 64, 28), (32, 64, 28), (64, 64, 14), (128, 128, 14), (128, 128, 7), (2048, 2048, 7)],
)
def test_the_blocks_fill_the_device_at_most_once(channels, out_channels, size):
    launch = started(channels, out_channels, size)
    full = 132 * BLOCKS
    assert full / 2 < np.prod(launch.grid) <= full or launch.grid[2] == 1
