"""The page of a DDPM of points or images: two samplers step by step, and the score at each t."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from autograd import Tensor
from models.data import Points
from models.diffusion.ddpm import DDPM
from models.errors import UsageError
from models.explore import Example, Page, Program, export

SAMPLES, PATHS = 256, 6  # points of each sampler; ancestral paths from one point
IMAGES = 16  # of each sampler
GRID = 17  # arrows in each direction
STEPS = (25, 10, 5)  # besides all T


class DDPMPage(Page):
    title = "Noise and its undoing: diffusion"
    look = (
        "At t = T the network predicts the mean of all data, wherever x_t is. As t falls the field "
        "of the score splits, until each point is drawn to a mode, and each image to a digit.",
        "Both samplers begin with the same noise. DDIM is a function of it, and its paths are "
        "smooth. Ancestral sampling adds noise at each step, so its paths from one point part.",
        "With few steps DDIM still finds the modes. With a class, guidance w drives samples away "
        "from what is common to all classes: a large w takes them beyond their own mode.",
    )
    demo: ClassVar = {
        "ring": Example(
            "ring",
            {
                "T": 50, "width": 64, "epochs": 60, "learning_rate": 4e-3, "conditional": True,
                "drop": 0.5,
            },
            keep=4,
        ),
        "digits": Example(
            "digits",
            {
                "network": "mlp", "fourier": False, "T": 50, "width": 64, "epochs": 150,
                "batch": 100, "learning_rate": 2e-3, "conditional": True, "drop": 0.2,
                "sampling_steps": 0, "bound_terms": 4,
            },
        ),
    }  # fmt: skip

    def __init__(self, runs: Sequence[Any]):
        for run in runs:
            if run.model.channels == 3:
                raise UsageError(
                    f"{run.directory}: its images are in colour, and this page is for points and "
                    "grey images"
                )
            if run.settings.network != "mlp" or run.settings.fourier:
                raise UsageError(
                    f"{run.directory}: the page computes an mlp without further inputs: train one "
                    "with chainrule train ddpm --set network=mlp --set fourier=no"
                )
        super().__init__(runs)

    def content(self) -> dict[str, Any]:
        return {"grid": GRID, "paths": PATHS, "runs": [_run(run) for run in self.runs]}


def _run(run: Any) -> dict[str, Any]:
    model, data = run.model, run.data
    sizes = {"samples": IMAGES}
    if isinstance(data, Points):
        sizes = {"one": 1, "several": PATHS, "samples": SAMPLES, "field": GRID**2}
    times = []
    for step in run.replay():
        with model.ema.applied():
            programs = {name: _program(model, n) for name, n in sizes.items()}
        times.append({"step": step, **programs})
    points = isinstance(data, Points)
    return {
        "name": run.directory.name,
        "shape": model.shape,
        "levels": model.levels,
        "steps": run.total_steps,
        "T": run.settings.T,
        "classes": [data.class_name(i) for i in range(model.classes)],
        "alpha_bar": model.diffusion.alpha_bar,
        "noise": model.diffusion.noise,
        "x_0": _denoising(model),
        "samplers": [_sampler(model, n) for n in (run.settings.T, *STEPS) if n <= run.settings.T],
        "data": model.standardise(run.test_images[: sizes["samples"]]),
        "modes": model.standardise(data.modes.astype(np.float32)) if points else None,
        "times": times,
    }


def _program(model: DDPM, n: int) -> Program:
    """The network for n points or images x_t at once, all at one t (1,) and of one class (1,).

    The class after the last one is none.
    """
    x = np.random.default_rng(0).standard_normal((n, math.prod(model.shape)), np.float32)
    others = np.array([model.settings.T]), np.array([model.classes])
    return export(network(model), [x, np.array([1]), np.array([0])], [2 * x, *others])


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
