"""On CUDA, convolution itself: its kernels take the live taps only."""

from kernels.conv2d.cuda import conv2d, conv2d_input_grad, conv2d_weight_grad

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad"]
