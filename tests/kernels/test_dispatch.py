"""Which implementation runs, and that it runs from any thread and process."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import kernels
from autograd import Tensor, conv2d, grad
from kernels import dispatch
from kernels.conv2d import reference
from kernels.dispatch import implementation
from tests.autograd import device

X = np.zeros((1, 1, 2, 2), np.float32)


@pytest.fixture
def on_device(monkeypatch):
    """X on a pretended device, with an empty module in place of the CUDA implementation."""
    monkeypatch.setitem(sys.modules, "cupy", device)
    monkeypatch.setitem(sys.modules, "kernels.conv2d.cuda", ModuleType("kernels.conv2d.cuda"))
    monkeypatch.setattr(dispatch, "_module", dispatch._module.__wrapped__)  # which keeps nothing
    return device.asarray(X)


def test_the_arrays_choose_and_use_forces(on_device):
    assert implementation("conv2d", X).__name__ == "kernels.conv2d.cpu"
    assert implementation("conv2d", on_device, on_device).__name__ == "kernels.conv2d.cuda"
    with kernels.use("cpu"), kernels.use("reference"):
        assert implementation("conv2d", X).__name__ == "kernels.conv2d.reference"
    assert implementation("conv2d", X).__name__ == "kernels.conv2d.cpu"


def chosen():
    return implementation("conv2d", X).__name__


def test_a_thread_chooses_for_itself_only():
    """Also where the blocks of two threads overlap and the first ends first."""
    with ThreadPoolExecutor(1) as other:
        enter, leave = (
            (lambda block: block.__enter__()),
            (lambda block: block.__exit__(*3 * [None])),
        )
        ours, theirs = kernels.use("reference"), kernels.use("reference")
        enter(ours)
        assert other.submit(chosen).result() == "kernels.conv2d.cpu"
        other.submit(enter, theirs).result()
        leave(ours)
        assert chosen() == "kernels.conv2d.cpu"
        assert other.submit(chosen).result() == "kernels.conv2d.reference"
        other.submit(leave, theirs).result()


def test_your_own_convolution_replaces_one_kernel():
    calls = []

    def own(x, w, stride, padding, dilation, b=None):
        calls.append(x.shape)
        return 2 * reference.conv2d(x, w, stride, padding, dilation, b)

    mine = SimpleNamespace(conv2d=own, conv2d_weight_grad=reference.conv2d_weight_grad)
    w = Tensor(np.ones((1, 1, 2, 2), np.float32), requires_grad=True)
    with kernels.use(conv2d=mine):
        y = conv2d(X + 1, w)
        assert implementation("pointwise", X).__name__ == "kernels.pointwise.cpu"
        with kernels.use("cpu"):
            assert chosen() == "kernels.conv2d.cpu"
        assert (grad(y.sum(), w).data == 1).all()
    assert (calls, y.item()) == ([(1, 1, 2, 2)], 8)
    assert conv2d(X + 1, w).item() == 4
    with kernels.use(group_norm="reference"):
        assert chosen() == "kernels.conv2d.cpu"
        assert implementation("group_norm", X).__name__ == "kernels.group_norm.reference"


def test_what_no_implementation_takes_is_refused(on_device):
    with pytest.raises(TypeError, match=r"\(1, 1, 2, 2\) of numpy .* on two devices"):
        kernels.conv2d(X, on_device)
    with pytest.raises(TypeError, match=r"by cuda takes float32, not float64\(1, 1, 2, 2\)"):
        implementation("conv2d", on_device.astype(np.float64))
    with pytest.raises(TypeError, match="by cuda takes CuPy's arrays"), kernels.use("cuda"):
        kernels.conv2d(X, X)
    with pytest.raises(ValueError, match="no implementation 'gpu'"), kernels.use("gpu"):
        pass
    with pytest.raises(ValueError, match="no kernel 'conv3d': choose one of conv2d, group_norm"):
        kernels.use(conv3d="reference").__enter__()


def test_a_rung_of_the_ladder_runs_without_a_gpu_and_its_loads_are_counted():
    """Neighbouring threads of the naive rung read neighbouring images, each its own sector."""
    sectors = []
    for rung in ("1", "2"):
        program = [sys.executable, "-m", "kernels.conv2d.cuda.ladder", rung, "--size", "5"]
        done = subprocess.run(program, capture_output=True, text=True, check=True)
        counts = re.findall(r"([\d,]+) (multiply-adds|elements|sectors)", done.stdout)
        numbers = {what: int(number.replace(",", "")) for number, what in counts}
        assert "Why it helps:" in done.stdout
        error = float(re.search(r"largest error ([\d.e-]+)", done.stdout)[1])
        assert error < 1e-5
        assert numbers["multiply-adds"] == 32 * 4 * 9 * 9
        assert numbers["elements"] == 2 * numbers["multiply-adds"]
        sectors.append(numbers["sectors"])
    assert sectors[0] == 36 * 9 * (32 + 1)  # of each warp, of x and of w
    assert sectors[1] < sectors[0] / 3


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
    """With OpenMP, and with Numba's own threads, where OpenMP is missing."""
    environment = os.environ | {"NUMBA_THREADING_LAYER": layer}
    program = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(program, capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == ("True 0\n", "")
