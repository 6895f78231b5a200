"""Convolution and its two gradients, float32, at the shapes of the models or at your own.

`--kernel FILE` times a convolution of your own too: a Python file with one, two or three of the
functions of kernels/conv2d/reference.py (or of masked_conv2d/reference.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.interleaved import Contestant, Work
from benchmarks.roofline import Cost, report

BATCH = 128
PASSES = {"forward": "", "input grad": "_input_grad", "weight grad": "_weight_grad"}
"""The passes, and how the names of their functions end."""


@dataclass(frozen=True)
class Case:
    """One pass of a convolution of square images with a square kernel, perhaps masked."""

    inputs: int
    outputs: int
    size: int
    kernel_size: int
    which: str
    mask: str | None = None
    batch: int = BATCH

    def __str__(self) -> str:
        return f"{self.inputs}->{self.outputs} {self.size}x{self.size} {self.kind} {self.which}"

    @property
    def label(self) -> str:
        return f"{self.inputs}→{self.outputs}, {self.kernel_size}x{self.kernel_size}"

    @property
    def kind(self) -> str:
        """The table has a sum for each kind: over all passes, channels and sizes."""
        images = (
            " of images" if self.kernel_size == 3 and min(self.inputs, self.outputs) <= 3 else ""
        )
        mask = f" mask {self.mask}" if self.mask else ""
        return f"{self.kernel_size}x{self.kernel_size}{images}{mask}"

    @property
    def kernel(self) -> str:
        return "masked_conv2d" if self.mask else "conv2d"

    @property
    def padding(self) -> int:
        return self.kernel_size // 2

    @property
    def live(self) -> np.ndarray:
        """(KH, KW), 1 for live taps, 0 for dead ones."""
        taps = np.arange(self.kernel_size**2)
        centre = self.kernel_size**2 // 2
        last = {None: taps[-1], "A": centre - 1, "B": centre}[self.mask]
        return (taps <= last).reshape(self.kernel_size, -1).astype(np.float32)

    @property
    def cost(self) -> Cost:
        """Counts the taps inside the image: a product with padding is not needed."""
        inside = self.size - np.abs(np.arange(self.kernel_size) - self.padding)  # rows, by tap
        products = self.batch * self.inputs * self.outputs * int(inside @ self.live @ inside)
        weights = self.inputs * self.outputs * int(self.live.sum())
        images = self.batch * self.size**2 * (self.inputs + self.outputs)
        return Cost(2 * products, 4 * (images + weights))


Shape = tuple[int, int, int, int]
PARTS = ("inputs", "outputs", "size", "kernel size")
SHAPES: list[Shape] = [
    (1, 64, 28, 7),
    (1, 32, 28, 3), (32, 1, 28, 3), (3, 64, 32, 3), (64, 3, 32, 3),
    *((inputs, outputs, size, 3) for size in (28, 14, 7)
      for inputs, outputs in ((32, 64), (64, 64), (128, 128))),
    (64, 64, 28, 1),
]  # fmt: skip


def cases(shapes: Sequence[Shape], batch: int, mask: str | None = None) -> list[Case]:
    return [Case(*shape, which, mask, batch) for shape in shapes for which in PASSES]


@cache
def arrays(batch: int, inputs: int, outputs: int, size: int, kernel_size: int) -> list[np.ndarray]:
    """x, w and g."""
    rng = np.random.default_rng(0)
    shapes = [(batch, inputs, size, size), (outputs, inputs, kernel_size, kernel_size),
              (batch, outputs, size, size)]  # fmt: skip
    return [rng.standard_normal(shape, np.float32) for shape in shapes]


def arrays_of(case: Case) -> list[np.ndarray]:
    return arrays(case.batch, case.inputs, case.outputs, case.size, case.kernel_size)


def ours(case: Case, device: str) -> Work:
    """Images as in a network: on the CPU with the channels last in memory."""
    import kernels
    from autograd import to_device

    def channels_last(images: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)

    x, w, g = arrays_of(case)
    if device == "cpu":
        x, g = channels_last(x), channels_last(g)
    x, w, g = (to_device(a, device) for a in (x, w, g))
    options: dict[str, Any] = {"stride": 1, "padding": case.padding, "mask": case.mask}
    return {
        "forward": lambda: kernels.conv2d(x, w, **options),
        "input grad": lambda: kernels.conv2d_input_grad(g, w, x.shape[2:], **options),
        "weight grad": lambda: kernels.conv2d_weight_grad(x, g, w.shape[2:], **options),
    }[case.which]


def module(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.exists():
        raise SystemExit(f"{path} is not a Python file")
    spec.loader.exec_module(loaded := module_from_spec(spec))
    return loaded


def by_file(case: Case, device: str, path: Path) -> Work:
    """The work of `ours`, by the kernels of that file."""
    import kernels

    work, loaded = ours(case, device), module(path)

    def run_by_file() -> object:
        with kernels.use(**{case.kernel: loaded}):
            return work()

    return run_by_file


def compete(path: Path, costs: dict[Case, Cost], device: str) -> dict[Case, Cost]:
    """The cases for which the file has a function; prints its largest error in each."""
    loaded = module(path)
    costs = {case: costs[case] for case in costs
             if hasattr(loaded, f"conv2d{PASSES[case.which]}")}  # fmt: skip
    if not costs:
        raise SystemExit(f"{path} defines no function like those of kernels/conv2d/reference.py")
    for case in costs:
        got: Any = by_file(case, device, path)()
        expected: Any = ours(case, device)()
        error = float(abs(got - expected).max() / abs(expected).max())
        print(f"{case}: largest difference from chainrule's {error:.0e} of the largest element")
    return costs


def torch(case: Case, device: str, channels_last: bool, tf32: bool = False) -> Work:
    """With a mask, as people write it: w * mask, and the gradient times the mask."""
    import torch

    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = tf32
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x, w, g = (torch.tensor(a, device=device).to(memory_format=layout) for a in arrays_of(case))
    live = torch.tensor(case.live, device=device) if case.mask else None
    padding = [case.padding] * 2

    def masked(weights: Any) -> Any:
        return weights if live is None else weights * live

    masked_w = masked(w)  # in autograd the forward pass has computed it

    def gradient(input_grad: bool) -> Any:
        return torch.ops.aten.convolution_backward(
            g, x, masked_w, None, [1, 1], padding, [1, 1], False, [0, 0], 1,
            [input_grad, not input_grad, False],
        )  # fmt: skip

    work: dict[str, Callable[[], object]] = {
        "forward": lambda: torch.nn.functional.conv2d(x, masked(w), None, 1, padding),
        "input grad": lambda: gradient(True)[0],
        "weight grad": lambda: masked(gradient(False)[1]),
    }
    return torch.no_grad()(work[case.which])


def contestants(device: str, kernel: Path | None = None) -> dict[str, Contestant]:
    peers = {}
    if kernel:
        peers[kernel.name] = Contestant("kernels", partial(by_file, device=device, path=kernel))
    for tf32 in (False, True) if device == "cuda" else (False,):
        for layout in ("NCHW", "channels_last"):
            name = f"PyTorch {layout}" + (" TF32" if tf32 else "")
            make = partial(torch, device=device, channels_last=layout != "NCHW", tf32=tf32)
            peers[name] = Contestant("torch", make)
    return {"chainrule": Contestant("kernels", partial(ours, device=device)), **peers}


def rung(case: Case, name: str) -> Work:
    from autograd import to_device
    from kernels.conv2d.cuda.ladder import LADDER

    x, w, _ = (to_device(a, "cuda") for a in arrays_of(case))
    return lambda: LADDER[name](x, w, (1, 1), (case.padding, case.padding), (1, 1))


def ladder(rounds: int, plot: Path | None, shapes: Sequence[Shape], batch: int) -> dict[str, Any]:
    """The forward pass on CUDA, rung by rung; `kernels.conv2d` uses the last but one."""
    from kernels.conv2d.cuda.ladder import LADDER

    rungs = {name: Contestant("kernels", partial(rung, name=name)) for name in reversed(LADDER)}
    costs = {case: case.cost for case in cases(shapes, batch) if case.which == "forward"}
    peers = {k: c for k, c in contestants("cuda").items() if k != "chainrule"}
    plot = plot and plot.with_stem(f"{plot.stem}-ladder")
    return report("the ladder of conv2d", costs, rungs | peers, "cuda", rounds, plot)


def run(
    rounds: int,
    device: str,
    plot: Path | None,
    shapes: Sequence[Shape] = SHAPES,
    batch: int = BATCH,
    kernel: Path | None = None,
) -> dict[str, Any]:
    costs = {case: case.cost for case in cases(shapes, batch)}
    if kernel:
        costs = compete(kernel, costs, device)
    sides = contestants(device, kernel)
    result = report("conv2d", costs, sides, device, rounds, plot, calls=10)
    if device == "cuda":
        result["ladder"] = ladder(rounds, plot, shapes, batch)
    return result
