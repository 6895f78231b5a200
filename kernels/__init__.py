"""Arrays in, arrays out: the operations that deserve a kernel of their own.

NCHW images and OIHW weights, as in PyTorch. Nothing here knows of gradients, though the
gradients of a convolution are convolutions too and stand beside it.
"""

from kernels.conv2d.reference import (
    Pair,
    conv2d,
    conv2d_input_grad,
    conv2d_weight_grad,
    fold,
    pair,
    unfold,
)

__all__ = ["Pair", "conv2d", "conv2d_input_grad", "conv2d_weight_grad", "fold", "pair", "unfold"]
