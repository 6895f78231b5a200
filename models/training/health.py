"""The health of a training: gradients and updates of each layer, and units that are dead.

A step that is recorded leaves a line in health.jsonl, with these numbers of each parameter:

    gradient.NAME    the norm of its gradient, the last in the step
    weight.NAME      the norm of its values before the step
    update.NAME      the norm of what the step added to them

and of each ReLU, by the layer before it,

    dead.LAYER       the share of its units that were 0 for all images, at all places
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, Tensor, namespace, nn
from autograd.tensor import Node
from autograd.watch import Watcher, watching
from models import pictures
from models.errors import Failure
from models.pictures import LayersPanel
from models.training.log import HEALTH, read_lines

RECENT_STEPS = 10  # recorded steps, over whose median a layer is judged: a single step is noisy
MAX_RATIO = 1000.0  # from the median layer: what one does in a step takes the other 1,000
HALF_SPACING = 2.0**-24  # of the weights, half that of float32: a sum with it is rounded off
USUAL_UPDATE = 1e-3  # of the weights: the rule of thumb for updates (Karpathy, cs231n, notes 3)
MAX_DEAD = 0.4  # of the units dead: a learning rate that is too high (the same, notes 1)


@contextmanager
def examined(model: nn.Module) -> Iterator[dict[str, float]]:
    """The block makes one step of training; afterwards the dict has the numbers of its line."""
    parameters = model.parameters()
    before = {name: p.data.copy() for name, p in parameters.items()}
    units, numbers = _Units(parameters), dict[str, float]()
    with watching(units):
        yield numbers
    for name, p in parameters.items():
        numbers[f"gradient.{name}"] = 0.0 if p.grad is None else _norm(p.grad.data)
        numbers[f"weight.{name}"] = _norm(before[name])
        numbers[f"update.{name}"] = _norm(p.data - before[name])
    for (layer, _), alive in units.alive.items():
        numbers[f"dead.{layer}"] = 1 - float(alive.mean())


@contextmanager
def recording(model: nn.Module, directory: Path, step: int) -> Iterator[None]:
    """As `examined`, and leaves the line of `step` in the file of the run in `directory`."""
    with examined(model) as numbers:
        yield
    with (directory / HEALTH).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"step": step, **numbers}) + "\n")


def _norm(x: Array) -> float:
    """In float64: float32 has no squares below 1e-45, and a gradient that vanishes needs them."""
    return float(namespace(x).linalg.norm(x.astype(np.float64)))


class _Units(Watcher):
    """Which units of each ReLU were not 0 for some image at some place; axis 1 has the units."""

    def __init__(self, parameters: Mapping[str, Tensor]):
        self.layers = {p.node: layer_of(name) for name, p in parameters.items()}
        self.alive: dict[tuple[str, int], Array] = {}

    def made(self, primitive: Any, out: Tensor, inputs: Sequence, keywords: Any) -> None:
        if primitive.name == "relu" and out.node and out.ndim > 1:
            alive = (out.data != 0).any(axis=(0, *range(2, out.ndim)))
            key = self._before(out.node), alive.size  # a tied layer has two kinds of units
            self.alive[key] = alive | self.alive.get(key, False)

    def _before(self, node: Node) -> str:
        """The layer whose parameters are nearest to `node`, on the way back from it."""
        nodes = {node: None}
        while nodes:
            for found in nodes:
                if found in self.layers:
                    return self.layers[found]
            nodes = {p: None for found in nodes for p in found.parents if p is not None}
        return "input"


def layer_of(name: str) -> str:
    """The layer that a parameter belongs to, by their dotted names; one of a list is its own."""
    layer, _, last = name.rpartition(".")
    return name if not layer or last.isdigit() else layer


class Health:
    """What was recorded of the `layers` of a model at `steps`: (layers, steps) each.

    `gradient` is the root mean square of a gradient, `update` the norm of an update over that of
    the weights, `dead` the share of units; NaN after a layer without a ReLU.
    """

    def __init__(self, lines: Sequence[Mapping[str, float]], model: nn.Module):
        sizes = {name: p.size for name, p in model.parameters().items()}
        names: dict[str, list[str]] = {}
        for name in sizes:
            names.setdefault(layer_of(name), []).append(name)

        def norms(kind: str) -> np.ndarray:
            every = [
                [[line[f"{kind}.{name}"] for line in lines] for name in own]
                for own in names.values()
            ]
            return np.array([np.linalg.norm(own, axis=0) for own in every])

        self.layers, self.steps = list(names), np.array([line["step"] for line in lines])
        count = np.array([[sum(sizes[name] for name in own)] for own in names.values()])
        self.gradient = norms("gradient") / np.sqrt(count)
        update, weight = norms("update"), norms("weight")
        infinite = np.where(update > 0, np.inf, 0.0)
        self.update = np.divide(update, weight, out=infinite, where=weight != 0)
        dead = [[line.get(f"dead.{layer}", np.nan) for line in lines] for layer in names]
        self.dead = np.array(dead)

    @classmethod
    def read(cls, directory: Path, model: nn.Module) -> "Health | None":
        """Of the run in `directory`; None if nothing was recorded. Failure for other layers."""
        lines = read_lines(directory / HEALTH)
        try:
            return cls(lines, model) if lines else None
        except KeyError as error:
            raise Failure(f"{directory / HEALTH} does not fit the model: no {error}") from error

    def remarks(self) -> list[str]:
        """A line for each layer that is not well, by the last recorded steps; or one for all.

        Layers that are no longer updated are named apart: of two stages, one is over.
        """
        found = []
        recent = [a[:, -RECENT_STEPS:] for a in (self.gradient, self.update, self.dead)]
        rests = (recent[1] == 0).all(axis=1) & (self.update > 0).any(axis=1)
        middle = np.median(recent[0][~rests]) if not rests.all() else 0.0
        medians = zip(self.layers, *(np.median(a, axis=1) for a in recent))
        for i, (layer, gradient, update, dead) in enumerate(medians):
            finite = np.isfinite(self.gradient[i])
            share = gradient / middle if middle else 1.0
            if not finite.all():
                step = self.steps[~finite][0]
                found.append(f"gradient of {layer}: not finite at step {step:,}")
            elif rests[i]:
                continue
            elif gradient == 0:
                found.append(f"gradient of {layer}: exactly 0, so no gradient trains it")
            elif share < 1 / MAX_RATIO:
                found.append(f"gradient of {layer}: {share:.1g} of the median layer's: it vanishes")
            elif share > MAX_RATIO:
                found.append(
                    f"gradient of {layer}: {share:.1g} times the median layer's: it explodes"
                )
            if 0 < update < HALF_SPACING:
                found.append(f"update of {layer}: {update:.1g} of its weights, lost in rounding")
            elif 1 <= update < np.inf:
                found.append(
                    f"update of {layer}: {update:.1g} of its weights; {USUAL_UPDATE:g} is usual"
                )
            if dead > MAX_DEAD:
                found.append(
                    f"units after {layer}: {dead:.0%} are 0 for the whole batch: they are dead"
                )
        found = found or ["gradients, updates and units: no layer is far from the others"]
        if rests.any():
            last = self.steps[(self.update[rests] > 0).any(axis=0)][-1]
            names = ", ".join(layer for layer, rest in zip(self.layers, rests) if rest)
            found.append(f"no longer updated after step {last:,}, so not judged: {names}")
        return found

    def picture(self, steps_per_epoch: int, title: str) -> Figure:
        """The three numbers of each layer, over the epochs."""
        low, high = USUAL_UPDATE / 1000, USUAL_UPDATE * 1000
        panels = [
            LayersPanel(
                "gradient (root mean square)",
                np.where(np.isfinite(self.gradient), self.gradient, np.nan),
            ),
            LayersPanel("update / weights", self.update, (low, high), mark=USUAL_UPDATE),
        ]
        if not np.isnan(self.dead).all():
            panels.append(LayersPanel("dead units", self.dead, (0, 1), False, missing="0.93"))
        return pictures.layers(self.layers, (self.steps - 1) / steps_per_epoch, panels, title)
