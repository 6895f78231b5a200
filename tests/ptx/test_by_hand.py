"""Launching by hand: what the driver would get, and what is compiled and kept on the disk."""

import ctypes
import re
import struct
import sys
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
from numba import cuda, float32

from tests.ptx.compiling import launches, pretended_device

# isort: split
# After `compiling`, which skips this file where there are no compilers.
from kernels import disk
from kernels.conv2d import cuda as convolution
from kernels.cuda import by_hand, launch
from kernels.group_norm import cuda as groups
from kernels.logsumexp import cuda as exponentials
from kernels.optimizer import cuda as optimizer
from kernels.pointwise import cuda as pointwise
from kernels.reparameterize import cuda as sampling

X, W = np.zeros((8, 64, 8, 8), np.float32), np.zeros((64, 64, 3, 3), np.float32)
Z, KL = np.zeros((8, 16), np.float32), np.zeros(8, np.float32)
LINES = [KL] * 3, [KL] * 3, [KL] * 3, [KL] * 3
OPTIONS = (1, 1), (1, 1), (1, 1)

CALLS = {
    "implicit gemm": (convolution.conv2d, X, W, *OPTIONS),
    "direct": (convolution.conv2d, X[:, :1].copy(), W[:, :1].copy(), *OPTIONS),
    "weight_grad": (convolution.conv2d_weight_grad, X, X, (3, 3), *OPTIONS),
    "reparameterize": (sampling.reparameterize, Z, Z, 1, 2, Z.copy(), KL.copy()),
    "adam": (optimizer.adam, *LINES, np.zeros(3), 0.9, 0.999, 1e-8),
    "squares": (optimizer.clip, [KL], 1.0),
    "group norm": (groups.group_norm, X, W[0, :, 0, 0], W[0, :, 0, 0], 4, 1e-5),
    "leaky relu": (pointwise.leaky_relu, X, 0.2),
    "logsumexp": (exponentials.logsumexp, Z, 1, True),
}


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """For what is compiled; the sources are not read again for each test."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def refuse(*_: Any) -> None:
    raise AssertionError("compiled again")


@pytest.mark.parametrize("name", CALLS)
def test_a_cubin_and_what_it_takes(name, monkeypatch):
    """By the compiler and linker that a GPU's cubins come from; the second time from the disk."""
    call = launches(*CALLS[name])[name == "implicit gemm"]
    with pretended_device((9, 0)):
        entry, cubin = by_hand.cubin_of(call.kernel, call.signature, "90")
        text = call.kernel.compile(call.signature).library.get_asm_str((9, 0, "a"))
    assert cubin.startswith(b"\x7fELF") and entry.encode() in cubin
    numbers = re.findall(r"\.param \.[a-z](\d+) \w+_param_\d+", text)
    assert [int(bits) // 8 for bits in numbers] == [
        struct.calcsize(code) for code in by_hand.codes_of(call.signature)
    ]
    assert " at 0x" not in repr(by_hand._made_of(call.kernel))  # is the same in each process
    monkeypatch.setattr(call.kernel, "compile", refuse)
    assert by_hand.cubin_of(call.kernel, call.signature, "90") == (entry, cubin)


class Array:
    """As much of CuPy's as is asked for."""

    def __init__(self, memory: np.ndarray):
        self.memory, self.data = memory, SimpleNamespace(ptr=memory.ctypes.data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.memory, name)


@pytest.fixture
def driver(monkeypatch):
    """A pretended CuPy, whose driver tells what each launch gives it."""
    told: list[Any] = []

    def launch_kernel(function, *rest):
        *sizes, shared, stream, addresses, extra = rest
        (launcher,) = (x for x in by_hand._launchers.known.values() if x.addresses == addresses)
        numbers = []
        for address, code in zip(launcher.table, launcher.layout.format):
            numbers += struct.unpack(code, ctypes.string_at(address, struct.calcsize(code)))
        told.append((function, sizes, numbers, (shared, stream, extra)))

    class Module:
        def load(self, cubin):
            self.cubin = cubin

        def get_function(self, name):
            return SimpleNamespace(ptr=(name, self.cubin))

    modules = SimpleNamespace(
        Device=lambda: SimpleNamespace(compute_capability="90"),
        Module=Module,
        driver=SimpleNamespace(launchKernel=launch_kernel),
        get_current_stream=lambda: SimpleNamespace(ptr=7),
        get_device_id=lambda: 0,
    )
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=modules))
    monkeypatch.setattr(by_hand, "_launchers", by_hand._Launchers())
    return told


class Kernel:
    """Of Numba, with a compiler that counts."""

    def __init__(self, py_func, **targetoptions):
        self.py_func, self.targetoptions = py_func, targetoptions
        self.compiled: list[tuple] = []

    def compile(self, signature):
        self.compiled.append(signature)
        cubin = SimpleNamespace(code=b"code\n\0")
        return SimpleNamespace(entry_name="name", library=SimpleNamespace(get_cubin=lambda: cubin))


