"""What the compilers make of the convolution kernels: a failure costs speed, not correctness."""

from dataclasses import dataclass

import numpy as np
import pytest

from tests.ptx.compiling import ARCHITECTURES, Launch, compiled, launches

# isort: split
# After `compiling`, which skips this file where there are no compilers.
from kernels.conv2d import cuda
from kernels.conv2d.cuda import ladder
from kernels.conv2d.cuda.implicit_gemm import implicit_gemm_kernel
from kernels.conv2d.cuda.tile import TILES

OPTIONS = (1, 1), (1, 1), (1, 1)


def empty(*shape: int) -> np.ndarray:
    return np.empty(shape, np.float32)


def of_3x3(run, out_channels: int, size: int = 28) -> list[Launch]:
    return launches(run, empty(128, 64, size, size), empty(out_channels, 64, 3, 3), *OPTIONS)


@dataclass(frozen=True)
class Budget:
    """Registers at most; bytes of shared memory; multiply-adds for each load from there, if any.

    And products of a warp, on tensor cores.
    """

    launch: Launch
    registers: int
    shared_bytes: int = 0
    wide_loads: int = 0
    scalar_loads: int = 0
    multiply_adds: int | None = None
    products: int = 0


# A multiprocessor has 65,536 registers: 128 for each of 512 threads. The loads and multiply-adds
# are those of the main loop as far as it is unrolled: nothing else in the kernel has any. Four
# loads of four, and 64 multiply-adds, are the product of 8 weights and 8 pixels. On tensor cores
# four loads, and 24 products of a warp, are that of 32 weights and 32 pixels, for 8 terms each.
BUDGETS = {
    "naive": Budget(of_3x3(ladder.naive, 64)[0], 32),
    "coalesced": Budget(of_3x3(ladder.coalesced, 64)[0], 32),
    "shared tile": Budget(of_3x3(ladder.shared_tile, 64)[0], 40, 2 * 16**2 * 4, 0, 32, 16),
    "thread tile": Budget(of_3x3(ladder.thread_tile, 64)[0], 112, 2 * 64 * 8 * 4, 4, 0, 64),
    "pipelined, 128 x 128": Budget(of_3x3(cuda.conv2d, 128)[1], 128, 49_152, 64, 0, 1024),
    "pipelined, 64 x 128": Budget(of_3x3(cuda.conv2d, 64)[1], 128, 36_864, 64, 0, 1024),
    "pipelined, 32 x 64": Budget(of_3x3(cuda.conv2d, 32)[1], 128, 12_288, 64, 0, 1024),
    "tensor cores, 64 x 128": Budget(of_3x3(ladder.tensor_cores, 64)[1], 120, 39_936, 8, 0, 0, 48),
    "tensor cores, 32 x 128": Budget(of_3x3(ladder.tensor_cores, 32)[1], 144, 33_792, 8, 0, 0, 48),
    "packed weights": Budget(of_3x3(cuda.conv2d, 128)[0], 24),
}


@pytest.mark.parametrize("cc", ARCHITECTURES, ids=lambda cc: f"sm_{cc[0]}{cc[1]}")
@pytest.mark.parametrize("kernel", BUDGETS)
def test_budgets(kernel, cc):
    budget = BUDGETS[kernel]
    report = compiled(budget.launch.kernel, budget.launch.signature, cc)
    assert report.registers <= budget.registers
    assert report.spill_bytes == report.stack_bytes == 0
    assert report.shared_bytes == budget.shared_bytes
    assert report.wide_shared_loads == budget.wide_loads
    assert report.scalar_shared_loads == budget.scalar_loads
    if budget.multiply_adds is not None:
        assert report.fused_multiply_adds == budget.multiply_adds
    assert report.count(r"mma\.sync\.aligned\.m16n8k8\S*\.tf32") == budget.products
    if budget.wide_loads:
        assert set(report.shared_alignments) == {16}
    assert report.count(r"\.f64") == 0  # nothing is in double precision unseen


def test_tiles_are_chosen_by_the_channels_they_make():
    shapes = {8: 32, 32: 32, 64: 64, 96: 32, 100: 128, 128: 128, 160: 32, 256: 128}
    for channels, expected in shapes.items():
        launch = of_3x3(cuda.conv2d, channels)[1]
        tile = next(tile for tile in TILES if tile.channels == expected)
        assert launch.kernel is implicit_gemm_kernel(tile)
        assert launch.block == (tile.threads,)


@pytest.mark.parametrize("stride", [(1, 1), (2, 2)], ids=str)
def test_the_gradient_of_the_input_is_the_kernel_of_the_convolution(stride):
    """Tested above, and compiled once for all shapes and strides."""
    size = 28 // stride[0]
    g, w = empty(128, 64, size, size), empty(64, 128, 3, 3)
    launch = launches(cuda.conv2d_input_grad, g, w, (28, 28), stride, (1, 1), (1, 1))[1]
    forward = BUDGETS["pipelined, 128 x 128"].launch
    assert (launch.kernel, launch.signature) == (forward.kernel, forward.signature)


def test_a_large_image_fits_the_grid():
    """65,535 blocks is the most for y and z, not for x."""
    x, w = empty(1, 1, 4096, 4096), empty(1, 1, 1, 1)
    for run in ladder.LADDER.values():
        *_, launch = launches(run, x, w, (1, 1), (0, 0), (1, 1))
        assert max(launch.grid[1:], default=1) <= 65_535 < launch.grid[0]
