"""On CUDA, CuPy's own functions."""

from kernels.activation.reference import leaky_relu, leaky_relu_grad, sigmoid, silu, silu_grad

__all__ = ["leaky_relu", "leaky_relu_grad", "sigmoid", "silu", "silu_grad"]
