"""A minimal reverse-mode automatic differentiation engine on NumPy and CuPy.

    from autograd import Tensor, grad, exp

    x = Tensor([0.0, 1.0], requires_grad=True)
    grad(exp(-x * x).sum(), x)

The engine is `array`, `tensor`, `primitive`, `ops` and `sweep`. Read them in this order, in which
they import each other. `derivatives` has what several sweeps give: Jacobians, Hessians. Beside them
are the switches (`modes`), the writes to arrays (`memory`), the source line of a node (`origin`)
and the methods of a Tensor (`operators`). Who wants to know what happens is a watcher (`watch`),
such as the searches for a NaN or a write (`faults`). A `module` is a function with
parameters, `nn` has the layers that are modules, `optim` optimisers, `check` the numerical checks.
`replay` has a GPU repeat a step by itself.
"""

import builtins

import autograd.operators  # noqa: F401 -- which completes Tensor
from autograd import check, nn, optim
from autograd.array import Array, Rng, namespace, to_device
from autograd.derivatives import hessian, hvp, jacobian, jvp, vjp
from autograd.faults import detect_nan, detect_writes
from autograd.modes import no_grad, no_replay
from autograd.ops import *  # noqa: F403
from autograd.ops import __all__ as _ops
from autograd.primitive import PRIMITIVES, primitive
from autograd.replay import Replayed, drawn, sent
from autograd.sweep import backward, grad
from autograd.tensor import Tensor, Values
from autograd.traces import trace, tracing

__all__ = [
    "PRIMITIVES", "Array", "Replayed", "Rng", "Tensor", "Values", "backward", "check", "detect_nan",
    "detect_writes", "drawn", "grad", "hessian", "hvp", "jacobian", "jvp", "namespace", "nn",
    "no_grad", "no_replay", "optim", "primitive", "sent", "to_device", "trace", "tracing", "vjp",
    *(name for name in _ops if not hasattr(builtins, name)),  # abs, max, min and sum by their name
]  # fmt: skip
