"""Two searches for a fault: for the first NaN, and for a write that makes a gradient wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from autograd import memory
from autograd.array import describe, namespace
from autograd.origin import source_line
from autograd.tensor import Node, array_of
from autograd.watch import Watcher, watching


@contextmanager
def detect_nan() -> Iterator[None]:
    """Raise FloatingPointError at the first NaN, forward or backward.

    The message names the primitive and the source line that called it. Every answer is scanned,
    so this is for finding a fault, not for training.
    """
    with watching(_NaNs()):
        yield


@contextmanager
def detect_writes() -> Iterator[None]:
    """Raise RuntimeError in a sweep that needs an array which has been written to meanwhile.

    A sweep always notices the writes of optimisers, averages and `load_state`, which report them.
    In here it notices `x.data[...] = 0` too. It reads every array that a node keeps, so it is for
    finding a fault. The forward pass and the sweep both have to be inside.
    """
    with watching(_Writes()):
        yield


class _NaNs(Watcher):
    def made(self, primitive, out, inputs, keywords):
        if _has_nan(out):
            arrays = [array_of(x) for x in inputs]
            nan_inputs = [name for name, x in zip(primitive.inputs, arrays) if _has_nan(x)]
            raise FloatingPointError(
                f"{primitive.name} of {describe(arrays)} at "
                f"{source_line((out.node or Node(out.data)).origin)}: "
                + (
                    f"its input {nan_inputs[0]!r} is already NaN"
                    if nan_inputs
                    else "made the first NaN"
                )
            )

    def passed(self, node, rule, parent, g, given, d, before):
        if _has_nan(d) and not _has_nan(g):
            raise FloatingPointError(f"the first NaN was made by the gradient of {node}")
        if before is not None and _has_nan(before + d) and not (_has_nan(before) or _has_nan(d)):
            raise FloatingPointError(f"the first NaN was made by a sum of cotangents of {parent}")


def _has_nan(value: Any) -> bool:
    value = array_of(value)
    return value is not None and bool(namespace(value).isnan(value).any())


class _Writes(Watcher):
    def __init__(self) -> None:
        self.before: dict[int, list[int]] = {}  # fingerprints of what each node keeps, by its order

    def made(self, primitive, out, inputs, keywords):
        if out.node is not None:
            self.before[out.node.order] = memory.fingerprints(out.node.saved)

    def reached(self, node, g):
        before = self.before.get(node.order)
        if before and node.saved is not None and before != memory.fingerprints(node.saved):
            reported = memory.writers_since(node.order, node.saved)
            memory.refuse_writers(node, reported or {"an assignment to its data"})
