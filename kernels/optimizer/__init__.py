"""How an optimiser changes parameters, each rule in one pass over memory.

Every rule takes lists: number k of each list is an array of parameter k, all of one shape. They are
changed in place, but for what is only read: the gradients, and the parameters of an average. On
CUDA a launch changes many parameters, as PyTorch's "multi-tensor" optimisers do.

What differs from step to step is an array too, the float64 `numbers`. On a GPU it is in the GPU's
memory, so that a CUDA graph of a step finds there what is right for each step.
"""

from collections.abc import Sequence
from typing import Any

from kernels.dispatch import SINGLE, Array, implementation
from kernels.optimizer import reference

Arrays = Sequence[Array]


def sgd(ps: Arrays, gs: Arrays, vs: Arrays, numbers: Array, momentum: float) -> None:
    """v <- momentum v + g;  p <- p - rate v.  `numbers` is (rate,)."""
    _chosen(gs, ps, vs).sgd(ps, gs, vs, numbers, momentum)


def rmsprop(ps: Arrays, gs: Arrays, ss: Arrays, numbers: Array, decay: float, eps: float) -> None:
    """s <- decay s + (1 - decay) g^2;  p <- p - rate g / (sqrt(s) + eps).  `numbers` is (rate,)."""
    _chosen(gs, ps, ss).rmsprop(ps, gs, ss, numbers, decay, eps)


def adam(
    ps: Arrays,
    gs: Arrays,
    ms: Arrays,
    ss: Arrays,
    numbers: Array,
    b1: float,
    b2: float,
    eps: float,
) -> None:
    """m <- b1 m + (1 - b1) g;  s <- b2 s + (1 - b2) g^2;
    p <- keep p - rate m / (sqrt(s) / root + eps).

    `numbers` is (rate, root, keep): the learning rate over 1 - b1^t, sqrt(1 - b2^t), and the share
    of p that weight decay leaves.
    """
    _chosen(gs, ps, ms, ss).adam(ps, gs, ms, ss, numbers, b1, b2, eps)


def average(averages: Arrays, ps: Arrays, numbers: Array) -> None:
    """a <- d a + rest p.  `numbers` is (d, rest)."""
    _chosen(ps, averages).average(averages, ps, numbers)


def clip(gs: Arrays, most: float) -> tuple[Arrays, Any]:
    """Gradients whose joint norm is at most `most`, and the norm before, of at least one.

    Those given, or scaled copies. The norm is in float64: a number, or on CUDA an array without
    dimensions, so that only its reader waits for it.
    """
    return _chosen(gs).clip(gs, most)


def _chosen(read: Arrays, *written: Arrays) -> Any:
    """The definition for float64, for mixed dtypes, and where a view of one dimension is none."""
    arrays = [array for one in written for array in one]
    flat = all(array.flags.c_contiguous for array in arrays)
    arrays += read
    if not flat or any(array.dtype != SINGLE for array in arrays):
        return reference
    return implementation("optimizer", *arrays)
