"""The lectures' closing tables, measured: every family on the 8x8 digits, with five seeds.

Density, speed of sampling, quality, coverage and stability, each as a number instead of a word. A
family has the settings of `chainrule train`, nothing is tuned for the table, and a seed changes the
weights, the batches and the samples, but not the images that they are compared with. As many
processes as there are cores train at the same time, each with one thread, and the seconds are those
of their processors: what else the machine does changes them little.
"""

import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numba
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter
from threadpoolctl import threadpool_limits

from kernels.cpu.threads import MAX_CORES
from models import metrics, pictures
from models.adversarial.gan_report import class_counts, classes_covered
from models.cli.comparison import examine
from models.errors import Failure
from models.families import FAMILIES
from models.model import Model
from models.training import Config, Run

SEEDS = 5  # at most
SAMPLES = 1000
TIMES = 5  # that the samples are made, for the median of the seconds
KEPT = ("fid", "precision", "recall", "floor", "ceiling", "factorised_nll", "pixels", "pixel_form")

Numbers = dict[str, Any]
Families = dict[str, list[Numbers | None]]
"""What each of the seeds gave, by the names of the families; None where a training failed."""


def measured(name: str, seed: int) -> Numbers | None:
    """The numbers of a family trained with this seed; None if its training fails."""
    threadpool_limits(limits=1, user_api="blas")
    numba.set_num_threads(1)
    with TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        run = Run.create(Config.of(name, seed=seed), Path(folder) / name)
        started = process_time()
        try:
            run.train(pictures="no")
        except Failure:
            return None
        trained = process_time() - started
        entry = examine(run, SAMPLES, seed=0)
    found = {key: entry.numbers[key] for key in KEPT}
    found |= {"train_seconds": trained, "sample_seconds": seconds_of_samples(run.model)}
    found["density"] = "none"
    found["classes"] = classes_covered(class_counts(run.data, entry.samples))
    if "nll" in entry.numbers:
        found["density"] = "exact" if run.model.nll_is_exact else "bound"
        found["bits_per_dim"] = metrics.bits_per_dim(entry.numbers["nll"], entry.numbers["pixels"])
    return found


def seconds_of_samples(model: Model) -> float:
    """Of the processor, for SAMPLES samples: the median of TIMES."""
    rng, seconds = np.random.default_rng(0), []
    for _ in range(TIMES):
        started = process_time()
        model.sample(SAMPLES, rng)
        seconds.append(process_time() - started)
    return statistics.median(seconds)


def run(rounds: int, plot: Path | None = None) -> Numbers:
    """With `rounds` seeds, at most SEEDS; `plot` is a picture of the numbers."""
    seeds = range(min(rounds, SEEDS))
    jobs = [(name, seed) for seed in seeds for name in FAMILIES]
    with ProcessPoolExecutor(MAX_CORES, mp_context=get_context("spawn")) as pool:
        made = dict(zip(jobs, pool.map(measured, *zip(*jobs))))
    families = {name: [made[name, seed] for seed in seeds] for name in FAMILIES}
    print(tables(families))
    if plot:
        save_picture(families, plot)
    return {"families": families}


COLUMNS = {
    "bits/dim": ("bits_per_dim", ".3f"),
    "training, CPU s": ("train_seconds", ".0f"),
    "1,000 samples, CPU s": ("sample_seconds", ".2g"),
    "FID": ("fid", ".1f"),
    "precision": ("precision", ".2f"),
    "recall": ("recall", ".2f"),
    "classes": ("classes", ".0f"),
}


def tables(families: Families) -> str:
    """One for each form of the pixels, since numbers of two forms cannot be compared."""
    forms: dict[str, Families] = {}
    for name, found in families.items():
        form = next((n["pixel_form"] for n in found if n), "every training failed")
        forms.setdefault(form, {})[name] = found
    return "\n\n".join(f"{form}{limits(own)}\n\n{table(own)}" for form, own in forms.items())


def limits(families: Families) -> str:
    """What the numbers of models with the same form of the pixels lie between."""
    n = next((n for found in families.values() for n in found if n), None)
    if n is None:
        return ""
    independent = metrics.bits_per_dim(n["factorised_nll"], n["pixels"])
    return (
        f": FID of training images {n['floor']:.1f}, of independent pixels {n['ceiling']:.1f}; "
        f"bits/dim of independent pixels {independent:.3f}"
    )


def table(families: Families) -> str:
    """In Markdown, a row for each family: median over the seeds, least and greatest."""
    titles = ("", "density", *COLUMNS, "failed")
    lines = [titles, ["---"] * len(titles)]
    for name, found in families.items():
        whole = [numbers for numbers in found if numbers]
        density = whole[0]["density"] if whole else ""
        cells = [
            spread([n[key] for n in whole if key in n], form) for key, form in COLUMNS.values()
        ]
        lines.append([name, density, *cells, f"{len(found) - len(whole)} of {len(found)}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(values: Sequence[float], form: str) -> str:
    """The median, and in parentheses the least and the greatest."""
    if not values:
        return ""
    low, middle, high = min(values), statistics.median(values), max(values)
    if f"{low:{form}}" == f"{high:{form}}":
        return f"{middle:{form}}"
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


PANELS = {
    "FID / FID of training images": lambda n: n["fid"] / n["floor"],
    "precision": lambda n: n["precision"],
    "recall": lambda n: n["recall"],
    "1,000 samples, CPU s": lambda n: n["sample_seconds"],
    "training, CPU s": lambda n: n["train_seconds"],
}
SHARES = "precision", "recall"  # from 0 to 1; the others are on a scale of logarithms


def save_picture(families: Families, path: Path) -> None:
    """A row for each family, a panel for each number, a point for each seed."""
    figure = pictures.Picture(figsize=(pictures.WIDTH * 1.4, 5.6), layout="constrained")
    panels = figure.subplots(1, len(PANELS), sharey=True)
    forms = list(dict.fromkeys(n["pixel_form"] for own in families.values() for n in own if n))
    for (title, number), axes in zip(PANELS.items(), panels):
        for row, found in enumerate(families.values()):
            for n in filter(None, found):
                color = pictures.COLORS[forms.index(n["pixel_form"])]
                axes.scatter(number(n), row, s=26, color=color, alpha=0.6, linewidths=0)
        if title in SHARES:
            axes.set(xlim=(0, 1), xticks=(0, 0.5, 1))
            axes.xaxis.set_major_formatter("{x:g}")
        else:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_major_locator(LogLocator(10, numticks=8))
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_title(title, fontsize=11)
        axes.grid(axis="y", color="0.9")
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
    panels[0].axvline(1, color=pictures.GREY, linestyle="--", linewidth=1)
    panels[0].xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    panels[0].set_yticks(range(len(families)), list(families))
    panels[0].invert_yaxis()
    for form, color in zip(forms, pictures.COLORS):
        panels[0].scatter([], [], s=26, color=color, label=form)
    figure.legend(loc="outside lower center", ncols=len(forms), frameon=False, fontsize=10)
    pictures.save(figure, path)
