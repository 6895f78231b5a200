"""What importing the kernels changes in the process, and the switch that turns it off."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from kernels import machine


@pytest.mark.parametrize("leave", [False, True])
def test_the_allocator_and_the_name(leave, monkeypatch):
    options = []
    libc = SimpleNamespace(mallopt=lambda *option: options.append(option))
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda _: libc)
    monkeypatch.setattr(machine, "LEAVE_PROCESS", leave)
    monkeypatch.delattr(np, "row_stack", raising=False)
    machine.keep_freed_memory()
    machine.restore_row_stack()
    assert options == ([] if leave else [(-1, 2**31 - 1), (-3, 2**25)])
    assert hasattr(np, "row_stack") != leave


PROGRAM = """
import os
import numpy as np
from numba import config
from threadpoolctl import threadpool_info

def blas():
    return {library["filepath"]: library["num_threads"] for library in threadpool_info()}

before = blas()
import kernels, kernels.conv2d.cpu, kernels.cuda.launch, kernels.cpu.threads as threads
assert (kernels.leaky_relu(-np.ones(2000, "f"), 0.5) == -0.5).all()
after = [blas()[path] for path in before]
waits = config.CUDA_ARRAY_INTERFACE_SYNC
cached = os.listdir(os.environ["NUMBA_CACHE_DIR"])
print(after == list(before.values()) and threads.CORES == 1 and waits and not cached)
print(set(after) == {1} and threads.CORES == threads.MAX_CORES and not waits and len(cached) > 0)
"""


@pytest.mark.parametrize("leave", [False, True])
def test_a_process(leave, tmp_path):
    switch = {"CHAINRULE_LEAVE_PROCESS": "1" if leave else "0", "NUMBA_CACHE_DIR": str(tmp_path)}
    program, environment = [sys.executable, "-c", PROGRAM], os.environ | switch
    done = subprocess.run(program, capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == (f"{leave}\n{not leave}\n", "")
