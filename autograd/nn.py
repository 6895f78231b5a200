"""Layers: parameters by name, and the function that uses them.

The layouts and the default initialisation are PyTorch's, so weights can be copied unchanged. Every
layer that starts from random numbers takes their generator.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from autograd import ops
from autograd.array import Rng, namespace, to_device
from autograd.memory import note_write
from autograd.modes import mode
from autograd.ops.shape import by_channel
from autograd.tensor import Tensor, Values, array_of
from autograd.watch import tell
from kernels import Mask, Pair, pair


class Module:
    """A function with parameters. Its Tensors, and those of its Modules, have dotted names.

    A Tensor that requires a gradient is a parameter. Any other is a buffer, which is saved with
    the parameters but not trained.
    """

    training = True

    def forward(self, *args: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no forward")

    def __call__(self, *args: Any) -> Any:
        watchers = mode().watchers
        tell(watchers, "entered", self)
        try:
            return self.forward(*args)
        finally:
            tell(watchers, "left", self)

    def tensors(self) -> dict[str, Tensor]:
        """Every parameter and buffer, in order of definition; shared ones by their first name."""
        first: dict[int, tuple[str, Tensor]] = {}
        for name, tensor in self.named_tensors():
            first.setdefault(id(tensor), (name, tensor))
        return dict(first.values())

    def named_tensors(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """The parameters and buffers, shared ones by each of their names."""
        for name, value in _members(self):
            if isinstance(value, Tensor):
                yield prefix + name, value
            else:
                yield from value.named_tensors(f"{prefix}{name}.")

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """This one, by the name "", and every Module inside it."""
        yield prefix.removesuffix("."), self
        for name, value in _members(self):
            if isinstance(value, Module):
                yield from value.named_modules(f"{prefix}{name}.")

    def parameters(self) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in self.tensors().items() if tensor.requires_grad}

    def __repr__(self) -> str:
        """A line for each module that has Tensors of its own: its parameters and their number."""
        rows = []
        for name, module in self.named_modules():
            tensors = {part: t for part, t in _members(module) if isinstance(t, Tensor)}
            parts = [f"{part} {t.shape}" for part, t in tensors.items() if t.requires_grad]
            if buffers := len(tensors) - len(parts):
                parts.append(f"{buffers} buffer{'s' * (buffers > 1)}")
            if tensors:
                rows.append((name, type(module).__name__, f"{_count(tensors):,}", ", ".join(parts)))
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        title = f"{type(self).__name__}, {_count(self.parameters()):,} parameters"
        return "\n  ".join([title, *lines])

    def zero_grad(self) -> None:
        for parameter in self.parameters().values():
            parameter.grad = None

    def train(self, training: bool = True) -> None:
        """Switch to training, or with False to evaluation: for BatchNorm and Dropout."""
        self.training = training
        for _, value in _members(self):
            if isinstance(value, Module):
                value.train(training)

    def to(self, device: str) -> None:
        """Move every parameter and buffer, with its gradient, to `device`, "cpu" or "cuda".

        Make the optimiser afterwards, since its arrays are on the device of the parameters.
        """
        for tensor in self.tensors().values():
            tensor.data = to_device(tensor.data, device)
            if tensor.grad is not None:
                tensor.grad = tensor.grad.to(device)

    def state(self) -> dict[str, np.ndarray]:
        """Copies of every parameter and buffer, in NumPy."""
        return {name: tensor.numpy().copy() for name, tensor in self.tensors().items()}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Copy arrays into the Tensors of the same names; nothing is changed if one is wrong.

        Raises ValueError for an array that is missing, unknown, or of another shape.
        """
        tensors = self.tensors()
        if missing := sorted(tensors.keys() - state.keys()):
            raise ValueError(f"missing {', '.join(missing)}")
        if unknown := sorted(state.keys() - tensors.keys()):
            raise ValueError(f"unknown {', '.join(unknown)}")
        arrays = {name: np.asarray(state[name], tensors[name].dtype) for name in tensors}
        for name, tensor in tensors.items():
            if arrays[name].shape != tensor.shape:
                raise ValueError(f"{name} is {arrays[name].shape}, not {tensor.shape}")
        for name, tensor in tensors.items():
            note_write(tensor.data, "load_state")
            tensor.data[...] = namespace(tensor.data).asarray(arrays[name])


def _members(module: Module) -> Iterator[tuple[str, "Tensor | Module"]]:
    """The Tensors and Modules among a Module's attributes, and in lists and dicts of them."""
    pending = list(vars(module).items())
    while pending:
        name, value = pending.pop(0)
        if isinstance(value, Tensor | Module):
            yield name, value
        elif isinstance(value, list | tuple | dict):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            pending = [(f"{name}.{key}", item) for key, item in items] + pending


