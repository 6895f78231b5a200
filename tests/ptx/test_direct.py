"""What the compilers make of the kernel for images of few channels."""

import numpy as np
import pytest

from tests.ptx.compiling import ARCHITECTURES, compiled, launches

# isort: split
# After `compiling`, which skips this file where there are no compilers.
from kernels.conv2d import cuda
from kernels.conv2d.cuda import direct
from kernels.conv2d.mask import live_taps

TAPS = live_taps("A", (7, 7))
OPTIONS = (1, 1), (3, 3), (1, 1)


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def forward(channels: int, out_channels: int, size: int):
    x, w = zeros(2, channels, size, size), zeros(out_channels, channels, 7, 7)
    return started(cuda.conv2d, x, w, *OPTIONS, None, TAPS)


def input_grad(channels: int, out_channels: int, size: int):
    g, w = zeros(2, out_channels, size, size), zeros(out_channels, channels, 7, 7)
    return started(cuda.conv2d_input_grad, g, w, (size, size), *OPTIONS, TAPS)


def started(*call):
    with np.errstate(all="ignore"):  # partial sums are added that nothing has computed
        return launches(*call)


CASES = {
    # channels of x and y, size, then: pixels that have room, channels and pixels of a thread,
    # channels of a block, registers
    "1 to 64": (forward, (1, 64, 28), (1024, 16, 4, 64), 128),
    "1 to 32": (forward, (1, 32, 28), (1024, 16, 4, 32), 128),
    "4 to 16": (forward, (4, 16, 64), (3840, 16, 4, 16), 128),
    "64 to 1": (input_grad, (1, 64, 28), (3840, 1, 8, 1), 112),
    "64 to 2": (input_grad, (2, 64, 28), (3840, 2, 8, 2), 112),
    "64 to 3": (input_grad, (3, 64, 28), (3840, 3, 8, 3), 112),
    "64 to 4": (input_grad, (4, 64, 28), (3840, 4, 8, 4), 112),
}


@pytest.mark.parametrize("cc", ARCHITECTURES, ids=lambda cc: f"sm_{cc[0]}{cc[1]}")
@pytest.mark.parametrize("name", CASES)
def test_budgets_of_the_direct_kernel(name, cc):
    function, arguments, (room, channels, pixels, block_channels), registers = CASES[name]
    (launch,) = function(*arguments)
    report = compiled(launch.kernel, launch.signature, cc)
    assert report.registers <= registers
    assert report.spill_bytes == report.stack_bytes == 0
    pitch = -(-block_channels // 4) * 4 + 4
    assert report.shared_bytes == 4 * (2 * room + direct.TAPS[0] * (pitch + 1))
    # For each tap the weights are loaded in fours; the compiler may write out several taps.
    wide, multiply_adds = report.wide_shared_loads, report.fused_multiply_adds
    assert wide > 0 and wide % -(-channels // 4) == 0
    assert multiply_adds * -(-channels // 4) == wide * channels * pixels
    assert report.count(r"\.f64") == 0


def test_the_largest_blocks_fit_the_static_shared_memory():
    x, w = zeros(2, 1, 28, 28), zeros(64, 1, 15, 15)
    taps = live_taps("A", (15, 15))
    many_taps = started(cuda.conv2d, x, w, (1, 1), (7, 7), (1, 1), None, taps)
    for (launch,), least in ((forward(1, 64, 300), max(direct.ROOMS)), (many_taps, 1024 + 64 * 68)):
        report = compiled(launch.kernel, launch.signature, (9, 0))
        assert 4 * least < report.shared_bytes <= 48 * 1024
