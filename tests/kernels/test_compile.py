"""The compiled kernels on disk: whatever happens to the files, the result is right."""

import os
import subprocess
import sys

import numba
import pytest

from kernels import disk
from kernels.cpu.compile import njit_cached


def double(x):
    return x + x


def triple(x):
    return x + x + x


@pytest.fixture
def call(monkeypatch, tmp_path, capsys):
    """Call a function as a new process does: whether its code was on disk, and the message."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def call(function=double):
        disk.report.cache_clear()
        disk._made_by.cache_clear()
        kernel = njit_cached(function)
        assert kernel(21) == function(21)
        return sum(kernel.stats.cache_hits.values()) == 1, capsys.readouterr().err

    assert call() == (False, "")
    assert call() == (True, "")
    return call


@pytest.fixture
def file(call, tmp_path):
    (file,) = tmp_path.rglob("*.nbc")
    return file


def flip(place):
    return lambda content: content[:place] + bytes([content[place] ^ 1]) + content[place:][1:]


DAMAGE = {
    "empty": lambda content: b"",
    "garbage": lambda content: b"garbage",
    "a byte short": lambda content: content[:-1],
    "half of it": lambda content: content[: len(content) // 2],
    "too long": lambda content: content + b"more",
    "zeros": lambda content: bytes(len(content)),
} | {f"a bit of byte {place}": flip(place) for place in (0, 31, 32, 63, 64, 999, -1)}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_replaced_with_one_message(call, file, damage, tmp_path):
    file.write_bytes(damage(file.read_bytes()))
    message = f"chainrule: the kernels' cache: {file} is damaged: compiled again\n"
    assert call() == (False, message)
    assert call() == (True, "")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]


def test_the_file_of_another_kernel_is_not_used(call, file, tmp_path):
    call(triple)
    (other,) = set(tmp_path.rglob("*.nbc")) - {file}
    other.write_bytes(file.read_bytes())
    hit, message = call(triple)
    assert not hit and "is damaged" in message


@pytest.mark.parametrize("version", ["sys.version", "np.__version__", "numba.__version__"])
def test_the_file_of_another_version_is_replaced(call, file, version, monkeypatch):
    content = file.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(f"kernels.disk.{version}", "0")
        assert call() == (False, "")
    assert file.read_bytes() != content
    assert call() == (False, "")


def test_the_file_of_another_source_is_replaced(call, file, monkeypatch, tmp_path):
    """Kernels use functions of each other's files."""
    (tmp_path / "other.py").write_text("changed = True")
    monkeypatch.setattr(disk, "PACKAGE", tmp_path)
    assert call() == (False, "")
    assert call() == (True, "")


def test_the_file_of_another_user_is_not_used(call, file, monkeypatch):
    if not hasattr(os, "getuid"):
        return
    me = os.getuid()
    if me == 0:
        os.chown(file, 12345, -1)
    else:
        monkeypatch.setattr(os, "getuid", lambda: me + 1)
    assert call() == (
        False,
        f"chainrule: the kernels' cache: {file} is another user's: compiled again\n",
    )


def test_a_file_that_cannot_be_read_or_replaced(call, file):
    file.unlink()
    file.mkdir()
    hit, message = call()
    assert not hit and "Is a directory" in message and message.count("\n") == 1


PROGRAM = """
import numpy as np
import kernels
x = np.linspace(-2, 2, 2000, dtype=np.float32)
print(np.abs(kernels.leaky_relu(x, 0.5) - np.where(x > 0, x, x / 2)).max())
"""


def start(cache, before="", **environment):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)} | environment
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", before + PROGRAM], env=environment, **pipes)


def messages(process):
    """Those of a process, whose kernel gave the right result."""
    out, error = process.communicate()
    assert (process.returncode, out) == (0, "0.0\n"), error
    return error


def test_two_processes_at_once_and_a_third_that_finds_flipped_bits(tmp_path):
    assert [messages(process) for process in [start(tmp_path), start(tmp_path)]] == ["", ""]
    for file in tmp_path.rglob("*.nbc"):
        content = bytearray(file.read_bytes())
        for place in range(1000, len(content), 100):
            content[place] ^= 0xFF
        file.write_bytes(content)
    assert messages(start(tmp_path)).endswith("is damaged: compiled again\n")


ON_CORES = """
from kernels.cpu import threads
threads.CORES, threads.MIN_SHARED_SIZE = 2, 1
"""


def test_code_from_disk_calls_a_kernel_that_is_compiled_again(tmp_path):
    """The code that Python calls has no copy of the kernel, only its name."""
    assert messages(start(tmp_path, ON_CORES)) == ""
    files = set(tmp_path.rglob("*.nbc"))
    (kernel,) = tmp_path.rglob("cpu._leaky_relu*.nbc")
    callers = {file: file.stat().st_mtime_ns for file in files - {kernel}}
    assert sorted(file.name.split("-")[0] for file in callers) == [
        "tasks._loop",
        "tasks.kernels.pointwise.cpu._leaky_relu",
    ]
    kernel.unlink()
    assert messages(start(tmp_path, ON_CORES)) == ""
    assert kernel.exists() and callers == {file: file.stat().st_mtime_ns for file in callers}


FULL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
GONE = """
import os, shutil, kernels.pointwise.cpu
shutil.rmtree(folder := os.environ["NUMBA_CACHE_DIR"])
open(folder, "w").close()
"""


@pytest.mark.parametrize(
    ("before", "reason"),
    [(FULL, "File too large"), (GONE, "Not a directory")],
    ids=["full", "gone"],
)
def test_what_cannot_be_written(tmp_path, before, reason):
    """A disk that takes no file of more than 100 bytes, and a file in place of the folder."""
    (folder := tmp_path / "cache").mkdir()
    error = messages(start(folder, before))
    assert reason in error and error.count("\n") == 1
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_no_folder_at_all():
    nowhere = {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
    error = messages(start("/dev/null/cache", **nowhere))
    assert "NUMBA_CACHE_DIR names one" in error and error.count("\n") == 1


CONVOLUTION = """
import kernels, numpy as np
assert (kernels.conv2d(np.ones((1, 1, 9, 9), "f"), np.ones((1, 1, 3, 3), "f")) == 9).all()
try:
    kernels.use("cpu").__enter__()
except ValueError as error:
    assert "NUMBA_DISABLE_JIT" in str(error)
else:
    raise SystemExit("not refused")
"""


def test_without_a_compiler_the_definitions_run(tmp_path):
    """NUMBA_DISABLE_JIT is for debugging, and the kernels have parts that are no Python."""
    assert messages(start(tmp_path, CONVOLUTION, NUMBA_DISABLE_JIT="1")) == ""
