"""Runs one rung of the ladder: checked against the definition, and timed.

On a GPU, or else in Numba's simulator, which also counts what is loaded from the device's memory:
elements, and the sectors of 32 bytes that the 32 threads of a warp touch with one load. (A copy of
16 bytes counts as four.) The counts of sectors are right where all threads do the same loads, which
is without padding. The simulator's time is no measure of a GPU's.
"""

import argparse
import inspect
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from kernels.conv2d import reference

MODULE = "kernels.conv2d.cuda.ladder"


def main(ladder: dict[str, Callable]) -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    rungs = range(1, len(ladder) + 1)
    parser.add_argument("rung", type=int, choices=rungs, help=", ".join(ladder))
    sizes = {"size": 6, "batch": 32, "inputs": 1, "outputs": 4, "kernel-size": 3}
    for name, default in (sizes | {"stride": 1, "padding": 0, "dilation": 1}).items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"(default {default})")
    options = parser.parse_args()
    on_gpu = has_gpu()
    if not on_gpu and os.environ.get("NUMBA_ENABLE_CUDASIM") != "1":
        # A process is in the simulator from the import of Numba on, or never.
        command = [sys.executable, "-m", MODULE, *sys.argv[1:]]
        os.execve(sys.executable, command, os.environ | {"NUMBA_ENABLE_CUDASIM": "1"})
    rng = np.random.default_rng(0)
    o, k, c = options.outputs, options.kernel_size, options.inputs
    x = rng.standard_normal((options.batch, c, options.size, options.size), np.float32)
    w = rng.standard_normal((o, c, k, k), np.float32)
    geometry = [(n, n) for n in (options.stride, options.padding, options.dilation)]
    try:
        expected = reference.conv2d(x.astype(np.float64), w.astype(np.float64), *geometry)
    except ValueError as error:
        parser.error(str(error))
    name, convolve = list(ladder.items())[options.rung - 1]
    print(f"Rung {options.rung}, {name}, {'on the GPU' if on_gpu else 'in the simulator'}.\n")
    print(inspect.getdoc(convolve), "\n")
    run(convolve, x, w, geometry, expected, on_gpu)


def has_gpu() -> bool:
    if not find_spec("cupy"):
        return False
    import cupy

    try:
        return cupy.cuda.runtime.getDeviceCount() > 0
    except cupy.cuda.runtime.CUDARuntimeError:
        return False


def run(
    convolve: Callable, x: Any, w: Any, geometry: list, expected: np.ndarray, on_gpu: bool
) -> None:
    loads = {}
    if on_gpu:
        import cupy

        x, w = cupy.asarray(x), cupy.asarray(w)
        convolve(x, w, *geometry)  # compiles
    else:
        loads = count_loads()
    started = time.perf_counter()
    y = convolve(x, w, *geometry)
    y = y.get() if on_gpu else y
    seconds = time.perf_counter() - started
    print(f"x {x.shape}, w {w.shape}, y {y.shape}: {seconds:.3g} s")
    error, largest = abs(y - expected).max(), abs(expected).max()
    print(f"largest error {error:.1e}, beside values up to {largest:.2g}")
    if loads:
        products, elements = expected.size * w[0].size, sum(map(len, loads.values()))
        sectors = sum(len(set(touched)) for touched in loads.values())
        print(
            f"{products:,} multiply-adds; {elements:,} elements loaded, {elements / products:.2g} "
            f"for each; {sectors:,} sectors, {sectors / len(loads):.2g} by a load of a warp"
        )


def count_loads() -> dict[tuple[int, ...], list[tuple[int, int]]]:
    """The sectors that the threads of a warp touch with a load, to be filled by the simulator.

    The key is the block, the warp and the number of the load.
    """
    from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

    loads: dict[tuple[int, ...], list[tuple[int, int]]] = defaultdict(list)
    get = FakeCUDAArray.__getitem__

    def counted(array: Any, index: Any) -> Any:
        thread: Any = threading.current_thread()
        if hasattr(thread, "blockIdx") and array._ary.dtype == np.float32:
            thread.loads = getattr(thread, "loads", 0) + 1
            block, warp = thread.blockIdx, thread.thread_id // 32
            key = block.x, block.y, block.z, warp, thread.loads
            loads[key].append((id(array._ary), int(index) // 8))
        return get(array, index)

    FakeCUDAArray.__getitem__ = counted
    return loads
