"""The search for the first NaN: what a primitive and the sweep call under `detect_nan`."""

from collections.abc import Sequence
from typing import Any

from autograd.array import describe, namespace
from autograd.origin import source_line
from autograd.tensor import Node, array_of


def refuse_nan_answer(primitive: Any, ans: Any, arrays: Sequence) -> None:
    """Raise FloatingPointError if `ans`, which `primitive` made of `arrays`, contains a NaN."""
    if _has_nan(ans):
        nan_inputs = [name for name, x in zip(primitive.inputs, arrays) if _has_nan(x)]
        raise FloatingPointError(
            f"{primitive.name} of {describe(arrays)} at {source_line(Node(ans).origin)}: "
            + (
                f"its input {nan_inputs[0]!r} is already NaN"
                if nan_inputs
                else "made the first NaN"
            )
        )


def refuse_nan_cotangent(node: Node, parent: Node, g: Any, d: Any, before: Any) -> None:
    """Raise FloatingPointError if a NaN is new in `d`, or in the sum of `d` and `before`.

    A rule of `node` made `d` of `g`. `before` is the cotangent that `parent` has from other uses.
    """
    if _has_nan(d) and not _has_nan(g):
        raise FloatingPointError(f"the first NaN was made by the gradient of {node}")
    if before is not None and _has_nan(before + d) and not (_has_nan(before) or _has_nan(d)):
        raise FloatingPointError(f"the first NaN was made by a sum of cotangents of {parent}")


def _has_nan(value: Any) -> bool:
    value = array_of(value)
    return value is not None and bool(namespace(value).isnan(value).any())
