"""Arrays in, arrays out: the operations that have a kernel of their own.

Each has three implementations: its definition, in NumPy; one for the CPU, for NumPy's arrays; one
in Numba-CUDA, for CuPy's. `use("reference")` forces one. There is no differentiation
here: the gradients of a convolution are kernels too, beside it. `machine.py` lists what importing
this package changes in the process.
"""

from kernels import machine, optimizer
from kernels.conv2d import conv2d, conv2d_input_grad, conv2d_weight_grad
from kernels.conv2d.mask import Mask
from kernels.conv2d.reference import Pair, fold, pair, unfold
from kernels.dispatch import Array, namespace, use
from kernels.group_norm import (
    group_norm,
    group_norm_input_grad,
    group_norm_weight_grad,
    running_moments,
    sum_by_channel,
)
from kernels.logsumexp import logsumexp
from kernels.matmul import matmul
from kernels.pointwise import (
    add,
    bce_with_logits,
    bce_with_logits_grad,
    leaky_relu,
    leaky_relu_grad,
    sigmoid,
    silu,
    silu_grad,
    softplus,
)
from kernels.reparameterize import normal, reparameterize, reparameterize_logvar_grad
from kernels.sums import total

__all__ = [
    "Array",
    "Mask",
    "Pair",
    "add",
    "bce_with_logits",
    "bce_with_logits_grad",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "fold",
    "group_norm",
    "group_norm_input_grad",
    "group_norm_weight_grad",
    "leaky_relu",
    "leaky_relu_grad",
    "logsumexp",
    "matmul",
    "namespace",
    "normal",
    "optimizer",
    "pair",
    "reparameterize",
    "reparameterize_logvar_grad",
    "running_moments",
    "sigmoid",
    "silu",
    "silu_grad",
    "softplus",
    "sum_by_channel",
    "total",
    "unfold",
    "use",
]

machine.keep_freed_memory()
machine.restore_row_stack()
