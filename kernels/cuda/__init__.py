"""What the CUDA kernels share: operations of the hardware here, launching in `launch.py`.

The operations are `intrinsics.py`'s, or their twins in plain Python, `simulator.py`, where Numba's
simulator runs the kernels (NUMBA_ENABLE_CUDASIM=1). Arrays are flat float32 arrays, and an index
counts elements. Index with `uint32`, or with a sum of it and constants: for a signed index Numba
adds a check for negative ones, and does not see that two loads are neighbours.
"""

from kernels.cuda.launch import SIMULATED

if SIMULATED:
    from kernels.cuda.simulator import (
        commit_group,
        copy4_async,
        copy16_async,
        divide,
        load4,
        store4,
        wait_group,
    )
else:
    from kernels.cuda.intrinsics import (
        commit_group,
        copy4_async,
        copy16_async,
        divide,
        load4,
        store4,
        wait_group,
    )

__all__ = [
    "commit_group",
    "copy4_async",
    "copy16_async",
    "divide",
    "load4",
    "store4",
    "wait_group",
]
