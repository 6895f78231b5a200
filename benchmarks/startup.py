"""How long one waits for the first thing to happen: imports, the help, the first step of training.

Every number is from a process of its own, in turn for so many rounds; the median counts. The files
that are read are in the system's cache: a round that does not count goes first. Imports and the
help are whole processes; "beyond" is the difference from a smaller one.

A first step is the time from the end of the imports to the end of the first `model.update`: the
model is built, Numba is imported, and the kernels are compiled (with an empty cache, "cold"), or
read from the cache that the process before has left ("warm"). The imports of a model stand beside
it. The batch is random pixels, since data sets are no part of it.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

PROGRAMS = {
    "python": ("-c", ""),
    "import numpy": ("-c", "import numpy"),
    "import autograd": ("-c", "import autograd"),
    "import torch": ("-c", "import torch"),
    "import jax.numpy": ("-c", "import jax.numpy"),
    "chainrule --help": ("-m", "models.cli", "--help"),
    "chainrule train --help": ("-m", "models.cli", "train", "--help"),
}
BEYOND = {"import numpy": "python"} | dict.fromkeys(
    ("import autograd", "import torch", "import jax.numpy"), "import numpy"
)
MODELS = {
    "VAE, 28x28": ("vae", "mnist"),
    "GAN, digits": ("gan", "digits"),
    "GAN, 28x28": ("gan", "mnist"),
    "PixelCNN, 28x28": ("pixelcnn", "mnist"),
    "DDPM, digits": ("ddpm", "digits"),
    "DDPM, 28x28": ("ddpm", "mnist"),
}
MAX_ROUNDS = 5  # a cold first step takes long

Seconds = dict[str, list[float]]


def run(rounds: int) -> dict[str, Any]:
    """Seconds of each program, and of each model's imports and first step."""
    commands = {
        name: program
        for name, program in PROGRAMS.items()
        if not name.startswith("import ") or find_spec(name.split()[1].split(".")[0])
    }
    whole: Seconds = {name: [] for name in commands}
    steps: dict[str, Seconds] = {name: {"imports": [], "cold": [], "warm": []} for name in MODELS}
    for turn in range(min(rounds, MAX_ROUNDS) + 1):
        for name, program in commands.items():
            started = time.perf_counter()
            _python(*program)
            if turn:
                whole[name].append(time.perf_counter() - started)
        for name, model in MODELS.items() if turn else ():
            with tempfile.TemporaryDirectory() as folder:
                for cache in ("cold", "warm"):
                    found = _python("-m", "benchmarks.startup", *model, NUMBA_CACHE_DIR=folder)
                    imports, first = json.loads(found)
                    steps[name][cache].append(first)
            steps[name]["imports"].append(imports)
    programs, first_steps = _medians(whole), {name: _medians(s) for name, s in steps.items()}
    print(table(programs, first_steps))
    return {"programs": programs, "first_steps": first_steps}


def table(programs: dict[str, float], first_steps: dict[str, dict[str, float]]) -> str:
    """In Markdown."""
    lines = ["| | seconds | beyond |", "|---|---|---|"]
    for name, seconds in programs.items():
        smaller = BEYOND.get(name)
        beyond = f"{seconds - programs[smaller]:.2f}, {smaller}" if smaller else ""
        lines.append(f"| `{name}` | {seconds:.2f} | {beyond} |")
    lines += ["", "| first step | imports | cold | warm |", "|---|---|---|---|"]
    for name, seconds_of in first_steps.items():
        cells = (f"{seconds_of[part]:.2f}" for part in ("imports", "cold", "warm"))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _medians(seconds: Seconds) -> dict[str, float]:
    return {name: statistics.median(turns) for name, turns in seconds.items()}


def _python(*arguments: str, **environment: str) -> str:
    """What a new process prints."""
    program = [sys.executable, *arguments]
    return subprocess.run(
        program, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | environment
    ).stdout


def first_step(family: str, data: str) -> Sequence[float]:
    """Seconds of the imports, and from there to the end of the first step: in a new process."""
    started = time.perf_counter()
    import numpy as np

    from models.data import Dataset
    from models.families import FAMILIES

    model_type, settings = FAMILIES[family].model, FAMILIES[family].settings(data)
    imported = time.perf_counter()
    rng, (side, levels) = np.random.default_rng(0), {"digits": (8, 17), "mnist": (28, 256)}[data]
    images = rng.integers(levels, size=(256, side, side)).astype(np.uint8)
    noise = Dataset("noise", levels, images, images)
    model = model_type.for_data(settings, noise, rng)
    batch = noise.observe(images[: model.images_per_step], model.pixels, rng)
    model.update(batch, rng, 0.0, None, model.optimizers(1000))
    return imported - started, time.perf_counter() - imported


if __name__ == "__main__":
    print(json.dumps(first_step(*sys.argv[1:])))
