"""Optimisers: how a gradient changes a parameter.

The parameters are updated in place, in blocks that fit a processor's cache. So a step reads memory
once and allocates very little. The state has the dtype of its parameter. A learning rate is a
number, or a schedule: a function from the step, counted from 0, to a number.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograd.array import Array, namespace, to_device
from autograd.memory import note_write
from autograd.tensor import Tensor

Parameters = Mapping[str, Tensor]
Schedule = Callable[[int], float]
Rate = float | Schedule
BLOCK = 32_768


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
        rate = self.schedule(self.steps)
        self.steps += 1
        for name, parameter in self.parameters.items():
            if parameter.grad is None:
                continue
            slots = [self._state[f"{slot}.{name}"] for slot in self.slots]
            note_write(parameter.data, f"step {self.steps} of {type(self).__name__}")
            for block in _blocks(parameter.data, parameter.grad.data, *slots):
                self.update(rate, *block)

    def update(self, rate: float, p: Array, g: Array, *slots: Array) -> None:
        """Change `p` and `slots` in place by the gradient `g`, which must not be written to."""
        raise NotImplementedError

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


def _blocks(*arrays: Array) -> Iterator[list[Array]]:
    """The arrays, flat, in blocks of the same elements; whole where flattening would copy.

    The gradient, the second array, may be copied, since it is only read. On a GPU the arrays stay
    whole, since each block would cost kernel launches.
    """
    written = (arrays[0], *arrays[2:])
    on_gpu = namespace(arrays[0]) is not np
    if on_gpu or not all(array.flags.c_contiguous for array in written):
        yield list(arrays)
        return
    flat = [array.reshape(-1) for array in arrays]
    for start in range(0, flat[0].size, BLOCK):
        yield [array[start : start + BLOCK] for array in flat]


class SGD(Optimizer):
    """v <- momentum v + g;  p <- p - rate v."""

    slots = ("velocity",)

    def __init__(self, parameters: Parameters, learning_rate: Rate, momentum: float = 0.0):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, rate, p, g, v):
        v *= self.momentum
        v += g
        p -= rate * v


class RMSprop(Optimizer):
    """s <- decay s + (1 - decay) g^2;  p <- p - rate g / (sqrt(s) + eps)."""

    slots = ("square",)

    def __init__(self, parameters: Parameters, learning_rate: Rate = 1e-3, decay=0.99, eps=1e-8):
        super().__init__(parameters, learning_rate)
        self.decay, self.eps = decay, eps

    def update(self, rate, p, g, s):
        s *= self.decay
        s += (1 - self.decay) * g * g
        p -= rate * g / (s**0.5 + self.eps)


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

    def update(self, rate, p, g, m, s):
        xp = namespace(p)
        b1, b2 = self.betas
        scratch = g * (1 - b1)
        m *= b1
        m += scratch
        xp.multiply(g, g, out=scratch)
        scratch *= 1 - b2
        s *= b2
        s += scratch
        xp.sqrt(s, out=scratch)
        scratch /= math.sqrt(1 - b2**self.steps)
        scratch += self.eps
        xp.divide(m, scratch, out=scratch)
        scratch *= rate / (1 - b1**self.steps)
        if self.weight_decay:
            p *= 1 - rate * self.weight_decay
        p -= scratch


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


def clip_gradients(parameters: Parameters, max_norm: float) -> float:
    """Scale all gradients together so that their joint norm is at most `max_norm`.

    Returns the norm before. The gradients are replaced and not written to, since other code may
    hold them.
    """
    grads = {name: p.grad.data for name, p in parameters.items() if p.grad is not None}
    total = math.sqrt(sum(float((g.astype(np.float64) ** 2).sum()) for g in grads.values()))
    if total > max_norm:
        for name, g in grads.items():
            parameters[name].grad = Tensor(g * float(max_norm / total))
    return total


class EMA:
    """The exponential moving average of parameters: a <- d a + (1 - d) p,  d <= decay.

    d = min(decay, (1 + t) / (10 + t)) after t updates, since with d = decay the untrained
    parameters would stay in the average for 1 / (1 - decay) steps (TensorFlow,
    `tf.train.ExponentialMovingAverage` with `num_updates`).
    """

    def __init__(self, parameters: Parameters, decay: float = 0.999):
        self.parameters, self.decay = parameters, decay
        self.average = {name: p.data.copy() for name, p in parameters.items()}

    def update(self, t: int) -> None:
        decay = min(self.decay, (1 + t) / (10 + t))
        for name, average in self.average.items():
            note_write(average, "an update of EMA")
            average *= decay
            average += (1 - decay) * self.parameters[name].data

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
