"""Masked convolution on the CPU: convolution, whose tables hold only the live taps."""

from kernels.conv2d import cpu


def masked_conv2d(x, w, taps, stride, padding, dilation, b):
    return cpu.conv2d(x, w, stride, padding, dilation, b, taps)


def masked_conv2d_input_grad(g, w, taps, input_size, stride, padding, dilation):
    return cpu.conv2d_input_grad(g, w, input_size, stride, padding, dilation, taps)


def masked_conv2d_weight_grad(x, g, taps, kernel_size, stride, padding, dilation):
    return cpu.conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, taps)
