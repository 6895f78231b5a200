"""The rules as their papers write them, as formulas of arrays, which CuPy's arrays take too.

They also define the roundings: `numbers` are float64 until they meet an array.
"""

import math

import numpy as np


def sgd(ps, gs, vs, numbers, momentum):
    for p, g, v in zip(ps, gs, vs):
        (rate,) = numbers.astype(p.dtype)
        v[...] = momentum * v + g
        p[...] = p - rate * v


def rmsprop(ps, gs, ss, numbers, decay, eps):
    for p, g, s in zip(ps, gs, ss):
        (rate,) = numbers.astype(p.dtype)
        s[...] = decay * s + (1 - decay) * g * g
        p[...] = p - rate * g / (np.sqrt(s) + eps)


def adam(ps, gs, ms, ss, numbers, b1, b2, eps):
    for p, g, m, s in zip(ps, gs, ms, ss):
        rate, root, keep = numbers.astype(p.dtype)
        m[...] = b1 * m + (1 - b1) * g
        s[...] = b2 * s + (1 - b2) * (g * g)
        p[...] = keep * p - rate * (m / (np.sqrt(s) / root + eps))


def average(averages, ps, numbers):
    for average, p in zip(averages, ps):
        d, rest = numbers.astype(average.dtype)
        average[...] = d * average + rest * p


def clip(gs, most):
    norm = math.sqrt(sum(float((g.astype(float) ** 2).sum()) for g in gs))
    return ([g * (most / norm) for g in gs] if norm > most else gs), norm
