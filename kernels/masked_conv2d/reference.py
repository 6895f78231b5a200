"""Masked convolution by its definition: a convolution whose dead taps are zero."""

import numpy as np

from kernels.conv2d import reference
from kernels.dispatch import namespace


def masked_conv2d(x, w, taps, stride, padding, dilation, b=None):
    return reference.conv2d(x, masked(w, taps), stride, padding, dilation, b)


def masked_conv2d_input_grad(g, w, taps, input_size, stride, padding, dilation):
    return reference.conv2d_input_grad(g, masked(w, taps), input_size, stride, padding, dilation)


def masked_conv2d_weight_grad(x, g, taps, kernel_size, stride, padding, dilation):
    w = reference.conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation)
    return masked(w, taps)


def masked(w, taps):
    """w at the live taps, and 0 at the others even where w is not finite."""
    live = np.isin(np.arange(w.shape[2] * w.shape[3]), taps).reshape(w.shape[2:])
    return np.where(namespace(w).asarray(live), w, np.zeros_like(w))
