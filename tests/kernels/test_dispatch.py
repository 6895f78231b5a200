"""Which implementation runs, and that it runs from any thread and process."""

import os
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

import kernels
from kernels.dispatch import implementation
from tests.autograd import device

X = np.zeros((1, 1, 2, 2), np.float32)


@pytest.fixture
def on_device(monkeypatch):
    """X on a pretend device, with modules that stand for those that need a real one."""
    monkeypatch.setitem(sys.modules, "cupy", device)
    monkeypatch.setitem(sys.modules, "kernels.conv2d.cuda", ModuleType("kernels.conv2d.cuda"))
    return device.asarray(X)


def test_the_arrays_choose_and_use_forces(on_device):
    assert implementation("conv2d", X).__name__ == "kernels.conv2d.cpu"
    assert implementation("conv2d", on_device, on_device).__name__ == "kernels.conv2d.cuda"
    with kernels.use("cpu"), kernels.use("reference"):
        assert implementation("conv2d", X).__name__ == "kernels.conv2d.reference"
    assert implementation("conv2d", X).__name__ == "kernels.conv2d.cpu"


def test_what_no_implementation_takes_is_refused(on_device):
    with pytest.raises(TypeError, match=r"\(1, 1, 2, 2\) of numpy .* on two devices"):
        kernels.conv2d(X, on_device)
    with pytest.raises(TypeError, match=r"by cuda takes float32, not float64\(1, 1, 2, 2\)"):
        implementation("conv2d", on_device.astype(np.float64))
    with pytest.raises(TypeError, match="by cuda takes CuPy's arrays"), kernels.use("cuda"):
        kernels.conv2d(X, X)
    with pytest.raises(ValueError, match="no implementation 'gpu'"), kernels.use("gpu"):
        pass


PROGRAM = """
import multiprocessing, threading
import numpy as np
import kernels

def convolve(results):
    for _ in range(100):
        y = kernels.conv2d(np.ones((4, 1, 3, 3)), np.ones((1, 1, 3, 3)))
    results.append(y.sum())

results = []
threads = [threading.Thread(target=convolve, args=(results,)) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
child = multiprocessing.get_context("fork").Process(target=convolve, args=(results,))
child.start()
child.join(30)
print(results == 4 * [36], child.exitcode)
child.kill()
"""


@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_the_first_call_may_come_from_several_threads_and_the_next_from_a_child(layer):
    """By OpenMP, and by what Numba has where that is missing."""
    environment = os.environ | {"NUMBA_THREADING_LAYER": layer}
    program = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(program, capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == ("True 0\n", "")
