"""What a diffusion model looks like: samples, noise turning into them, the bound by step."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, no_grad
from models import pictures
from models.data import Dataset
from models.data.ring import Points

if TYPE_CHECKING:
    from models.diffusion.ddpm import DDPM

MOMENTS = 12  # of the strip from noise to image, of images; half as many of points
IN_THE_STRIP = 6
TIMES = 60  # at which the bound is drawn, and images that it is averaged over


def draw(model: "DDPM", data: Dataset, test: Array, rng: np.random.Generator) -> dict[str, Figure]:
    """Samples, the strip from noise to image, and the bound at each step."""
    if isinstance(data, Points):
        drawn = _points(model, data, rng)
    else:
        drawn = _images(model, data, test, rng)
    return drawn | {"steps": _steps(model, data, test[:TIMES], rng)}


def _images(
    model: "DDPM", data: Dataset, test: Array, rng: np.random.Generator
) -> dict[str, Figure]:
    title = f"{model.title(data)}\n{model.sampled}"
    strip = moments(model, IN_THE_STRIP, MOMENTS, rng)
    from_noise = [np.stack(row) for row in zip(*strip.values())]
    times = ["t = T", *map(str, list(strip)[1:])]
    told = f"{title}\nfrom noise to image, t = {model.settings.T} to 0"
    return {
        "samples": model.draw_samples(data, test, rng, f"{title}\nsamples"),
        "denoising": pictures.rows(from_noise, told, columns=times),
    }


def _points(model: "DDPM", data: Points, rng: np.random.Generator) -> dict[str, Figure]:
    title = f"{model.title(data)}\n{model.sampled}"
    sets = {"test data": data.test, "samples": model.sample(len(data.test), rng)}
    strip = moments(model, 1000, MOMENTS // 2, rng)
    named = {f"t = {t}": points for t, points in strip.items()}
    return {
        "samples": pictures.scatter(data, sets, title),
        "denoising": pictures.scatter(data, named, f"{title}\nfrom noise to points"),
    }


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
def _steps(model: "DDPM", data: Dataset, test: Array, rng: np.random.Generator) -> Figure:
    """Left, the terms of the bound by t; right, how much signal and noise x_t has."""
    d = model.diffusion
    times = np.unique(np.geomspace(1, d.steps, TIMES).round().astype(int))
    x_0, n = model.standard(test), len(test)
    labels = data.test_labels[:n] if model.classes and data.test_labels is not None else None
    with model.ema.applied():
        terms = [model.step_terms(x_0, np.full(n, t), rng, labels).mean() for t in times]
    figure = pictures.Picture(figsize=(pictures.WIDTH, 3.7), layout="constrained")
    bound, signal = figure.subplots(1, 2)
    # The first is no KL: it is what the last, small step says of the pixel's own value.
    first = r"$t = 1$: $L_0 = -\log p(x_0|x_1)$"
    bound.plot(times[:1], terms[:1], "o", color=pictures.COLORS[1], label=first)
    kl = r"$t > 1$: $L_{t-1}$, a KL"
    bound.plot(times[1:], terms[1:], ".-", color=pictures.COLORS[0], markersize=4, label=kl)
    bound.set_xscale("log")
    what = "points" if isinstance(data, Points) else "images"
    bound.set_title(f"terms of the bound, mean of {n} test {what}", fontsize=11, loc="left")
    bound.set(xlabel="$t$", ylabel="nats", ylim=(min(0, *terms) - 0.03 * max(terms), None))
    t = np.arange(d.steps + 1)
    signal.plot(t, d.alpha_bar, color=pictures.COLORS[0], label=r"$\bar\alpha_t$, signal")
    signal.plot(t, d.noise, color=pictures.COLORS[1], label=r"$1 - \bar\alpha_t$, noise")
    signal.set_title(f"{model.settings.schedule} schedule, $T={d.steps}$", fontsize=11, loc="left")
    signal.set(xlabel="$t$", ylabel="variance")
    for axes in (bound, signal):
        axes.spines[["top", "right"]].set_visible(False)
        pictures.legend_below(axes)
    figure.suptitle(model.title(data), fontsize=11)
    return figure
