"""What other systems may not have is taken away, and a model is trained without it."""

import ast
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from models import files
from models.cli.doctor import Finding, _folder
from models.errors import Failure
from models.files import replacing
from models.training.locks import LOCK, claim, release
from tests.imports import PACKAGES, ROOT

NO_POSIX = """
import ctypes, os, signal, sys
for name in ("sched_getaffinity", "register_at_fork", "fork", "getuid", "mkfifo", "execve"):
    delattr(os, name)
sys.modules |= dict.fromkeys(("resource", "fcntl", "pwd", "grp", "termios"))
load = ctypes.CDLL
def refuse(name, *arguments, **keywords):
    if name is None:
        raise TypeError("no library has no name")
    return load(name, *arguments, **keywords)
ctypes.CDLL = refuse
for name in ("SIGKILL", "SIGHUP", "SIGSTOP", "SIGCONT", "SIGUSR1", "SIGALRM"):
    delattr(signal, name)
def only_in_the_main_thread(*_):
    raise ValueError("signal only works in main thread of the main interpreter")
signal.signal = only_in_the_main_thread
"""
NO_OPENMP = """
import sys
sys.modules |= dict.fromkeys(("numba.np.ufunc.omppool", "numba.np.ufunc.tbbpool"))
"""
LOSSES = [24.288, 25.142]
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
FOLDERS = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR", "TMPDIR")


@pytest.mark.parametrize(
    ("code", "environment"),
    [(NO_POSIX, ASCII), (NO_OPENMP, {}), ("", dict.fromkeys(FOLDERS, "/dev/null/nowhere"))],
    ids=["POSIX", "OpenMP", "folders"],
)
def test_a_model_is_trained_without(code, environment, tmp_path):
    """In a folder with a space and letters of two alphabets; the numbers are the usual ones."""
    out = tmp_path / "Mögliche Läufe" / "跑"
    code += "\nfrom models.cli import run; run()"
    command = [sys.executable, "-c", code, "train", "vae", "--steps", "2", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, env=os.environ | environment)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    lines = (out / "metrics.jsonl").read_text("utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in lines[:2]]
    assert losses == pytest.approx(LOSSES, abs=0.01)
    assert (out / "samples.png").exists() and not (out / LOCK).exists()


def is_of_text(call: ast.Call) -> bool:
    """Whether a call reads or writes text: `path.read_text()`, `path.open("a")`, `open(path)`."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    arguments = call.args[not isinstance(call.func, ast.Attribute) :]
    mode = arguments[0] if arguments else ast.Constant("r")
    text = isinstance(mode, ast.Constant) and "b" not in str(mode.value)
    return name in ("read_text", "write_text") or (name == "open" and text)


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks"])
def test_text_is_utf_8_whatever_the_system_takes_for_text(package):
    for path in (ROOT / package).rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and is_of_text(call):
                assert "utf-8" in ast.unparse(call), f"{path}, line {call.lineno}"


@pytest.mark.parametrize("refusals", [2, 99])
def test_a_file_that_a_reader_has_open_is_replaced_when_it_is_closed(
    refusals, tmp_path, monkeypatch
):
    """Windows refuses until then."""
    path = tmp_path / "metrics"
    path.write_text("before")
    replace, tries = Path.replace, iter(range(1000))

    def refuse(self, target):
        if next(tries) < refusals:
            raise PermissionError(13, "Access is denied")
        return replace(self, target)

    monkeypatch.setattr(files, "REPLACED_AGAIN", (0.001,) * 4)
    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(Path, "replace", refuse)
    expected = nullcontext() if refusals < 5 else pytest.raises(Failure, match="Access is denied")
    with expected, replacing(path) as unfinished:
        unfinished.write_text("after")
    assert path.read_text() == ("after" if refusals < 5 else "before")
    assert list(tmp_path.iterdir()) == [path]


def test_a_lock_that_can_be_neither_read_nor_written_is_a_lock(tmp_path, monkeypatch):
    """Windows keeps everybody out of what is locked."""
    from filelock import FileLock

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    for name in ("read_text", "write_text"):
        monkeypatch.setattr(Path, name, refuse)
    first, second = (FileLock(tmp_path / LOCK) for _ in range(2))
    claim(first)
    with pytest.raises(Failure, match="is in use: another process trains it"):
        claim(second)
    release(first)
    claim(second)
    release(second)


# The doctor


@pytest.mark.parametrize(
    ("code", "environment", "line"),
    [
        ("import sys; sys.modules['numba'] = None", {}, "broken  kernels"),
        ("", {"NUMBA_THREADING_LAYER": "tbb"}, "broken  training"),
    ],
)
def test_a_machine_that_is_not(code, environment, line):
    """Even where chainrule itself cannot be imported."""
    code += "\nfrom models.cli import run; run()"
    command = [sys.executable, "-c", code, "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 1
    (found,) = [text for text in done.stdout.splitlines() if text.startswith(line)]
    assert "pip install ." in found and found.count("NUMBA_THREADING_LAYER") == len(environment)
    assert done.stderr.startswith("chainrule: ") and done.stderr.count("\n") == 1
    assert "ok      Python" in done.stdout


def test_a_folder_that_cannot_be_written(tmp_path):
    assert not _folder("cache", tmp_path / "new" / "folder", "X").advice
    (tmp_path / "file").touch()
    finding = _folder("cache", tmp_path / "file" / "folder", "X_HOME")
    assert "set X_HOME to a folder" in finding.advice and not finding.broken
    assert str(finding).startswith("to do   cache")
    assert str(Finding("GPU", "none")) == "ok      GPU             none"
    assert not (tmp_path / "new").exists()
