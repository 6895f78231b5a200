"""A launch for many parameters, in Numba-CUDA.

A launch takes tuples of arrays, one of each for a parameter. Row k of its blocks is at parameter k,
with a thread for each element.
"""

import math

from numba import cuda, float32, float64

from kernels.cuda.launch import launch
from kernels.dispatch import namespace

THREADS = 256  # in a thread block
ARRAYS = 64  # of a launch: CUDA has 4 KiB for its arguments, and an array takes 56 bytes of them
BLOCKS = 32  # that share a sum of squares


def sgd(ps, gs, vs, numbers, momentum):
    _each(_sgd, (ps, gs, vs), numbers, float32(momentum))


def rmsprop(ps, gs, ss, numbers, decay, eps):
    _each(_rmsprop, (ps, gs, ss), numbers, *map(float32, (decay, 1 - decay, eps)))


def adam(ps, gs, ms, ss, numbers, b1, b2, eps):
    _each(_adam, (ps, gs, ms, ss), numbers, *map(float32, (b1, 1 - b1, b2, 1 - b2, eps)))


def average(averages, ps, numbers):
    _each(_average, (averages, ps), numbers)


def clip(gs, most):
    xp = namespace(gs[0])
    sums, norm = xp.empty((len(gs), BLOCKS)), xp.empty(2)
    for first, count, (group,) in _groups((gs,)):
        launch(_squares, (BLOCKS, count), THREADS, group, sums, first)
    launch(_finish, 1, THREADS, sums.reshape(-1), float64(most), norm)
    clipped = [xp.empty(g.shape, g.dtype) for g in gs]
    _each(_scale, (clipped, gs), norm)
    return clipped, norm[0]


def _each(kernel, lists, *arguments):
    for first, count, group in _groups(lists):
        longest = max(array.size for array in lists[0][first : first + count])
        launch(kernel, (-(-longest // THREADS), count), THREADS, *group, *arguments)


def _groups(lists):
    """The parameters that a launch takes: the first, how many, and a tuple of flat arrays a list.

    The tuples are as long as they can be, so that one kernel is compiled for any number of
    parameters: the last array fills them up.
    """
    most = ARRAYS // len(lists)
    for first in range(0, len(lists[0]), most):
        flat = [[array.reshape(-1) for array in arrays[first : first + most]] for arrays in lists]
        count = len(flat[0])
        yield first, count, [tuple(arrays + arrays[-1:] * (most - count)) for arrays in flat]


@cuda.jit
def _sgd(ps, gs, vs, numbers, momentum):
    p, g, v = ps[cuda.blockIdx.y], gs[cuda.blockIdx.y], vs[cuda.blockIdx.y]
    i = cuda.grid(1)
    if i < len(p):
        velocity = momentum * v[i] + g[i]
        v[i] = velocity
        p[i] -= float32(numbers[0]) * velocity


@cuda.jit
def _rmsprop(ps, gs, ss, numbers, decay, rest, eps):
    p, g, s = ps[cuda.blockIdx.y], gs[cuda.blockIdx.y], ss[cuda.blockIdx.y]
    i = cuda.grid(1)
    if i < len(p):
        slope = g[i]
        square = decay * s[i] + rest * slope * slope
        s[i] = square
        p[i] -= float32(numbers[0]) * slope / (math.sqrt(square) + eps)


@cuda.jit
def _adam(ps, gs, ms, ss, numbers, b1, c1, b2, c2, eps):
    k, i = cuda.blockIdx.y, cuda.grid(1)
    p, g, m, s = ps[k], gs[k], ms[k], ss[k]
    rate, root, keep = float32(numbers[0]), float32(numbers[1]), float32(numbers[2])
    if i < len(p):
        mean = b1 * m[i] + c1 * g[i]
        square = b2 * s[i] + c2 * (g[i] * g[i])
        m[i], s[i] = mean, square
        p[i] = keep * p[i] - rate * (mean / (math.sqrt(square) / root + eps))


@cuda.jit
def _average(averages, ps, numbers):
    average, p = averages[cuda.blockIdx.y], ps[cuda.blockIdx.y]
    i = cuda.grid(1)
    if i < len(p):
        average[i] = float32(numbers[0]) * average[i] + float32(numbers[1]) * p[i]


@cuda.jit
def _scale(clipped, gs, norm):
    """By norm[1]."""
    out, g = clipped[cuda.blockIdx.y], gs[cuda.blockIdx.y]
    i = cuda.grid(1)
    if i < len(g):
        out[i] = float32(norm[1]) * g[i]


@cuda.jit
def _squares(gs, sums, first):
    """sums[first + k, block]: a block's share of the squares of gs[k]."""
    k, block = cuda.blockIdx.y, cuda.blockIdx.x
    g, total = gs[k], float64(0)
    for i in range(cuda.grid(1), len(g), cuda.blockDim.x * cuda.gridDim.x):
        total += float64(g[i]) * float64(g[i])
    total = _sum_of_block(total)
    if cuda.threadIdx.x == 0:
        sums[first + k, block] = total


@cuda.jit
def _finish(sums, most, norm):
    """norm[0] is the norm, and norm[1] the factor that makes it at most `most`."""
    total = float64(0)
    for i in range(cuda.threadIdx.x, len(sums), cuda.blockDim.x):
        total += sums[i]
    total = math.sqrt(_sum_of_block(total))
    if cuda.threadIdx.x == 0:
        norm[0] = total
        norm[1] = most / total if total > most else float64(1)


@cuda.jit(device=True)
def _sum_of_block(value):
    """The sum over a block of THREADS threads, for its first thread; always in the same order."""
    partial = cuda.shared.array(THREADS, float64)
    t, half = cuda.threadIdx.x, THREADS // 2
    partial[t] = value
    while half > 0:
        cuda.syncthreads()
        if t < half:
            partial[t] += partial[t + half]
        half //= 2
    return partial[t]
