"""`python -m benchmarks NAME`: how fast, beside PyTorch, and steps beside JAX, in the same run."""

import argparse
import importlib
import json
import os
import platform
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from autograd import to_device
from autograd.array import DEVICES
from models.errors import UsageError
from models.pictures import suffix_of

STEPS = ("operations", "sweeps", "vae_step", "gan_step", "pixelcnn_step", "ddpm_step", "conv_step")
KERNELS = ("conv2d", "masked_conv2d", "reparameterize")
MODELS = ("pixelcnn_sampling", "mode_collapse", "iwae_gradients", "families", "em")
ALONE = ("launches", "growth", "startup")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=STEPS + KERNELS + MODELS + ALONE)
    parser.add_argument(
        "--rounds",
        type=int,
        default=31,
        help="turns of each side (default 31); of mode_collapse and iwae_gradients the seeds, at "
        "most 3, and of families, at most 5; of growth at most 3, of startup at most 5",
    )
    parser.add_argument("--json", type=Path, metavar="F", help="also write the numbers there")
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="of a kernel")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="F",
        help="also plot a roofline, or samples: F.png, F.svg or F.pdf",
    )
    parser.add_argument(
        "--shapes",
        nargs="+",
        type=_shape,
        metavar="N,N",
        help="of a kernel instead of its own: INPUTS,OUTPUTS,SIZE,KERNEL_SIZE, or ROWS,COLUMNS",
    )
    parser.add_argument("--batch", type=int, metavar="N", help="images of a convolution (128)")
    parser.add_argument(
        "--kernel", type=Path, metavar="F", help="a Python file whose convolution competes too"
    )
    options = parser.parse_args()
    kernel = ["device", "plot", "shapes"]
    convolution = [*kernel, "batch", "kernel"]
    takes = {
        "mode_collapse": ["plot"],
        "iwae_gradients": ["plot"],
        "families": ["plot"],
        "em": ["plot"],
        "growth": ["plot"],
        "reparameterize": kernel,
        "conv2d": convolution,
        "masked_conv2d": convolution,
    }
    given = {n: v for n, v in vars(options).items() if v != parser.get_default(n)}
    for name in given.keys() & set(convolution) - set(takes.get(options.name, [])):
        parser.error(f"{options.name} takes no --{name}")
    if options.rounds < 1 or (options.batch is not None and options.batch < 1):
        parser.error("--rounds and --batch are at least 1")
    taken = {name: given[name] for name in takes.get(options.name, []) if name in given}
    if options.name in KERNELS:
        taken = {"device": options.device, "plot": options.plot} | taken
    if options.plot:
        try:
            suffix_of(options.plot)
        except UsageError as error:
            parser.error(str(error))
    if options.name == "operations" and not find_spec("torch"):
        raise SystemExit("operations compares with PyTorch: pip install -e '.[peers]'")
    if options.device == "cuda":
        try:
            to_device(np.zeros(1), "cuda")
        except RuntimeError as error:
            raise SystemExit(str(error)) from error
    machine = {
        "date": date.today().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "numba": version("numba"),
        **{peer: version(peer) if find_spec(peer) else None for peer in ("torch", "jax")},
    }
    if options.device == "cuda":
        machine["gpu"] = _gpu()
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    benchmark = importlib.import_module(f"benchmarks.{options.name}")
    for shape in options.shapes or ():
        if len(shape) != len(benchmark.PARTS):
            parser.error(f"--shapes {shape}: {options.name} takes {', '.join(benchmark.PARTS)}")
    result = benchmark.run(options.rounds, **taken)
    if options.json:
        options.json.write_text(
            json.dumps({"machine": machine, **result}, indent=2) + "\n", "utf-8"
        )


def _shape(text: str) -> tuple[int, ...]:
    shape = tuple(map(int, text.split(",")))
    if min(shape) < 1:
        raise ValueError(text)
    return shape


def _gpu() -> str:
    import cupy

    return cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()


def _processor() -> str:
    """Its name, where the system names it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
