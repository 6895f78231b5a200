"""The steps of a training. A GPU makes one as a whole, by a CUDA graph (`autograd.replay`).

The numbers of a step stay on the GPU until those of several are read together, so that the host
seldom waits for the GPU.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd import Array, Replayed, Rng, namespace, to_device
from models.data import Labels
from models.model import Model, Optimizers

MOST_UNREAD = 20  # steps


class Steps:
    """Makes the steps of a model, each on a batch of its own."""

    def __init__(self, model: Model, optimizers: Optimizers):
        self.model, self.optimizers, self.xp = model, optimizers, model.xp
        self.graphs: dict[int, Replayed] = {}  # of each stage
        self.unread: list[tuple[dict[str, Any], Array | None]] = []
        # What a step is given stays in the same objects: a graph has them read again.
        self.images: Callable[[Rng], np.ndarray]
        self.rng = np.random.default_rng()
        self.epoch: Any = np.array(0.0)
        self.labels: Labels = None

    def make(
        self,
        images: Callable[[Rng], np.ndarray],
        rng: Rng,
        epoch: float,
        labels: Labels,
        by_python: bool = False,
    ) -> None:
        """A step on images(rng), (N, pixels), of classes (N,) or None."""
        self.images, self.epoch[...] = images, epoch
        self.rng.bit_generator.state = rng.bit_generator.state
        if self.labels is None:
            self.labels = None if labels is None else labels.copy()
        else:
            self.labels[...] = labels
        stage = self.model.stage(epoch)
        if stage not in self.graphs:
            self.graphs[stage] = Replayed(self._update, self._state)
        there = self._update() if by_python else self._by_graph(self.graphs[stage])
        self.unread.append((self.numbers, None if there is None else there.copy()))

    def _by_graph(self, graph: Replayed) -> Array | None:
        """By Python until there is a graph."""
        before, there = graph.refused, graph()
        if graph.refused != before:
            self.model.zero_grad()  # which a graph that was not kept has left behind
        return there

    def _update(self) -> Array | None:
        """A step by the model; returns those of its numbers that are on a GPU, together."""
        x = self.model.sent(lambda: self.images(self.rng))
        given = x, self.rng, self.epoch, self.labels, self.optimizers
        self.numbers = self.model.update(*given)
        there = [n for n in self.numbers.values() if namespace(n) is not np]
        return namespace(there[0]).stack(there) if there else None

    def _state(self) -> list[Array]:
        """All that a step changes."""
        of_model = [tensor.data for tensor in self.model.tensors().values()]
        return of_model + [a for optimizer in self.optimizers.values() for a in optimizer.arrays]

    @property
    def due(self) -> bool:
        """Whether the numbers are to be read: on the CPU after each step."""
        return len(self.unread) == MOST_UNREAD or self.xp is np

    def read(self) -> list[dict[str, float]]:
        """The numbers of the steps since the last reading."""
        unread, self.unread = self.unread, []
        there = [vector for _, vector in unread if vector is not None]
        of_gpu = iter(to_device(namespace(there[0]).concatenate(there), "cpu") if there else ())

        def read(number: Any) -> float:
            return float(number if namespace(number) is np else next(of_gpu))

        return [{name: read(number) for name, number in numbers.items()} for numbers, _ in unread]
