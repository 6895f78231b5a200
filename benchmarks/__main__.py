"""`python -m benchmarks NAME [--device cpu|cuda] [--rounds N] [--json F] [--plot F]`."""

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
from models.figures import suffix_of

STEPS = ("operations", "vae_step", "gan_step", "pixelcnn_step", "ddpm_step", "conv_step")
KERNELS = ("conv2d", "masked_conv2d", "reparameterize")
MODELS = ("pixelcnn_sampling", "mode_collapse")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=STEPS + KERNELS + MODELS)
    parser.add_argument("--rounds", type=int, default=31, help="turns of each side (default 31)")
    parser.add_argument("--json", type=Path, metavar="F", help="also write the numbers there")
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="of a kernel")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="F",
        help="also draw a roofline, or samples: F.png, F.svg or F.pdf",
    )
    options = parser.parse_args()
    takes = {"mode_collapse": ["plot"]} | {kernel: ["device", "plot"] for kernel in KERNELS}
    taken = {name: getattr(options, name) for name in takes.get(options.name, [])}
    for name in ("device", "plot"):
        if name not in taken and getattr(options, name) != parser.get_default(name):
            parser.error(f"{options.name} takes no --{name}")
    if options.plot:
        try:
            suffix_of(options.plot)
        except UsageError as error:
            parser.error(str(error))
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: at least 1")
    if options.name in STEPS and not find_spec("torch"):
        raise SystemExit(f"{options.name} compares with PyTorch: pip install -e '.[peers]'")
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
        "torch": version("torch") if find_spec("torch") else None,
    }
    if options.device == "cuda":
        machine["gpu"] = _gpu()
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    benchmark = importlib.import_module(f"benchmarks.{options.name}")
    result = benchmark.run(options.rounds, **taken)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, **result}, indent=2) + "\n")


def _gpu() -> str:
    import cupy

    return cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()


def _processor() -> str:
    """Its name, where the system says it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