def _count(tensors: Mapping[str, Tensor]) -> int:
    """How many parameters they have; buffers have none."""
    return sum(tensor.size for tensor in tensors.values() if tensor.requires_grad)


def parameter(values: Any) -> Tensor:
    """A float32 Tensor that requires a gradient."""
    return Tensor(np.array(values, dtype=np.float32), requires_grad=True)


def _uniform(rng: Rng, fan_in: int, *shapes: tuple[int, ...] | None) -> list[Any]:
    """From U(-1/sqrt(fan_in), 1/sqrt(fan_in)): PyTorch's default for weights and biases."""
    bound = 1 / math.sqrt(fan_in)
    return [shape and parameter(rng.uniform(-bound, bound, shape)) for shape in shapes]


class Linear(Module):
    """y = x W^T + b: (..., inputs) to (..., outputs); b is None if `bias` is False."""

    def __init__(self, inputs: int, outputs: int, rng: Rng, bias: bool = True):
        shapes = (outputs, inputs), (outputs,) if bias else None
        self.weight, self.bias = _uniform(rng, inputs, *shapes)

    def forward(self, x: Values) -> Tensor:
        return ops.linear(x, self.weight, self.bias)


class Conv2d(Module):
    """(N, inputs, H, W) to (N, outputs, OH, OW), with all taps or the live taps of a mask.

    Each of `groups` sees its own channels only, in a convolution of its own.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: Pair,
        rng: Rng,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        mask: Mask | None = None,
        groups: int = 1,
        bias: bool = True,
    ):
        if inputs % groups or outputs % groups:
            raise ValueError(f"{inputs} and {outputs} channels do not divide into {groups} groups")
        shape = (outputs, inputs // groups, *pair(kernel_size))
        of_bias = (outputs,) if bias else None
        self.weight, self.bias = _uniform(rng, math.prod(shape[1:]), shape, of_bias)
        self.groups = groups
        self.options = {"stride": stride, "padding": padding, "dilation": dilation, "mask": mask}

    def forward(self, x: Values) -> Tensor:
        if self.groups > 1:
            return ops.grouped_conv2d(x, self.weight, self.bias, self.groups, **self.options)
        return ops.conv2d(x, self.weight, self.bias, **self.options)


class CausalConv1d(Module):
    """(N, inputs, T) to (N, outputs, T): an output sees the present and the past."""

    def __init__(self, inputs: int, outputs: int, kernel_size: int, rng: Rng, dilation: int = 1):
        shape = (outputs, inputs, kernel_size)
        self.weight, self.bias = _uniform(rng, inputs * kernel_size, shape, (outputs,))
        self.dilation = dilation

    def forward(self, x: Values) -> Tensor:
        return ops.causal_conv1d(x, self.weight, self.bias, self.dilation)


class ConvTranspose2d(Module):
    """The adjoint of a Conv2d from outputs to inputs, used forwards: it enlarges by `stride`.

    OH = (H - 1) stride - 2 padding + kernel_size + output_padding.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: Pair,
        rng: Rng,
        stride: Pair = 1,
        padding: Pair = 0,
        output_padding: Pair = 0,
    ):
        shape = (inputs, outputs, *pair(kernel_size))
        fan_in = math.prod(shape[1:])  # PyTorch's definition for this layout
        self.weight, self.bias = _uniform(rng, fan_in, shape, (outputs,))
        self.options = {"stride": pair(stride), "padding": pair(padding)}
        self.output_padding = pair(output_padding)

    def forward(self, x: Values) -> Tensor:
        options = *self.options.values(), self.output_padding
        sizes = zip(x.shape[2:], self.weight.shape[2:], *options)
        size = tuple((n - 1) * s + k - 2 * p + more for n, k, s, p, more in sizes)
        return ops.conv2d_input_grad(x, self.weight, self.bias, input_size=size, **self.options)


class LSTMCell(Module):
    """A step of a long short-term memory (Hochreiter & Schmidhuber 1997, with a forget gate).

    From x (N, inputs) and the state (h, c), both (N, features), to the next state, with sigmoids
    i, f, o: c' = f c + i g and h' = o tanh(c'). The layout and the two biases are PyTorch's.
    """

    def __init__(self, inputs: int, features: int, rng: Rng):
        shapes = [(4 * features, n) for n in (inputs, features)] + [(4 * features,)] * 2
        self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh = _uniform(
            rng, features, *shapes
        )

    def forward(self, x: Values, state: tuple[Values, Values]) -> tuple[Tensor, Tensor]:
        h, c = state
        gates = ops.linear(x, self.weight_ih, self.bias_ih)
        gates = gates + ops.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = ops.split(gates, 4, axis=-1)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        return ops.sigmoid(o) * ops.tanh(c), c


