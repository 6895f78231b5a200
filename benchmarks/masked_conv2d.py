"""Masked convolution and its two gradients: dead taps skipped, beside PyTorch's w * mask."""

from pathlib import Path
from typing import Any

from benchmarks.conv2d import cases, contestants
from benchmarks.roofline import report


def run(rounds: int, device: str, plot: Path | None) -> dict[str, Any]:
    masked = cases([(1, 64, 28, 7)], "A")
    masked += cases([(c, c, size, 3) for size in (28, 14, 7) for c in (64, 128)], "B")
    costs = {case: case.cost for case in masked}
    return report("masked_conv2d", costs, contestants(device), device, rounds, plot, calls=10)
