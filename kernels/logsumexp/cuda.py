"""One launch, of a block for each sum; of formulas CuPy starts eight."""

import math

import numpy as np
from numba import cuda, float32, uint32
from numpy.lib.array_utils import normalize_axis_tuple

from kernels.cuda.block import max_of_block, sum_of_block
from kernels.cuda.launch import launch
from kernels.dispatch import namespace

MAX_THREADS = 256


def logsumexp(x, axis, keepdims):
    xp, axes = namespace(x), tuple(range(x.ndim)) if axis is None else axis
    axes = normalize_axis_tuple(axes, x.ndim)
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    rows = xp.ascontiguousarray(x.transpose(kept + axes)).reshape(-1)
    y = xp.empty(tuple(1 if i in axes else n for i, n in enumerate(x.shape)), np.float32)
    length = x.size // y.size
    threads = min(MAX_THREADS, 1 << max(5, (length - 1).bit_length()))
    launch(_logsumexp, y.size, threads, rows, y.reshape(-1), length)
    return y if keepdims else y.squeeze(axes)


@cuda.jit
def _logsumexp(x, y, length):
    """Of the row of this block."""
    values = cuda.shared.array(MAX_THREADS, float32)
    start = uint32(cuda.blockIdx.x * length)
    largest = float32(-math.inf)
    for i in range(cuda.threadIdx.x, length, cuda.blockDim.x):
        largest = max(largest, x[uint32(start + i)])
    largest = max_of_block(largest, values)
    if not math.isfinite(largest):
        largest = float32(0)
    total = float32(0)
    for i in range(cuda.threadIdx.x, length, cuda.blockDim.x):
        total += math.exp(x[uint32(start + i)] - largest)
    total = sum_of_block(total, values)
    if cuda.threadIdx.x == 0:
        y[cuda.blockIdx.x] = largest + math.log(total) if total != float32(0) else -math.inf
