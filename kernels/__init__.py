"""Arrays in, arrays out: the operations that deserve a kernel of their own.

Each has three implementations: its definition, in NumPy; one for the CPU, which NumPy arrays get;
one in Numba-CUDA, which CuPy arrays get. `use("reference")` forces one. Nothing here knows of
differentiation, though the gradients of a convolution are convolutions too and stand beside it.
"""

from kernels.conv2d import conv2d, conv2d_input_grad, conv2d_weight_grad
from kernels.conv2d.reference import Pair, fold, pair, unfold
from kernels.dispatch import Array, namespace, use
from kernels.group_norm import (
    group_norm,
    group_norm_input_grad,
    group_norm_weight_grad,
    sum_by_channel,
)
from kernels.masked_conv2d import (
    Mask,
    masked_conv2d,
    masked_conv2d_input_grad,
    masked_conv2d_weight_grad,
)
from kernels.pointwise import add, leaky_relu, leaky_relu_grad, sigmoid, silu, silu_grad
from kernels.reparameterize import normal, reparameterize, reparameterize_logvar_grad
from kernels.sums import total

__all__ = [
    "Array",
    "Mask",
    "Pair",
    "add",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "fold",
    "group_norm",
    "group_norm_input_grad",
    "group_norm_weight_grad",
    "leaky_relu",
    "leaky_relu_grad",
    "masked_conv2d",
    "masked_conv2d_input_grad",
    "masked_conv2d_weight_grad",
    "namespace",
    "normal",
    "pair",
    "reparameterize",
    "reparameterize_logvar_grad",
    "sigmoid",
    "silu",
    "silu_grad",
    "sum_by_channel",
    "total",
    "unfold",
    "use",
]
