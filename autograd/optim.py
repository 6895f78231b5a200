"""Optimisers: how a gradient changes a parameter.

The parameters are updated in place, each in one pass over memory (kernels/optimizer). The state has
the dtype of its parameter. A learning rate is a number, or a schedule: a function from the step,
counted from 0, to a number.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograd.array import Array, namespace, to_device
from autograd.memory import note_write
from autograd.replay import sent
from autograd.tensor import Tensor
from kernels import optimizer

Arrays = list[Array]
Parameters = Mapping[str, Tensor]
Schedule = Callable[[int], float]
Rate = float | Schedule


class Optimizer:
    """Parameters, the state arrays of each (`slots`), and the number of steps taken."""

    slots: tuple[str, ...] = ()

    def __init__(self, parameters: Parameters, learning_rate: Rate):
        if not isinstance(parameters, Mapping):
            raise TypeError("parameters have names: give module.parameters(), or {'w': w}")
        self.parameters = parameters
        self.schedule = learning_rate if callable(learning_rate) else lambda step: learning_rate
        self.steps = 0
        self._state = {
            f"{slot}.{name}": namespace(parameter.data).zeros_like(parameter.data)
            for slot in self.slots
            for name, parameter in parameters.items()
        }

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        grads = {name: p.grad.data for name, p in self.parameters.items() if p.grad is not None}
        if not grads:
            self.steps += 1
            return
        arrays = [self.parameters[name].data for name in grads]
        numbers = sent(self._next_numbers, arrays[0], float)
        for array in arrays:
            note_write(array, f"step {self.steps} of {type(self).__name__}")
        slots = [[self._state[f"{slot}.{name}"] for name in grads] for slot in self.slots]
        self.update(numbers, arrays, list(grads.values()), *slots)

    def _next_numbers(self) -> tuple[float, ...]:
        self.steps += 1
        return self.numbers(self.steps)

    def numbers(self, step: int) -> tuple[float, ...]:
        """What is new in a step, counted from 1: the learning rate, and what depends on it."""
        return (self.schedule(step - 1),)

    def update(self, numbers: Array, ps: Arrays, gs: Arrays, *slots: Any) -> None:
        """Change the parameters and the slots in place by the gradients, which stay."""
        raise NotImplementedError

    @property
    def arrays(self) -> Arrays:
        """Those of the state, themselves."""
        return list(self._state.values())

    def state(self) -> dict[str, np.ndarray]:
        arrays = {name: to_device(array, "cpu").copy() for name, array in self._state.items()}
        return arrays | {"steps": np.array(self.steps)}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Copy what `state()` gave. Raises ValueError for an array missing or of another shape."""
        for name, array in self.state().items():
            if name not in state or state[name].shape != array.shape:
                raise ValueError(f"missing {name} of shape {array.shape}")
        if not state["steps"] >= 0:
            raise ValueError(f"steps is {state['steps']}")
        for name, array in self._state.items():
            array[...] = namespace(array).asarray(state[name])
        self.steps = int(state["steps"])


class SGD(Optimizer):
    """v <- momentum v + g;  p <- p - rate v."""

    slots = ("velocity",)

    def __init__(self, parameters: Parameters, learning_rate: Rate, momentum: float = 0.0):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, numbers, ps, gs, vs):
        optimizer.sgd(ps, gs, vs, numbers, self.momentum)


