"""On the CPU, convolution itself: its tables hold only the taps that it is given."""

from kernels.conv2d.cpu import conv2d, conv2d_input_grad, conv2d_weight_grad

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad"]
