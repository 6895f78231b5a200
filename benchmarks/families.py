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
    """With `rounds` seeds, at most SEEDS; `plot` is a picture of the trade-offs."""
    seeds = range(min(rounds, SEEDS))
    jobs = [(name, seed) for seed in seeds for name in FAMILIES]
    with ProcessPoolExecutor(MAX_CORES, mp_context=get_context("spawn")) as pool:
        made = dict(zip(jobs, pool.map(measured, *zip(*jobs))))
    families = {name: [made[name, seed] for seed in seeds] for name in FAMILIES}
    print(table(families), *limits(families), sep="\n\n")
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


def table(families: dict[str, list[Numbers | None]]) -> str:
    """In Markdown, a row for each family: median over the seeds, least and greatest."""
    titles = ("", "pixels", "density", *COLUMNS, "failed")
    lines = [titles, ["---"] * len(titles)]
    for name, found in families.items():
        whole = [numbers for numbers in found if numbers]
        form, density = (whole[0]["pixel_form"], whole[0]["density"]) if whole else ("", "")
        cells = [
            spread([n[key] for n in whole if key in n], form) for key, form in COLUMNS.values()
        ]
        lines.append([name, form, density, *cells, f"{len(found) - len(whole)} of {len(found)}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def limits(families: dict[str, list[Numbers | None]]) -> list[str]:
    """What the numbers lie between, in each form of the pixels."""
    forms = {n["pixel_form"]: n for found in families.values() for n in found if n}
    return [
        f"{form}: FID of training images {n['floor']:.1f}, of independent pixels "
        f"{n['ceiling']:.1f}; bits/dim of independent pixels "
        f"{metrics.bits_per_dim(n['factorised_nll'], n['pixels']):.3f}"
        for form, n in forms.items()
    ]


def spread(values: Sequence[float], form: str) -> str:
    """The median, and in parentheses the least and the greatest."""
    if not values:
        return ""
    low, middle, high = min(values), statistics.median(values), max(values)
    if f"{low:{form}}" == f"{high:{form}}":
        return f"{middle:{form}}"
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def save_picture(families: dict[str, list[Numbers | None]], path: Path) -> None:
    """Quality against speed, and against coverage: a point for each seed.

    FID is divided by its floor, that of training images in the same form of the pixels.
    """
    figure = pictures.Picture(figsize=(pictures.WIDTH * 1.25, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for i, (name, found) in enumerate(families.items()):
        whole = [numbers for numbers in found if numbers]
        style: dict[str, Any] = {
            "color": pictures.COLORS[i % len(pictures.COLORS)],
            "marker": "os^"[i // len(pictures.COLORS)],
            "label": name,
            "s": 24,
        }
        distances = [n["fid"] / n["floor"] for n in whole]
        left.scatter([n["sample_seconds"] for n in whole], distances, **style)
        right.scatter([n["recall"] for n in whole], [n["precision"] for n in whole], **style)
    left.axhline(1, color=pictures.GREY, linestyle="--", linewidth=1)
    left.set(xscale="log", yscale="log", xlabel="seconds for 1,000 samples")
    left.set_ylabel("FID / FID of training images")
    left.xaxis.set_major_formatter("{x:g}")
    left.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    left.yaxis.set_major_formatter("{x:g}")
    for axis in (left.xaxis, left.yaxis):
        axis.set_minor_formatter(NullFormatter())
    left.set_title("quality against speed", fontsize=11, loc="left")
    right.set(xlabel="recall: the share of test images reached", ylabel="precision")
    right.set_title("quality against coverage", fontsize=11, loc="left")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    handles = left.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=6, frameon=False, fontsize=10)
    pictures.save(figure, path)