class Embedding(Module):
    """Integers of any shape to vectors: (...) to (..., features)."""

    def __init__(self, entries: int, features: int, rng: Rng):
        self.weight = parameter(rng.standard_normal((entries, features)))

    def forward(self, indices: Values) -> Tensor:
        return ops.embedding(self.weight, indices)


class BatchNorm(Module):
    """Normalise each feature, axis 1, over the batch and all positions (Ioffe & Szegedy 2015).

    In evaluation it uses running averages of the mean and of the unbiased variance.
    """

    def __init__(self, features: int, momentum: float = 0.1, eps: float = 1e-5):
        self.weight, self.bias = parameter(np.ones(features)), parameter(np.zeros(features))
        self.running_mean = Tensor(np.zeros(features, dtype=np.float32))
        self.running_var = Tensor(np.ones(features, dtype=np.float32))
        self.momentum, self.eps = momentum, eps

    def forward(self, x: Values) -> Tensor:
        _expect(self, x.shape[1], self.weight.size)
        if not self.training:
            scale = self.weight / ops.sqrt(self.running_var + self.eps)
            shift = self.bias - self.running_mean * scale
            return x * by_channel(scale, x.ndim) + by_channel(shift, x.ndim)
        n = x.size // x.shape[1]
        if n < 2:
            raise ValueError(f"BatchNorm of {x.shape}: one value a feature has no variance")
        mean = ops.sum_by_channel(array_of(x)) / n
        deviation = array_of(x) - by_channel(mean, x.ndim)
        self._average(self.running_mean, mean)
        self._average(self.running_var, ops.sum_by_channel(deviation * deviation) / (n - 1))
        one, features = (1, 0, *range(2, x.ndim)), self.weight.size
        flat = ops.transpose(x, axes=one).reshape(1, features, n)  # as a single example
        y = ops.group_norm(flat, self.weight, self.bias, groups=features, eps=self.eps)
        return y.reshape(features, *(x.shape[i] for i in one[1:])).transpose(one)

    def _average(self, running: Tensor, value: Any) -> None:
        # A new array, since a graph may hold the old one.
        running.data = running.data + self.momentum * (value - running.data)


class LayerNorm(Module):
    """Normalise the last axis of each example (Ba et al. 2016)."""

    def __init__(self, features: int, eps: float = 1e-5):
        self.weight, self.bias = parameter(np.ones(features)), parameter(np.zeros(features))
        self.eps = eps

    def forward(self, x: Values) -> Tensor:
        _expect(self, x.shape[-1], self.weight.size)
        centred = x - ops.mean(x, -1, keepdims=True)
        deviation = ops.sqrt(ops.mean(centred * centred, -1, keepdims=True) + self.eps)
        return centred / deviation * self.weight + self.bias


class GroupNorm(Module):
    """Normalise groups of channels, axis 1, of each example (Wu & He 2018)."""

    def __init__(self, groups: int, channels: int, eps: float = 1e-5):
        if channels % groups:
            raise ValueError(f"{channels} channels do not divide into {groups} groups")
        self.weight, self.bias = parameter(np.ones(channels)), parameter(np.zeros(channels))
        self.groups, self.eps = groups, eps

    def forward(self, x: Values) -> Tensor:
        _expect(self, x.shape[1], self.weight.size)
        return ops.group_norm(x, self.weight, self.bias, groups=self.groups, eps=self.eps)


def _expect(layer: Module, found: int, features: int) -> None:
    if found != features:
        raise ValueError(f"{type(layer).__name__} is for {features} features, not {found}")


class Dropout(Module):
    """In training, set a share `rate` of the elements to 0 and scale the rest to the same mean."""

    def __init__(self, rate: float, rng: Rng):
        if not 0 <= rate < 1:
            raise ValueError(f"a dropout rate is in [0, 1), not {rate}")
        self.rate, self.rng = rate, rng

    def forward(self, x: Values) -> Any:
        if not self.training or self.rate == 0:
            return x
        kept = namespace(array_of(x)).asarray(self.rng.random(x.shape) >= self.rate)
        return x * (kept.astype(x.dtype) / (1 - self.rate))


class Sequential(Module):
    """One step after another: Modules, or functions such as `relu`."""

    def __init__(self, *steps: Callable):
        self.steps = steps

    def forward(self, x: Values) -> Any:
        for step in self.steps:
            x = step(x)
        return x
