"""The floor of a step of training: what no program for it can be faster than on this machine.

It is counted while the engine makes a step:

    operations   of products and convolutions, those of the live taps inside the image. What others
                 need (a tanh, a norm, Adam) depends on how it is computed, and counts as none
    bytes        of what has to wait in memory. What the graph keeps for the sweep is written, or as
                 a parameter or the batch read, and read by the sweep. An optimiser reads and writes
                 parameters and state, and reads the gradients, which the sweep wrote. What passes
                 from one primitive to the next counts as none: it need not leave the caches

The floor is the larger of the two sums, each over the machine's rate, and not the sum over the
primitives of the larger of their two: a program may make one of several primitives, and compute
while it waits for memory. So it is a bound, and one that hardly any program reaches. Below it are
only those that need fewer operations or keep less than our graph, and steps whose arrays stay in
the caches from one step to the next.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from autograd import optim
from autograd.memory import owner
from autograd.tensor import Node, Tensor
from autograd.watch import Watcher, watching
from benchmarks.roofline import Cost
from kernels import pair
from kernels.conv2d.mask import live_taps


def cost(step: Callable[[], object]) -> Cost:
    """Of a call of `step`."""
    with counting() as counter:
        step()
    return counter.cost


@contextmanager
def counting() -> Iterator["Counter"]:
    """In the block, of what the engine and its optimisers do."""
    counter, step, average = Counter(), optim.Optimizer.step, optim.EMA.update

    def counted_step(self: optim.Optimizer) -> None:
        changed = [p for p in self.parameters.values() if p.grad is not None]
        of_each = 2 * (1 + len(self.slots)) + 2  # the last two of the gradient
        counter.moved += of_each * sum(p.data.nbytes for p in changed)
        step(self)

    def counted_average(self: optim.EMA, t: Callable[[], int]) -> None:
        counter.moved += 2 * sum(a.nbytes for a in self.average.values())
        average(self, t)

    patched = mock.patch.object(optim.Optimizer, "step", counted_step)
    with watching(counter), patched, mock.patch.object(optim.EMA, "update", counted_average):
        yield counter


class Counter(Watcher):
    def __init__(self) -> None:
        self.operations = 0
        self.of_node: dict[Node, int] = {}
        self.kept: dict[int, Any] = {}  # the arrays, of each memory one, by its owner
        self.moved = 0  # bytes, by optimisers

    @property
    def cost(self) -> Cost:
        return Cost(self.operations, 2 * sum(a.nbytes for a in self.kept.values()) + self.moved)

    def made(self, primitive, out, inputs, keywords):
        operations = PRODUCTS.get(primitive.name, lambda *_, **__: 0)(out, *inputs, **keywords)
        self.operations += operations
        if out.node is not None:
            self.of_node[out.node] = operations
            arrays = (x for x in out.node.saved if isinstance(x, np.ndarray))
            self.kept |= {owner(x): x for x in arrays}

    def passed(self, node, rule, parent, g, given, d, before):
        """The rules of a product are products of as many operations; that of its bias is a sum.

        A sweep that is recorded makes primitives, which are told of as such.
        """
        if not isinstance(g, Tensor) and len(parent.shape) > 1:
            self.operations += self.of_node[node]


def _product(out: Any, x: Any, *_: Any) -> int:
    return 2 * out.size * x.shape[-1]


def _convolution(
    x: Any, w: Any, y: Any, stride: Any, padding: Any, dilation: Any, mask: Any, **_: Any
) -> int:
    """Of the images x, the weights w (O, C, KH, KW) and the answer y of a convolution."""
    sizes, live = w.shape[2:], np.ones(w.shape[2:], int)
    if mask is not None:
        live[...] = np.isin(np.arange(live.size), live_taps(mask, sizes)).reshape(sizes)
    inside = []  # for each row of taps, and then for each column, the outputs where it is inside
    for axis, (s, p, d) in enumerate(zip(pair(stride), pair(padding), pair(dilation))):
        taps, outputs = np.ogrid[: sizes[axis], : y.shape[2 + axis]]
        place = outputs * s + taps * d - p
        inside.append(((place >= 0) & (place < x.shape[2 + axis])).sum(axis=1))
    return 2 * len(x) * w.shape[0] * w.shape[1] * int(inside[0] @ live @ inside[1])


PRODUCTS: dict[str, Callable[..., int]] = {
    "matrix_product": _product,
    "linear": _product,
    "conv2d": lambda y, x, w, b=None, **o: _convolution(x, w, y, **o),
    "conv2d_input_grad": lambda x, g, w, b=None, **o: _convolution(x, w, g, **o),
    "conv2d_weight_grad": lambda w, x, g, **o: _convolution(x, w, g, **o),
}
