"""Normalisation of groups on CUDA: a block for each group of each example, whose channels and
positions are neighbours in memory.

A block goes over its group once for each mean that it needs: what the first pass has read is mostly
still in the cache. Sums are trees, and no block depends on another, so that the same input gives
the same bits.
"""

import math

import numpy as np
from numba import cuda, float32, uint32

from kernels.cuda.block import sum_of_block
from kernels.cuda.intrinsics import divide
from kernels.cuda.launch import counters_on_device_of, launch
from kernels.cuda.shared_sum import last_of
from kernels.dispatch import namespace
from kernels.group_norm.reference import sum_by_channel

__all__ = [
    "group_norm",
    "group_norm_input_grad",
    "group_norm_weight_grad",
    "running_moments",
    "sum_by_channel",
]

MAX_THREADS = 512


def group_norm(x, w, b, groups, eps):
    y = namespace(x).empty(x.shape, np.float32)
    _over_groups(_forward, x, groups, (x, w, b, y), eps)
    return y


def group_norm_input_grad(g, x, w, groups, eps):
    d = namespace(x).empty(x.shape, np.float32)
    _over_groups(_input_grad, x, groups, (g, x, w, d), eps)
    return d


def group_norm_weight_grad(g, x, groups, eps):
    make = namespace(x).empty if x.size else namespace(x).zeros
    d = make(x.shape[1:2], np.float32)
    of_examples = namespace(x).empty(x.shape[:2], np.float32)
    counters = counters_on_device_of(x, groups)
    _over_groups(_weight_grad, x, groups, (g, x, of_examples, d, counters), eps)
    return d


def running_moments(x, mean, var, momentum):
    xp, positions = namespace(x), x[:1, :1].size
    flat = xp.ascontiguousarray(x).reshape(-1)
    numbers = len(x) * positions, positions, np.float32(momentum)
    launch(_running_moments, x.shape[1], MAX_THREADS, flat, mean, var, *numbers)


def _over_groups(kernel, x, groups, arrays, eps):
    """Start `kernel` with a block for each group of the images x."""
    n, channels = x.shape[:2]
    positions = x[:1, :1].size
    size = channels // groups * positions  # of a group
    threads = min(MAX_THREADS, 1 << max(5, (size - 1).bit_length() - 2))
    flat = [namespace(x).ascontiguousarray(array).reshape(-1) for array in arrays]
    numbers = groups, channels // groups, positions
    launch(kernel, n * groups if size else 0, threads, *flat, *numbers, np.float32(eps))


@cuda.jit(device=True)
def _moments(x, start, size, eps, sums):
    """The mean of a group, and 1 / sqrt(var + eps)."""
    total = float32(0)
    for i in range(cuda.threadIdx.x, size, cuda.blockDim.x):
        total += x[uint32(start + i)]
    mean = sum_of_block(total, sums) / float32(size)
    total = float32(0)
    for i in range(cuda.threadIdx.x, size, cuda.blockDim.x):
        centred = x[uint32(start + i)] - mean
        total += centred * centred
    return mean, float32(1) / math.sqrt(sum_of_block(total, sums) / float32(size) + eps)


@cuda.jit
def _forward(x, w, b, y, groups, channels, positions, eps):
    """Of the group of this block, which has so many channels."""
    sums = cuda.shared.array(MAX_THREADS, float32)
    size = channels * positions
    start = uint32(cuda.blockIdx.x * size)
    mean, r = _moments(x, start, size, eps, sums)
    first = uint32(uint32(cuda.blockIdx.x) % uint32(groups) * channels)
    for i in range(cuda.threadIdx.x, size, cuda.blockDim.x):
        at, channel = uint32(start + i), uint32(first + divide(uint32(i), uint32(positions)))
        y[at] = (x[at] - mean) * r * w[channel] + b[channel]


@cuda.jit
def _input_grad(g, x, w, d, groups, channels, positions, eps):
    """r (h - mean(h) - xhat mean(xhat h)), with h = g w."""
    sums = cuda.shared.array(MAX_THREADS, float32)
    size = channels * positions
    start = uint32(cuda.blockIdx.x * size)
    mean, r = _moments(x, start, size, eps, sums)
    first = uint32(uint32(cuda.blockIdx.x) % uint32(groups) * channels)
    of_h, of_both = float32(0), float32(0)
    for i in range(cuda.threadIdx.x, size, cuda.blockDim.x):
        at = uint32(start + i)
        h = g[at] * w[uint32(first + divide(uint32(i), uint32(positions)))]
        of_h += h
        of_both += h * (x[at] - mean)
    mean_h = sum_of_block(of_h, sums) / float32(size)
    slope = sum_of_block(of_both, sums) / float32(size) * r * r
    for i in range(cuda.threadIdx.x, size, cuda.blockDim.x):
        at = uint32(start + i)
        h = g[at] * w[uint32(first + divide(uint32(i), uint32(positions)))]
        d[at] = r * (h - mean_h - (x[at] - mean) * slope)


@cuda.jit
def _weight_grad(g, x, of_examples, d, counters, groups, channels, positions, eps):
    """The sum of g xhat over the positions, for each channel of the group: of_examples is (N, C).

    The last block of a group then adds those of all examples, always in the same order.
    """
    sums = cuda.shared.array(MAX_THREADS, float32)
    start = uint32(cuda.blockIdx.x * channels * positions)
    mean, r = _moments(x, start, channels * positions, eps, sums)
    for channel in range(channels):
        total = float32(0)
        for i in range(cuda.threadIdx.x, positions, cuda.blockDim.x):
            at = uint32(start + channel * positions + i)
            total += g[at] * (x[at] - mean)
        total = sum_of_block(total, sums)
        if cuda.threadIdx.x == 0:
            of_examples[uint32(cuda.blockIdx.x * channels + channel)] = total * r
    examples = divide(uint32(cuda.gridDim.x), uint32(groups))
    group = uint32(cuda.blockIdx.x) % uint32(groups)
    if last_of(counters, group, examples):
        for channel in range(channels):
            total = float32(0)
            for n in range(cuda.threadIdx.x, examples, cuda.blockDim.x):
                total += of_examples[uint32((n * groups + group) * channels + channel)]
            total = sum_of_block(total, sums)
            if cuda.threadIdx.x == 0:
                d[uint32(group * channels + channel)] = total


@cuda.jit(device=True)
def _of_channel(i, positions):
    """Where the i-th number of this block's channel is, in images of as many channels as blocks."""
    image = divide(uint32(i), uint32(positions))
    skipped = uint32(image * (cuda.gridDim.x - 1) + cuda.blockIdx.x)  # channels of other blocks
    return uint32(skipped * positions + i)


@cuda.jit
def _running_moments(x, mean, var, size, positions, momentum):
    """Of the channel of this block, which has so many numbers."""
    sums = cuda.shared.array(MAX_THREADS, float32)
    total = float32(0)
    for i in range(cuda.threadIdx.x, size, cuda.blockDim.x):
        total += x[_of_channel(i, positions)]
    of_x = sum_of_block(total, sums) / float32(size)
    total = float32(0)
    for i in range(cuda.threadIdx.x, size, cuda.blockDim.x):
        centred = x[_of_channel(i, positions)] - of_x
        total += centred * centred
    var_of_x = sum_of_block(total, sums) / float32(size - 1)
    channel = cuda.blockIdx.x
    if cuda.threadIdx.x == 0:
        mean[channel] += momentum * (of_x - mean[channel])
        var[channel] += momentum * (var_of_x - var[channel])
