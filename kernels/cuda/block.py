"""What the threads of a block, a power of two of them, find together.

`values` is a shared array with room for a number of each. The order is always the same.
"""

from numba import cuda


@cuda.jit(device=True)
def sum_of_block(value, values):
    """The sum of `value` over the threads."""
    lane = cuda.threadIdx.x
    cuda.syncthreads()  # the last result has been read by all
    values[lane] = value
    half = cuda.blockDim.x >> 1
    while half > 0:
        cuda.syncthreads()
        if lane < half:
            values[lane] += values[lane + half]
        half >>= 1
    cuda.syncthreads()
    return values[0]


@cuda.jit(device=True)
def max_of_block(value, values):
    """The largest `value` of the threads."""
    lane = cuda.threadIdx.x
    cuda.syncthreads()
    values[lane] = value
    half = cuda.blockDim.x >> 1
    while half > 0:
        cuda.syncthreads()
        if lane < half:
            values[lane] = max(values[lane], values[lane + half])
        half >>= 1
    cuda.syncthreads()
    return values[0]
