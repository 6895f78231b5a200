"""The report of a DDPM: its bound by step, its samples, and noise turning into them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, Rng, no_grad
from models import pictures
from models.data import Dataset, Points
from models.diffusion.ddpm import DDPM
from models.pictures import Panel
from models.report import Report, Row

STRIP_TIMES = 12  # of the strip from noise to image; half as many of points
STRIP_IMAGES, STRIP_POINTS = 6, 1000
BOUND_TIMES = 60  # at which the bound is plotted, and images that it is averaged over


class DDPMReport(Report):
    model: DDPM

    @property
    def model_name(self) -> str:
        s = self.model.settings
        return f"{super().model_name} ({s.schedule}, {s.objective})"

    @property
    def sampler(self) -> str:
        s = self.model.settings
        names = {"ddim": f"DDIM, eta {s.eta:g}", "ddpm": f"ancestral, {s.variance} variance"}
        guidance = f", guidance w = {s.guidance:g}" if s.guidance else ""
        return f"{names[s.sampler]}, {s.sampling_steps or s.T} steps{guidance}"

    @property
    def names(self) -> dict[str, str]:
        terms = {"prior": "prior L_T", "steps": "steps L_1 ... L_{T-1}", "decoder": "decoder L_0"}
        return super().names | terms

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        remarks = {"steps": f"{self.model.settings.bound_terms or 'all'} terms an image"}
        return super().rows(numbers) + [
            Row(f"  {self.names[key]}", numbers[key], remarks.get(key, ""))
            for key in ("prior", "steps", "decoder")
        ]

    def panels(self) -> list[Panel]:
        of_points = isinstance(self.data, Points)
        image, pixel = ("point", "coordinate") if of_points else ("image", "pixel")
        halves = {"little_noise": r"$t \leq T/2$", "much_noise": "$t > T/2$"}
        nats, test = f"nats per {image}", {"nll": "test"}
        return [
            Panel("loss: squared error", f"per {pixel}", {"loss": "all $t$", **halves}),
            Panel(pictures.typeset(self.names["nll"]), nats, {}, test, self.baseline_line),
        ]

    def pictures(self, images: Array, rng: Rng) -> dict[str, Figure]:
        """Samples, the strip from noise to image, and the bound at each step."""
        model, data, title = self.model, self.data, f"{self.title}\n{self.sampler}"
        samples = self.samples(images, rng, f"{self.sampler}\nsamples")
        if isinstance(data, Points):
            strip = times_of(model, STRIP_POINTS, STRIP_TIMES // 2, rng)
            sets = {f"t = {t}": points for t, points in strip.items()}
            denoising = pictures.scatter(data, sets, f"{title}\nfrom noise to points")
        else:
            strip = times_of(model, STRIP_IMAGES, STRIP_TIMES, rng)
            rows = [np.stack(row) for row in zip(*strip.values())]
            times = ["t = T", *map(str, list(strip)[1:])]
            title = f"{title}\nfrom noise to image, t = {model.settings.T} to 0"
            denoising = pictures.rows(rows, title, columns=times, ink=data.ink)
        steps = _bound_by_time(model, data, images[:BOUND_TIMES], rng, self.title)
        return {"samples": samples, "denoising": denoising, "steps": steps}


@no_grad()
def times_of(model: DDPM, n: int, count: int, rng: Rng) -> dict[int, np.ndarray]:
    """The same n samples at up to `count` times from T to 0, later ones closer together."""
    with model.ema.applied():
        sampler = model.sampler(model.classes_of(n, None))
        chain = dict(sampler.chain(n, rng))
    times = sorted(chain, reverse=True)
    # Most of what the eye sees happens late, when little noise is left.
    chosen = (len(times) - 1) * np.linspace(0, 1, min(count, len(times))) ** 0.6
    return {times[i]: model.as_images(chain[times[i]]) for i in chosen.round().astype(int)}


@no_grad()
def _bound_by_time(model: DDPM, data: Dataset, test: Array, rng: Rng, title: str) -> Figure:
    """Left, the terms of the bound by t; right, how much signal and noise x_t has."""
    d = model.diffusion
    times = np.unique(np.geomspace(1, d.steps, BOUND_TIMES).round().astype(int))
    x_0, n = model.standardise(test), len(test)
    labels = data.test_labels[:n] if model.classes and data.test_labels is not None else None
    with model.ema.applied():
        terms = [model.step_terms(x_0, np.full(n, t), rng, labels).mean() for t in times]
    figure = pictures.Picture(figsize=(pictures.WIDTH, 3.7), layout="constrained")
    bound, signal = figure.subplots(1, 2)
    # The first is no KL: it is -log p of the pixel's value after the last, small step.
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
    figure.suptitle(title, fontsize=11)
    return figure
