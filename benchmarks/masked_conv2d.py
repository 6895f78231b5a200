"""Masked convolution and its two gradients: without the dead taps, beside PyTorch's w * mask.

Your own shapes have mask B; `--kernel FILE` is as for `conv2d`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.conv2d import BATCH, PARTS, Shape, cases, compete, contestants
from benchmarks.roofline import report

__all__ = ["PARTS", "run"]


def run(
    rounds: int,
    device: str,
    plot: Path | None,
    shapes: Sequence[Shape] = (),
    batch: int = BATCH,
    kernel: Path | None = None,
) -> dict[str, Any]:
    masked = cases(shapes, batch, "B") or [
        *cases([(1, 64, 28, 7)], batch, "A"),
        *cases([(c, c, size, 3) for size in (28, 14, 7) for c in (64, 128)], batch, "B"),
    ]
    costs = {case: case.cost for case in masked}
    if kernel:
        costs = compete(kernel, costs, device)
    sides = contestants(device, kernel)
    return report("masked_conv2d", costs, sides, device, rounds, plot, calls=10)
