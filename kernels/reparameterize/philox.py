"""Philox4x32-10, the counter-based random number generator that every implementation shares.

Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC11), section 3.
A block of four random words is a function of its counter and a key, and of nothing else: any
thread can make any block at any time, and noise need not be stored to be had again.
"""

import numpy as np

LOW = np.uint64(0xFFFFFFFF)
WORD = np.uint64(32)
MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)  # the golden ratio and sqrt(3) - 1, times 2^32


def philox(block, offset, seed):
    """The four words, below 2^32, whose counter is (block, offset) and whose key is `seed`.

    All three are uint64, the low word of each before its high one, and so are the results: a
    word has 64 bits, where the product of two fits. Written like this it takes NumPy's arrays
    as it stands, and Numba compiles it for scalars, for the CPU and for CUDA.
    """
    c0, c1, c2, c3 = block & LOW, block >> WORD, offset & LOW, offset >> WORD
    k0, k1 = seed & LOW, seed >> WORD
    for _ in range(10):
        p0, p2 = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (p2 >> WORD) ^ c1 ^ k0, p2 & LOW, (p0 >> WORD) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
    return c0, c1, c2, c3
