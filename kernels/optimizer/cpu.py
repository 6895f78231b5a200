"""One pass over the arrays of each parameter, by Numba.

No multiplication is fused with an addition, so each number is rounded as the definition rounds it.
"""

import math
from functools import partial

import numpy as np
from numba import float64

from kernels.cpu.compile import njit_exact, njit_kernel
from kernels.cpu.threads import run_if_large

BLOCK = 4096  # elements whose squares one core adds up, in any order


def sgd(ps, gs, vs, numbers, momentum):
    _each(_sgd, (ps, gs, vs), *numbers, momentum)


def rmsprop(ps, gs, ss, numbers, decay, eps):
    _each(_rmsprop, (ps, gs, ss), *numbers, decay, 1 - decay, eps)


def adam(ps, gs, ms, ss, numbers, b1, b2, eps):
    _each(_adam, (ps, gs, ms, ss), *numbers, b1, 1 - b1, b2, 1 - b2, eps)


def average(averages, ps, numbers):
    _each(_average, (averages, ps), *numbers)


def clip(gs, most):
    norm = math.sqrt(sum(map(_sum_of_squares, gs)))
    if not norm > most:
        return gs, norm
    clipped = [np.empty(g.shape, np.float32) for g in gs]
    _each(_scale, (clipped, gs), most / norm)
    return clipped, norm


def _each(kernel, lists, *numbers):
    """The kernel for each parameter in turn, given its arrays, flat, and the numbers."""
    numbers = tuple(map(np.float32, numbers))
    for arrays in zip(*lists):
        size = arrays[0].size
        run_if_large(kernel, size, size, *[array.ravel() for array in arrays], *numbers)


@njit_exact
def _sgd(p, g, v, rate, momentum, start, stop):
    p, g, v = p[start:stop], g[start:stop], v[start:stop]
    for i in range(len(p)):
        v[i] = momentum * v[i] + g[i]
        p[i] -= rate * v[i]


@njit_exact
def _rmsprop(p, g, s, rate, decay, rest, eps, start, stop):
    p, g, s = p[start:stop], g[start:stop], s[start:stop]
    for i in range(len(p)):
        s[i] = decay * s[i] + rest * g[i] * g[i]
        p[i] -= rate * g[i] / (np.sqrt(s[i]) + eps)


@njit_exact
def _adam(p, g, m, s, rate, root, keep, b1, c1, b2, c2, eps, start, stop):
    p, g, m, s = p[start:stop], g[start:stop], m[start:stop], s[start:stop]
    for i in range(len(p)):
        m[i] = b1 * m[i] + c1 * g[i]
        s[i] = b2 * s[i] + c2 * (g[i] * g[i])
        p[i] = keep * p[i] - rate * (m[i] / (np.sqrt(s[i]) / root + eps))


@njit_exact
def _average(average, p, d, rest, start, stop):
    average, p = average[start:stop], p[start:stop]
    for i in range(len(p)):
        average[i] = d * average[i] + rest * p[i]


@njit_exact
def _scale(clipped, g, factor, start, stop):
    clipped, g = clipped[start:stop], g[start:stop]
    for i in range(len(g)):
        clipped[i] = factor * g[i]


def _sum_of_squares(g):
    sums = np.empty(-(-g.size // BLOCK))
    run_if_large(_squares, g.size, len(sums), g.ravel(), sums)
    return float(np.add.reduce(sums))


@partial(njit_kernel, fastmath={"reassoc"})
def _squares(g, sums, first, last):
    """Of blocks first to last, which are the same on every number of cores."""
    for block in range(first, last):
        part, total = g[block * BLOCK : (block + 1) * BLOCK], 0.0
        for i in range(len(part)):
            total += float64(part[i]) * float64(part[i])
        sums[block] = total
