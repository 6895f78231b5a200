"""Normalisation of groups as the paper writes it, in functions that CuPy's arrays take too."""

import numpy as np

from kernels.sums import total


def group_norm(x, w, b, groups, eps):
    normal, _ = _standardised(x, groups, eps)
    return normal.reshape(x.shape) * _by_channel(w, x) + _by_channel(b, x)


def group_norm_input_grad(g, x, w, groups, eps):
    normal, r = _standardised(x, groups, eps)
    h = (g * _by_channel(w, x)).reshape(normal.shape)
    rest = h - _mean(h) - normal * _mean(normal * h)
    return (r * rest).reshape(x.shape)


def group_norm_weight_grad(g, x, groups, eps):
    normal, _ = _standardised(x, groups, eps)
    return total(g * normal.reshape(x.shape), (0, *range(2, x.ndim)))


def sum_by_channel(x):
    return total(x, (0, *range(2, x.ndim)))


def running_moments(x, mean, var, momentum, sum_by_channel=sum_by_channel):
    n = x.size // x.shape[1]
    of_x = sum_by_channel(x) / n
    deviation = x - _by_channel(of_x, x)
    var_of_x = sum_by_channel(deviation * deviation) / (n - 1)
    mean[...] = mean + momentum * (of_x - mean)
    var[...] = var + momentum * (var_of_x - var)


def _standardised(x, groups, eps):
    """(N, groups, the rest), and the factor r of each group."""
    grouped = x.reshape((len(x), groups, x.size // max(1, len(x) * groups)))
    centred = grouped - _mean(grouped)
    r = 1 / np.sqrt(_mean(centred * centred) + eps)
    return centred * r, r


def _mean(grouped):
    return grouped.mean(axis=-1, keepdims=True)


def _by_channel(values, x):
    return values.reshape((1, -1, *[1] * (x.ndim - 2)))
