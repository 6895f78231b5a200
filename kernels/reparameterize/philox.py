"""Philox4x32-10, the counter-based random number generator of all implementations.

Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC11), section 3.
A block of four random words is a function of its counter and a key only: any thread can compute
any block at any time, and noise can be computed a second time instead of being stored.
"""

import numpy as np

LOW = np.uint64(0xFFFFFFFF)
WORD = np.uint64(32)
MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)  # the golden ratio and sqrt(3) - 1, times 2^32


def philox(block, offset, seed):
    """The four words, below 2^32, whose counter is (block, offset) and whose key is `seed`.

    All three are uint64, which are two words each, the low one first. The results are uint64 too,
    since the product of two words needs 64 bits. This one function takes NumPy's arrays, and Numba
    compiles it for scalars, for the CPU and for CUDA.
    """
    c0, c1, c2, c3 = block & LOW, block >> WORD, offset & LOW, offset >> WORD
    k0, k1 = seed & LOW, seed >> WORD
    for _ in range(10):
        p0, p2 = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (p2 >> WORD) ^ c1 ^ k0, p2 & LOW, (p0 >> WORD) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
    return c0, c1, c2, c3
