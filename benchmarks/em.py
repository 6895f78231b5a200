"""EM beside gradient descent on the same likelihood, from the same start, per pass over the data.

Ten Gaussians on the digits, dequantised once, so that the likelihood of each pass is of the same
numbers. EM needs no learning rate; Adam has several, with all images in a step or with 100.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from autograd import no_grad
from models import pictures
from models.data import batches, load
from models.densities.gmm import GMM
from models.densities.gmm_settings import DEFAULTS, Settings

PASSES = 60
EM = replace(DEFAULTS["digits"], components=10)
CASES = {"EM": EM} | {
    f"Adam, {batch or 'all'} images a step, rate {rate:g}": replace(
        EM, method="gradient", batch=batch, learning_rate=rate, final_learning_rate=rate
    )
    for batch, rate in ((0, 0.1), (0, 0.01), (100, 0.01), (100, 0.001))
}


def bits_by_pass(settings: Settings) -> list[float]:
    """Bits/dim of the training images, before the first pass and after each."""
    data, rng = load("digits"), np.random.default_rng(0)
    x = data.observe(data.train, settings.pixels, rng)
    model = GMM.for_data(settings, data, np.random.default_rng(1))
    optimizers, found = model.optimizers(PASSES), []
    for _ in range(PASSES + 1):
        with no_grad():
            nats = model.evaluate(x, rng)["nll"].mean(dtype=np.float64)
        found.append(float(nats / math.log(2) / x.shape[1]))
        order = rng.permutation(len(x))
        for part in batches(len(x), model.images_per_step):
            model.update(x[order[part]], rng, 0.0, None, optimizers)
    return found


def run(rounds: int, plot: Path | None = None) -> dict[str, Any]:
    """One round, whatever `rounds` is: nothing is timed. `plot` is a picture of the curves."""
    curves = {case: bits_by_pass(settings) for case, settings in CASES.items()}
    print(f"{'bits/dim of the training images after':44}{'1':>8}{'10':>8}{PASSES:>8} passes")
    for case, bits in curves.items():
        print(f"{case:44}{bits[1]:8.3f}{bits[10]:8.3f}{bits[-1]:8.3f}")
    if plot:
        save_picture(curves, plot)
    return {"bits_per_dim": curves}


def save_picture(curves: dict[str, list[float]], path: Path) -> None:
    figure = pictures.Picture(figsize=(pictures.WIDTH, 4.2), layout="constrained")
    axes = figure.subplots()
    for (case, bits), color in zip(curves.items(), pictures.COLORS):
        axes.plot(bits, label=case, color=color, linewidth=2.2 if case == "EM" else 1.2)
    lowest = min(map(min, curves.values()))
    axes.set(xlabel="passes over the training images", ylabel="bits/dim", xlim=(0, PASSES))
    axes.set_ylim(lowest - 0.1, lowest + 2.4)
    axes.set_title("10 Gaussians on digits: the training images", fontsize=11, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    pictures.save(figure, path)
