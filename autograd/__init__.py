"""A minimal reverse-mode automatic differentiation engine on NumPy and CuPy.

    from autograd import Tensor, grad, exp

    x = Tensor([0.0, 1.0], requires_grad=True)
    grad(exp(-x * x).sum(), x)

Read `primitive`, `tensor` and `sweep`, in that order: they are the engine. Beside them are its
switches (`modes`), who wrote to which array (`memory`), where a node was made (`origin`) and the
operators of a Tensor. `ops` holds every primitive with its derivative, `nn` and `optim` the layers
and the optimisers, `check` the numerical check of any gradient.
"""

import builtins

import autograd.operators  # noqa: F401 -- which completes Tensor
from autograd import check, nn, optim
from autograd.array import Array, Rng, namespace, to_device
from autograd.modes import detect_nan, detect_writes, no_grad
from autograd.ops import *  # noqa: F403
from autograd.ops import __all__ as _ops
from autograd.primitive import PRIMITIVES, primitive
from autograd.sweep import backward, grad
from autograd.tensor import Tensor, Values

__all__ = [
    "PRIMITIVES",
    "Array",
    "Rng",
    "Tensor",
    "Values",
    "backward",
    "check",
    "detect_nan",
    "detect_writes",
    "grad",
    "namespace",
    "nn",
    "no_grad",
    "optim",
    "primitive",
    "to_device",
    *(name for name in _ops if not hasattr(builtins, name)),  # abs, max, min and sum by their name
]
