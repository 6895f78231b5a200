"""The page of a DDPM: the field of the score at each t, and two samplers step by step."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from autograd import Tensor
from models.data import Points
from models.diffusion.ddpm import DDPM
from models.errors import UsageError
from models.explore import Page, Program, export

SAMPLES, PATHS = 256, 6  # points of each sampler; ancestral paths from one point
GRID = 17  # arrows in each direction
STEPS = (25, 10, 5)  # besides all T


class DDPMPage(Page):
    title = "Noise and its undoing: diffusion"
    look = (
        "At t = T an arrow points to the mean of all data. As t falls, the field splits until each "
        "point is drawn to a mode of its own.",
        "Both samplers begin with the same noise. DDIM is a function of it, and its paths are "
        "smooth. Ancestral sampling adds noise at each step, so its paths from one point part.",
        "With few steps DDIM still finds the modes. With a class and a guidance w, samples leave "
        "the other modes; a large w drives them out beyond their own.",
    )
    demo: ClassVar = {
        "conditional": {"T": 50, "width": 48, "epochs": 30, "conditional": True, "drop": 0.2}
    }
    demo_data, demo_times = "ring", 6

    def __init__(self, runs: Sequence[Any]):
        for run in runs:
            if not isinstance(run.data, Points):
                raise UsageError(
                    f"{run.directory}: it makes images, and the page is for points: train one with "
                    "chainrule train ddpm --data ring"
                )
            if run.settings.fourier:
                raise UsageError(
                    f"{run.directory}: fourier=yes is for levels, and points have none"
                )
        super().__init__(runs)

    def content(self) -> dict[str, Any]:
        return {"grid": GRID, "paths": PATHS, "runs": [_run(run) for run in self.runs]}


def _run(run: Any) -> dict[str, Any]:
    model, data = run.model, run.data
    T, standardise = run.settings.T, model.standardise
    times = []
    for step in run.replay():
        with model.ema.applied():
            times.append({"step": step, **_programs(model)})
    return {
        "name": run.directory.name,
        "steps": run.total_steps,
        "T": T,
        "classes": model.classes,
        "alpha_bar": model.diffusion.alpha_bar,
        "noise": model.diffusion.noise,
        "x_0": _denoising(model),
        "samplers": [_sampler(model, n) for n in (T, *(n for n in STEPS if n < T))],
        "data": standardise(data.test[:SAMPLES]),
        "modes": standardise(data.modes.astype(np.float32)),
        "times": times,
    }


def _programs(model: DDPM) -> dict[str, Program]:
    """The network for one point, and for as many as the page has at once; of x_t, t and a class.

    All points have the same t (1,) and the same class (1,), of which the last one is no class.
    """
    t, label = np.array([1]), np.array([0])
    others = np.array([model.settings.T]), np.array([model.classes])

    def program(n: int) -> Program:
        x = np.random.default_rng(0).standard_normal((n, 2), np.float32)
        return export(network(model), [x, t, label], [2 * x, *others])

    sizes = {"one": 1, "several": PATHS, "samples": SAMPLES, "field": GRID**2}
    return {name: program(n) for name, n in sizes.items()}


def network(model: DDPM) -> Callable[..., Tensor]:
    def predict(x_t: np.ndarray, t: np.ndarray, label: np.ndarray) -> Tensor:
        return model.predict(Tensor(x_t), t, label if model.classes else None)

    return predict


def _denoising(model: DDPM) -> dict[str, np.ndarray]:
    """x_0 is a sum of the network's output and x_t: the weight of each, at 0 ... T."""
    t = np.arange(model.settings.T + 1)
    one, zero = np.ones((len(t), 1)), np.zeros((len(t), 1))
    of = model.diffusion.x_0_from
    objective = model.settings.objective
    return {
        "on_output": of(objective, one, zero, t)[:, 0],
        "on_x_t": of(objective, zero, one, t)[:, 0],
    }


def _sampler(model: DDPM, steps: int) -> dict[str, Any]:
    """The times of a sampler, T to 0, and what leads from each to the next, for both of them."""
    times = np.linspace(model.settings.T, 0, steps + 1).round().astype(int)
    t, s = times[:-1], times[1:]
    posteriors = {"ddim": model.diffusion.posterior(t, s, 0.0)}
    ancestral = model.diffusion.posterior(t, s)
    variance = model.diffusion.variance(model.settings.variance, t, s)
    posteriors["ancestral"] = ancestral._replace(variance=np.where(s == 0, 0, variance))
    tables = {
        name: {"on_x_0": p.on_x_0, "on_x_t": p.on_x_t, "sigma": np.sqrt(p.variance)}
        for name, p in posteriors.items()
    }
    return {"times": times, **tables}
