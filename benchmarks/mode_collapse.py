"""Mode collapse, provoked and cured: what the samples of a GAN leave out.

A generator that learns faster than its discriminator moves all its samples to where that finds
them most real, and moves on when it has noticed. On a ring of 8 Gaussians (`models.data.ring`) the
modes covered and the share of good samples are counted, on digits the classes that a small
classifier finds. A cure adds one thing to the collapsing setting; WGAN-GP is another game with
rates of its own, and MGAN and GMAN are other models. Seeds differ, so there are several, and all
their numbers are shown.
"""

import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from kernels.cpu.threads import MAX_CORES
from models import metrics, pictures
from models.adversarial import gman_settings, mgan_settings
from models.adversarial.gan import GAN
from models.adversarial.gan_report import class_counts, classes_covered, plot_set
from models.adversarial.gan_settings import COLLAPSING, DEFAULTS, UNROLLED, Settings
from models.adversarial.gman import GMAN
from models.adversarial.mgan import MGAN
from models.data import Dataset, load
from models.data.ring import Points, ring

SEEDS = 3  # at most
SAMPLES = 2500
CAUSE = "collapsing"
DIGITS = Settings(
    network="mlp",
    latent=16,
    hidden=(256, 256),
    batch=100,
    learning_rate=1e-4,
    final_learning_rate=1e-5,
    generator_pace=20.0,
    epochs=60,
)
CASES = {
    "ring": {
        CAUSE: COLLAPSING,
        "unrolled, 5 steps": UNROLLED,
        "feature matching": replace(COLLAPSING, feature_matching=True),
        "minibatch discrimination": replace(COLLAPSING, minibatch_kernels=4),
        "WGAN-GP": DEFAULTS["ring"],
        "MGAN, 8 generators": mgan_settings.COLLAPSING,
        "GMAN, 5 discriminators": gman_settings.COLLAPSING,
    },
    "digits": {
        CAUSE: DIGITS,
        "unrolled, 3 steps": replace(DIGITS, unrolled_steps=3, unrolled_rate=0.05, epochs=40),
        "feature matching": replace(DIGITS, feature_matching=True),
        "minibatch discrimination": replace(DIGITS, minibatch_kernels=8),
        "WGAN-GP": replace(DEFAULTS["digits"], epochs=150),
        "MGAN, 10 generators": mgan_settings.Settings(**asdict(DIGITS), generators=10),
        "GMAN, 5 discriminators": gman_settings.Settings(**asdict(DIGITS)),
    },
}
MODELS = {model.settings_type: model for model in (GAN, MGAN, GMAN)}


def data_set(name: str) -> Dataset:
    return ring() if name == "ring" else load(name)


def samples_of(name: str, case: str, seed: int) -> tuple[np.ndarray, float]:
    """SAMPLES of a GAN trained on the data set of that name, and the seconds it took."""
    threadpool_limits(limits=1, user_api="blas")  # there are as many processes as cores
    data, settings = data_set(name), CASES[name][case]
    model = MODELS[type(settings)].for_data(settings, data, np.random.default_rng([seed, 0]))
    rng = np.random.default_rng([seed, 1])
    steps = settings.epochs * (len(data.train) // model.images_per_step)
    optimizers = model.optimizers(steps)
    started = time.perf_counter()
    for _ in range(steps):
        chosen = rng.integers(len(data.train), size=model.images_per_step)
        x = data.observe(data.train[chosen], model.pixels, rng)
        model.update(x, rng, 0, None, optimizers)
    return model.sample(SAMPLES, rng), time.perf_counter() - started


def run(rounds: int, plot: Path | None = None) -> dict[str, Any]:
    """With `rounds` seeds, at most SEEDS; `plot` is a picture of the first."""
    seeds = range(min(rounds, SEEDS))
    jobs = [(name, case, seed) for name in CASES for case in CASES[name] for seed in seeds]
    with ProcessPoolExecutor(MAX_CORES, mp_context=get_context("spawn")) as pool:
        made = dict(zip(jobs, pool.map(samples_of, *zip(*jobs))))
    result: dict[str, Any] = {}
    print(f"{'':26}{'modes or classes, of each seed':>32}{'good samples':>14}{'seconds':>9}")
    for name, cases in CASES.items():
        data = data_set(name)
        result[name] = {}
        for case in cases:
            found = [made[name, case, seed] for seed in seeds]
            measured: dict[str, Any] = {"seconds": statistics.median(t for _, t in found)}
            if isinstance(data, Points):
                measured["covered"] = [data.modes_covered(x) for x, _ in found]
                measured["good"] = [data.share_of_good(x) for x, _ in found]
            else:
                counts = [class_counts(data, x) for x, _ in found]
                measured["covered"] = [classes_covered(c) for c in counts]
                measured["counts"] = [c.tolist() for c in counts]
            result[name][case] = measured
            covered = ", ".join(map(str, measured["covered"])) + f" of {data.classes}"
            good = f"{statistics.mean(measured['good']):.0%}" if "good" in measured else ""
            print(f"{f'{name}: {case}':34}{covered:>24}{good:>14}{measured['seconds']:9.0f}")
    seen_by = metrics.classifier_for(data_set("digits"))
    result["classifier"] = seen_by.fingerprint
    print(f"classes by a classifier of {seen_by.accuracy:.1%}, {seen_by.fingerprint}")
    if plot:
        save_picture({job: x for job, (x, _) in made.items() if job[2] == 0}, plot)
    return result


def save_picture(samples: dict[tuple[str, str, int], np.ndarray], path: Path) -> None:
    """Collapsed beside cured: the ring above, digits and the histogram of their classes below."""
    across = max(len(cases) for cases in CASES.values())
    figure = pictures.Picture(figsize=(2 * across, 6.8), layout="constrained")
    grid = figure.subplots(3, across, height_ratios=(6, 6, 2.4), sharey="row")
    wrapped = lambda case: case.replace(" ", "\n", 1)  # noqa: E731
    for column, case in enumerate(CASES["ring"]):
        data = data_set("ring")
        assert isinstance(data, Points)
        pictures.plot_points(grid[0, column], data, samples["ring", case, 0], wrapped(case))
    for column, case in enumerate(CASES["digits"]):
        images = samples["digits", case, 0]
        counts = class_counts(data_set("digits"), images)
        plot_set(grid[1, column], grid[2, column], images, counts, wrapped(case))
    pictures.save(figure, path)
