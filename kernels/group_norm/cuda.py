"""On CUDA, CuPy's own functions."""

from kernels.group_norm.reference import (
    group_norm,
    group_norm_input_grad,
    group_norm_weight_grad,
    sum_by_channel,
)

__all__ = ["group_norm", "group_norm_input_grad", "group_norm_weight_grad", "sum_by_channel"]
