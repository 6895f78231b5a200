"""Convolution through a mask (`kernels.conv2d.mask`).

A dead tap is not loaded and not multiplied, so its weight may be anything, and its gradient is 0.
The public functions are those of `kernels.conv2d`, with a `mask`. The implementations here have
the functions of conv2d's, with a last argument `taps`: the live ones in ascending order.
"""
