"""The page of a GAN on the plane: the surface of D, and where it asks each sample to move."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from autograd import Tensor, grad
from models.adversarial.gan import GAN
from models.adversarial.gan_settings import COLLAPSING, UNROLLED
from models.adversarial.losses import LOSSES
from models.adversarial.networks import evaluating
from models.data import Points
from models.data.ring import GOOD_RADIUS
from models.errors import UsageError
from models.explore import Example, Page, Program, export

SAMPLES, DATA, COUNTED = 256, 400, 2000
GRID = 48  # values of the surface in each direction
REACH = 1.7  # as far as the modes


class GANPage(Page):
    title = "Two players on a plane: the GAN"
    look = (
        "Each arrow is minus the gradient of G's loss with respect to a sample, through D as it "
        "stands: where D asks that sample to move. G moves all with one step of its weights.",
        "Collapse: where G learns faster than D, all samples run to where D is highest. D then "
        "learns that place, the hill moves on, and the samples go after it.",
        "A cure: with unrolled_steps G looks some steps of D ahead. Then nothing is gained by "
        "moving to a place that D would soon learn, and the samples spread over the modes.",
    )
    demo: ClassVar = {
        name: Example("ring", {**dataclasses.asdict(settings), "hidden": (32, 32, 32)}, keep=16)
        for name, settings in (("collapsing", COLLAPSING), ("unrolled", UNROLLED))
    }

    def __init__(self, runs: Sequence[Any]):
        for run in runs:
            if not isinstance(run.data, Points):
                raise UsageError(
                    f"{run.directory}: its samples are images, and the page is for points: train "
                    "one with chainrule train gan --data ring"
                )
            if run.model.classes or run.settings.minibatch_kernels:
                raise UsageError(
                    f"{run.directory}: its D judges more than a point: the page is for a GAN with "
                    "conditional=no and minibatch_kernels=0"
                )
        super().__init__(runs)

    def content(self) -> dict[str, Any]:
        return {
            "grid": GRID,
            "reach": REACH * max(float(np.abs(run.data.modes).max()) for run in self.runs),
            "radius": GOOD_RADIUS * self.runs[0].data.sigma,
            "runs": [{**_run(run), "settings": self.setting_of(run, "loss")} for run in self.runs],
        }


def _run(run: Any) -> dict[str, Any]:
    model, data = run.model, run.data
    z = np.random.default_rng(0).standard_normal((SAMPLES, run.settings.latent), np.float32)
    with evaluating(model):
        times = [{"step": step, **_time(model, data, z)} for step in run.replay()]
    return {
        "name": run.directory.name,
        "critic": LOSSES[run.settings.loss].has_critic,
        "steps": run.total_steps,
        "z": z,
        "data": data.test[:DATA],
        "modes": data.modes,
        "times": times,
    }


def _time(model: GAN, data: Points, z: np.ndarray) -> dict[str, Any]:
    """Both players as they were, as programs: for one point, and for the grid or the samples."""
    grid = np.random.default_rng(0).standard_normal((GRID**2, 2), np.float32)
    counted = model.sample(COUNTED, np.random.default_rng(0))

    def program(function: Callable[..., Tensor], n: int) -> Program:
        return export(lambda x: function(model, x), [grid[:n]], [2 * grid[:n]])

    return {
        "generate": export(model.generator, [z], [2 * z]),
        "surface": program(judge, GRID**2),
        "judge": program(judge, 1),
        "arrows": program(arrows, SAMPLES),
        "arrow": program(arrows, 1),
        "modes": data.modes_covered(counted),
        "good": data.share_of_good(counted),
    }


def judge(model: GAN, x: np.ndarray) -> Tensor:
    """D's probability that points (N, 2) are data; or a critic's scores: (N,)."""
    return LOSSES[model.settings.loss].output(model.discriminator(x))


def arrows(model: GAN, x: np.ndarray) -> Tensor:
    """Minus the gradient of G's loss by each point, (N, 2)."""
    points = Tensor(x, requires_grad=True)
    loss = LOSSES[model.settings.loss].generator(model.discriminator(points)).sum()
    return -grad(loss, points, create_graph=True)
