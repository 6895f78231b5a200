"""What a diffusion model looks like: samples, noise turning into them, the bound by step."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, no_grad
from models import figures, plane
from models.data import Dataset

if TYPE_CHECKING:
    from models.ddpm import DDPM

PICTURES = ("samples", "denoising", "steps")
MOMENTS = 12  # of the strip from noise to image, of images; half as many of points
IN_THE_STRIP = 6
TIMES = 60  # at which the bound is drawn, and images that it is averaged over


def draw(
    model: "DDPM", data: Dataset, test: Array, directory: Path, rng: np.random.Generator
) -> list[Path]:
    """Samples, the strip from noise to image, and the bound at each step; returns the paths."""
    path = {name: directory / f"{name}.png" for name in PICTURES}
    if isinstance(data, plane.Points):
        _points(model, data, path["samples"], path["denoising"], rng)
    else:
        _images(model, data, path["samples"], path["denoising"], rng)
    _steps(model, data, test[:TIMES], path["steps"], rng)
    return list(path.values())


def _images(
    model: "DDPM", data: Dataset, samples: Path, denoising: Path, rng: np.random.Generator
) -> None:
    across = model.classes or 12  # of a conditional model each column is a class
    title = f"{data.name}: samples, {sampler(model)}"
    figures.rows(np.split(model.sample(5 * across, rng), 5), title, samples)
    strip = moments(model, IN_THE_STRIP, MOMENTS, rng)
    figure = Figure(figsize=(0.62 * len(strip) + 0.2, 0.62 * IN_THE_STRIP + 0.65))
    axes = figure.subplots()
    canvas = figures.mosaic([np.stack(row) for row in zip(*strip.values())])
    axes.imshow(canvas, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    width = model.shape[1]
    middles = [(width + figures.GAP) * i + width / 2 for i in range(len(strip))]
    axes.set_xticks(middles, [f"$t={t}$" if t == model.settings.T else str(t) for t in strip])
    axes.tick_params(length=0, labelsize=9)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_title(f"{data.name}: from noise to image, {sampler(model)}", fontsize=11, loc="left")
    figures.save(figure, denoising)


def _points(
    model: "DDPM", data: plane.Points, samples: Path, denoising: Path, rng: np.random.Generator
) -> None:
    sets = {"test data": data.test, "samples": model.sample(len(data.test), rng)}
    plane.scatter(data, sets, f"{data.name}: {sampler(model)}", samples)
    strip = moments(model, 1000, MOMENTS // 2, rng)
    named = {f"t = {t}": points for t, points in strip.items()}
    plane.scatter(data, named, f"{data.name}: from noise to points, {sampler(model)}", denoising)


def sampler(model: "DDPM") -> str:
    """How it is sampled from, in words."""
    s = model.settings
    how = f"DDIM, eta {s.eta:g}" if s.sampler == "ddim" else f"ancestral, {s.variance} variance"
    guided = f", guidance w = {s.guidance:g}" if s.guidance else ""
    return f"{how}, {s.sampling_steps or s.T} steps{guided}"


@no_grad()
def moments(model: "DDPM", n: int, count: int, rng: np.random.Generator) -> dict[int, np.ndarray]:
    """The same n samples at up to `count` times from T to 0, later ones closer together."""
    with model.ema.applied():
        chain = dict(model.chain(n, rng, model.classes_of(n, None)))
    times = sorted(chain, reverse=True)
    # Most of what the eye sees happens late, when little noise is left.
    chosen = (len(times) - 1) * np.linspace(0, 1, min(count, len(times))) ** 0.6
    return {times[i]: model.shown_as(chain[times[i]]) for i in chosen.round().astype(int)}


@no_grad()
def _steps(model: "DDPM", data: Dataset, test: Array, path: Path, rng: np.random.Generator) -> None:
    """Left, the terms of the bound by t; right, how much signal and noise x_t has."""
    d = model.diffusion
    times = np.unique(np.geomspace(1, d.steps, TIMES).round().astype(int))
    x_0, n = model.standard(test), len(test)
    labels = data.test_labels[:n] if model.classes and data.test_labels is not None else None
    with model.ema.applied():
        terms = [model.step_terms(x_0, np.full(n, t), rng, labels).mean() for t in times]
    figure = Figure(figsize=(10.5, 4))
    bound, signal = figure.subplots(1, 2)
    bound.plot(times, terms, color="C0", marker=".", markersize=4)
    bound.set_xscale("log")
    bound.set_title(
        f"terms $L_{{t-1}}$ of the bound, mean of {n} test images", fontsize=11, loc="left"
    )
    bound.set(xlabel="$t$", ylabel="nats")
    bound.set_ylim(bottom=min(0, *terms))
    t = np.arange(d.steps + 1)
    signal.plot(t, d.alpha_bar, label=r"$\bar\alpha_t$, signal")
    signal.plot(t, d.noise, label=r"$1 - \bar\alpha_t$, noise", color=figures.GREY)
    signal.set_title(f"{model.settings.schedule} schedule, $T={d.steps}$", fontsize=11, loc="left")
    signal.set(xlabel="$t$", ylabel="variance")
    signal.legend(frameon=False)
    for axes in (bound, signal):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{data.name}, {data.describe(model.shown)}", fontsize=11)
    figure.tight_layout()
    figures.save(figure, path)