def made_by_factory(factor, inner=None):
    def kernel(x):
        x[0] *= factor if inner is None else inner(factor)

    return kernel


def test_what_the_driver_gets(driver):
    flat, square = np.zeros(6, np.float32), np.zeros((2, 3))
    strided, empty = np.zeros((4, 6), np.uint32)[::2, ::3], np.zeros(0, np.int32)
    numbers = np.uint64(2**64 - 1), -5, True, np.float32(0.1), 0.1, np.float64(0.2), (3, -4), (5,)
    arrays = Array(flat), Array(square), Array(strided), Array(empty), (Array(flat), Array(flat))
    kernel = Kernel(made_by_factory(1))
    launch.launch(kernel, (2, 3), 32, *arrays, *numbers)
    of_flat = [None, None, 6, 4, flat.ctypes.data, 6, 4]
    ((function, sizes, found, rest),) = driver
    pointers = by_hand.codes_of(*kernel.compiled)
    assert [n or None if code == "P" else n for n, code in zip(found, pointers)] == [
        *of_flat,
        *(None, None, 6, 8, square.ctypes.data, 2, 3, 24, 8),
        *(None, None, 4, 4, strided.ctypes.data, 2, 2, 48, 12),
        *(None, None, 0, 4, empty.ctypes.data, 0, *empty.strides),
        *of_flat,
        *of_flat,
        *(2**64 - 1, -5, 1, np.float32(0.1), 0.1, 0.2, 3, -4, 5),
    ]
    assert function == ("name", b"code\n\0")
    assert (sizes, rest) == ([2, 3, 1, 32, 1, 1], (0, 7, 0))


def test_the_types_are_numbas():
    arrays = np.zeros(3), np.zeros((2, 3), np.float32), np.zeros((4, 6), np.uint32)[::2]
    args = *arrays, (arrays[1], arrays[1]), (1, 2), (1, np.float32(2)), True, 0.5, np.uint64(1)
    assert by_hand.signature_of(args) == tuple(map(numba.typeof, map(launch._int32, args)))


def test_a_launch_of_the_same_kind_finds_the_kernel_loaded(driver, monkeypatch):
    kernel, x = Kernel(made_by_factory(1)), Array(np.zeros(6, np.float32))
    by_hand.start(kernel, 1, 32, x, 1)
    with monkeypatch.context() as patch:
        patch.setattr(by_hand, "cubin_of", refuse)
        by_hand.start(kernel, 2, 32, Array(np.zeros(9, np.float32)), 2)
    assert [found[-1] for _, _, found, _ in driver] == [1, 2]
    for other in ((x, 1.0), (x, np.uint64(1)), (Array(np.zeros(6)), 1), (x, (1,)), ((x,), 1)):
        by_hand.start(kernel, 1, 32, *other)
    assert len(set(kernel.compiled)) == len(kernel.compiled) == 6


@cuda.jit(device=True)
def add(x):
    return x + 1


@cuda.jit(device=True)
def subtract(x):
    return x - 1


FIRST = Kernel(made_by_factory(1), fastmath=False), (float32[::1],), "90"


@pytest.mark.parametrize(
    ("kernel", "signature", "cc"),
    [
        (Kernel(made_by_factory(2), fastmath=False), *FIRST[1:]),
        (Kernel(made_by_factory(1), fastmath=True), *FIRST[1:]),
        (Kernel(made_by_factory(1, subtract), fastmath=False), *FIRST[1:]),
        (Kernel(made_by_factory(1, made_by_factory(1)), fastmath=False), *FIRST[1:]),
        (Kernel(made_by_factory(1, made_by_factory(2)), fastmath=False), *FIRST[1:]),
        (FIRST[0], (float32[:],), "90"),
        (FIRST[0], FIRST[1], "80"),
    ],
    ids=["value", "option", "function", "its value", "other value", "type", "architecture"],
)
def test_other_code_is_another_file(kernel, signature, cc, folder):
    of_add = Kernel(made_by_factory(1, add), fastmath=False), *FIRST[1:]
    for known in (FIRST, of_add, (kernel, signature, cc)):
        by_hand.cubin_of(*known)
    assert len(list(folder.rglob("*.cubin"))) == 3


def test_a_file_that_is_damaged_or_of_other_versions_is_replaced(folder, monkeypatch, capsys):
    kernel = Kernel(made_by_factory(1))
    for _ in range(2):
        by_hand.cubin_of(kernel, *FIRST[1:])
    (file,) = folder.rglob("*.cubin")
    file.write_bytes(file.read_bytes()[:-1])
    disk.report.cache_clear()
    assert by_hand.cubin_of(kernel, *FIRST[1:]) == ("name", b"code\n\0")
    assert len(kernel.compiled) == 2 and "is damaged" in capsys.readouterr().err
    monkeypatch.setattr(by_hand, "version", lambda package: "0")
    by_hand.cubin_of(kernel, *FIRST[1:])
    assert len(kernel.compiled) == 3
