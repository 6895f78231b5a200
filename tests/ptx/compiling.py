"""Compiles a CUDA kernel without a GPU, and reads what became of it."""

import functools
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import nvidia
from numba import cuda

from kernels.cuda import by_hand, launch

PTXAS = next(p for root in nvidia.__path__ for p in Path(root).glob("cu*/bin/ptxas"))

ARCHITECTURES = [(8, 0), (9, 0)]
"""Compute capabilities: A100, the first with cp.async, and H100 and H200."""


@dataclass(frozen=True)
class Report:
    """What ptxas says of a kernel (memory in bytes, for each thread or block), and its PTX."""

    registers: int
    spill_bytes: int
    stack_bytes: int
    shared_bytes: int
    ptx: str

    def count(self, pattern: str) -> int:
        """How often a regular expression matches in the PTX."""
        return len(re.findall(pattern, self.ptx))

    @property
    def wide_shared_loads(self) -> int:
        return self.count(r"ld\.shared\.v4\.[fb]32")

    @property
    def scalar_shared_loads(self) -> int:
        return self.count(r"ld\.shared\.[bfsu]\d+")

    @property
    def fused_multiply_adds(self) -> int:
        return self.count(r"fma\.rn\.(ftz\.)?f32")

    @property
    def shared_alignments(self) -> list[int]:
        """In bytes, of each shared array."""
        return [int(n) for n in re.findall(r"\.shared \.align (\d+)", self.ptx)]


@contextmanager
def pretended_device(cc: tuple[int, int]) -> Iterator[None]:
    """Numba asks the current device for its architecture, and loads what it has compiled."""
    device = SimpleNamespace(compute_capability=cc)
    context = SimpleNamespace(device=device)
    with (
        mock.patch("numba.cuda.dispatcher.get_current_device", lambda: device),
        mock.patch("numba.cuda.cudadrv.devices.get_context", lambda: context),
        mock.patch("numba.cuda.dispatcher._Kernel.bind", lambda kernel: None),
    ):
        yield


@functools.cache
def compiled(kernel: Any, signature: tuple, cc: tuple[int, int]) -> Report:
    """The kernel (of `cuda.jit`) for arguments of these Numba types, on this architecture."""
    options = {name: kernel.targetoptions[name] for name in ("fastmath", "launch_bounds")}
    with pretended_device(cc):
        text, _ = cuda.compile_ptx(kernel.py_func, signature, cc=cc, **options)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.ptx"
        source.write_text(text)
        command = [PTXAS, "-v", "-O3", f"-arch=sm_{cc[0]}{cc[1]}", source, "-o", f"{folder}/cubin"]
        process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    stack, *spills = _numbers(
        r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads",
        process.stderr,
    )
    (registers,) = _numbers(r"Used (\d+) registers", process.stderr)
    (shared,) = _numbers(r"(\d+) bytes smem", process.stderr) or (0,)
    return Report(registers, sum(spills), stack, shared, text)


def _numbers(pattern: str, text: str) -> tuple[int, ...]:
    match = re.search(pattern, text)
    return tuple(map(int, match.groups())) if match else ()


@dataclass(frozen=True)
class Launch:
    kernel: Any
    signature: tuple
    grid: tuple[int, ...]
    block: tuple[int, ...]


def launches(function: Callable, *args: Any) -> list[Launch]:
    """What function(*args), with NumPy arrays, would start on a GPU; it is not run.

    So that a test compiles the kernel a caller gets, for the types of arguments it gets.
    """
    started = []

    def record(kernel, grid, block, *arguments):
        signature = by_hand.signature_of(arguments)
        grid, block = (n if isinstance(n, tuple) else (n,) for n in (grid, block))
        started.append(Launch(kernel, signature, grid, block))

    with mock.patch.object(launch, "start", record):
        function(*args)
    return started