class RMSprop(Optimizer):
    """s <- decay s + (1 - decay) g^2;  p <- p - rate g / (sqrt(s) + eps)."""

    slots = ("square",)

    def __init__(self, parameters: Parameters, learning_rate: Rate = 1e-3, decay=0.99, eps=1e-8):
        super().__init__(parameters, learning_rate)
        self.decay, self.eps = decay, eps

    def update(self, numbers, ps, gs, ss):
        optimizer.rmsprop(ps, gs, ss, numbers, self.decay, self.eps)


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1), and with `weight_decay` AdamW.

    m <- b1 m + (1 - b1) g;  s <- b2 s + (1 - b2) g^2;
    p <- p - rate (m / (1 - b1^t)) / (sqrt(s / (1 - b2^t)) + eps),  t the steps of the optimiser
    """

    slots = ("mean", "square")
    weight_decay = 0.0

    def __init__(
        self, parameters: Parameters, learning_rate: Rate = 1e-3, betas=(0.9, 0.999), eps=1e-8
    ):
        super().__init__(parameters, learning_rate)
        self.betas, self.eps = betas, eps

    def numbers(self, step):
        (rate,), (b1, b2) = super().numbers(step), self.betas
        return rate / (1 - b1**step), math.sqrt(1 - b2**step), 1 - rate * self.weight_decay

    def update(self, numbers, ps, gs, ms, ss):
        b1, b2 = self.betas
        optimizer.adam(ps, gs, ms, ss, numbers, b1, b2, self.eps)


class AdamW(Adam):
    """Adam, with p <- (1 - rate weight_decay) p apart from it (Loshchilov & Hutter 2019).

    The other arguments are those of Adam.
    """

    def __init__(self, *arguments: Any, weight_decay: float = 0.01, **keywords: Any):
        super().__init__(*arguments, **keywords)
        self.weight_decay = weight_decay


def linear_schedule(start: float, end: float, steps: int) -> Schedule:
    """Linear from `start` at step 0 to `end` at `steps`, and constant after that."""
    return lambda step: start + (end - start) * min(step / steps, 1.0)


def cosine_schedule(start: float, end: float, steps: int) -> Schedule:
    """Half a cosine from `start` at 0 to `end` at `steps` (Loshchilov & Hutter 2017, eq. 5)."""
    return lambda step: end + (start - end) * (1 + math.cos(math.pi * min(step / steps, 1.0))) / 2


def warmup(schedule: Schedule, steps: int) -> Schedule:
    """`schedule`, scaled from 1/steps up to 1 over the first `steps` steps."""
    return lambda step: schedule(step) * min((step + 1) / steps, 1.0)


def clip_gradients(parameters: Parameters, max_norm: float) -> Any:
    """Scale all gradients together so that their joint norm is at most `max_norm`.

    Returns the norm before, on a GPU as an array, for which only its reader waits. The gradients
    are replaced and not written to, since other code may hold them.
    """
    grads = {name: p.grad.data for name, p in parameters.items() if p.grad is not None}
    if not grads:
        return 0.0
    clipped, norm = optimizer.clip(list(grads.values()), max_norm)
    for name, g in zip(grads, clipped):
        parameters[name].grad = Tensor(g)
    return norm


class EMA:
    """The exponential moving average of parameters: a <- d a + (1 - d) p,  d <= decay.

    d = min(decay, (1 + t) / (10 + t)) after t updates, since with d = decay the untrained
    parameters would stay in the average for 1 / (1 - decay) steps (TensorFlow,
    `tf.train.ExponentialMovingAverage` with `num_updates`).
    """

    def __init__(self, parameters: Parameters, decay: float = 0.999):
        self.parameters, self.decay = parameters, decay
        self.average = {name: p.data.copy() for name, p in parameters.items()}

    def update(self, t: Callable[[], int]) -> None:
        """After t() updates."""
        averages = list(self.average.values())
        for average in averages:
            note_write(average, "an update of EMA")
        ps = [self.parameters[name].data for name in self.average]
        numbers = sent(lambda: self.numbers(t()), averages[0], float)
        optimizer.average(averages, ps, numbers)

    def numbers(self, t: int) -> tuple[float, float]:
        """d and 1 - d, after t updates."""
        d = min(self.decay, (1 + t) / (10 + t))
        return d, 1 - d

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block the parameters have their averages; afterwards their own values."""
        before = {name: p.data for name, p in self.parameters.items()}
        try:
            for name, p in self.parameters.items():
                p.data = self.average[name]
            yield
        finally:
            for name, p in self.parameters.items():
                p.data = before[name]
