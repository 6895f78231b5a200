"""A sum that several blocks share: each has a part, and the last one to finish adds them up.

A product of matrices whose result is small, and whose reduction is long, is split among blocks
along the reduction ("split-K"). A second kernel for the sum would be one more launch, and atomic
additions would come in another order each time. Here the blocks count themselves, as in NVIDIA's
sample `threadFenceReduction`, and the parts are added in the order of the blocks: the same input
gives the same bits.

One block that reads a hundred parts would take longer than the product did. So the parts are the
leaves of a tree: of each ARITY of them the last block adds them, and of each ARITY such sums again.
"""

from functools import cache

import numpy as np
from numba import cuda, float32, int32, uint32

from kernels.cuda.intrinsics import divide, load4, store4
from kernels.cuda.launch import counters_on_device_of
from kernels.dispatch import Array, namespace

ARITY = 16


def room_for_parts(x: Array, tiles: int, size: int, splits: int) -> tuple[Array, Array]:
    """Beside x, for tiles of `size` numbers: where blocks leave their parts, and count."""
    count = tiles if splits > 1 else 0  # else nothing is left, and nobody counts
    parts = namespace(x).empty(count * splits * size, np.float32)
    return parts, counters_on_device_of(x, count * (splits + ARITY))


@cache
def shared_sum(threads: int, rows: int, columns: int):
    """A device function: shared_sum(total, parts, counters, tile, split, splits).

    `total` (rows, columns) has a thread's numbers of a tile, those of block `split` among `splits`;
    the columns are a multiple of 4. It is True in one block of each tile, where `total` has become
    the sum.
    """
    fours = columns // 4
    size = rows * columns * threads

    @cuda.jit(device=True)
    def store(total, parts, at):
        for r in range(rows):
            for f in range(fours):
                c, to = 4 * f, uint32(at + (r * fours + f) * 4 * threads)
                store4(parts, to, total[r, c], total[r, c + 1], total[r, c + 2], total[r, c + 3])

    @cuda.jit(device=True)
    def add(total, parts, at):
        for r in range(rows):
            for f in range(fours):
                values = load4(parts, uint32(at + (r * fours + f) * 4 * threads))
                for k in range(4):
                    total[r, 4 * f + k] += values[k]

    @cuda.jit(device=True)
    def add_up(total, parts, counters, tile, split, splits):
        at = uint32(tile * splits * uint32(size) + uint32(4 * cuda.threadIdx.x))
        counter = uint32(tile * (splits + uint32(ARITY)))
        apart = uint32(1)
        while apart < splits:
            store(total, parts, uint32(at + split * uint32(size)))
            split = uint32(split - split % uint32(apart * ARITY))  # the first that is added here
            count = min(uint32(ARITY), divide(uint32(splits - split + apart - 1), apart))
            if not last_of(counters, uint32(counter + split), count):
                return False
            for r in range(rows):
                for c in range(columns):
                    total[r, c] = float32(0.0)
            for n in range(count):
                add(total, parts, uint32(at + (split + n * apart) * uint32(size)))
            apart = uint32(apart * ARITY)
            counter = uint32(counter + 1)  # of the next level; the levels are fewer than ARITY
        return True

    return add_up


@cuda.jit(device=True)
def last_of(counters, at, count):
    """Whether this block is the last of `count` that come here: it sees what the others stored.

    The counter begins and ends at 0.
    """
    cuda.threadfence()
    cuda.syncthreads()
    last = int32(0)
    if cuda.threadIdx.x == 0:
        before = cuda.atomic.inc(counters, at, uint32(count - 1))  # the last sets it to 0
        last = int32(before == uint32(count - 1))
    last = cuda.syncthreads_or(last)
    cuda.threadfence()
    return last != 0
