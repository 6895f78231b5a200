"""Layers: each a Module with its parameters, and the function that uses them.

The layouts and the default initialisation are PyTorch's, so weights can be copied unchanged. Every
layer that starts from random numbers takes their generator.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd import ops
from autograd.array import Rng
from autograd.memory import note_write
from autograd.module import Module
from autograd.ops.shape import by_channel
from autograd.replay import sent
from autograd.tensor import Tensor, Values, array_of
from kernels import Mask, Pair, pair, running_moments


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
        mean, var = self.running_mean, self.running_var
        for average in (mean.data, var.data):
            note_write(average, "BatchNorm")
        running_moments(array_of(x), mean.data, var.data, self.momentum)
        one, features = (1, 0, *range(2, x.ndim)), self.weight.size
        flat = ops.transpose(x, axes=one).reshape(1, features, n)  # as a single example
        y = ops.group_norm(flat, self.weight, self.bias, groups=features, eps=self.eps)
        return y.reshape(features, *(x.shape[i] for i in one[1:])).transpose(one)


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
        kept = sent(lambda: self.rng.random(x.shape) >= self.rate, array_of(x))
        return x * (kept.astype(x.dtype) / (1 - self.rate))


class Sequential(Module):
    """One step after another: Modules, or functions such as `relu`."""

    def __init__(self, *steps: Callable):
        self.steps = steps

    def forward(self, x: Values) -> Any:
        for step in self.steps:
            x = step(x)
        return x
