"""`python -m benchmarks operations | vae_step [--rounds N] [--json F]`."""

import argparse
import importlib
import json
import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path

NAMES = ("operations", "vae_step")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--rounds", type=int, default=31, help="turns of each side (default 31)")
    parser.add_argument("--json", type=Path, metavar="F", help="also write the numbers there")
    options = parser.parse_args()
    machine = {
        "date": date.today().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "torch": version("torch"),
    }
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    result = importlib.import_module(f"benchmarks.{options.name}").run(options.rounds)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, **result}, indent=2) + "\n")


def _processor() -> str:
    """Its name, where the system says it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
