"""What `chainrule doctor` finds: what training needs, and what makes it faster.

At its top this file imports nothing that could be missing, so it also says why an import fails.
"""

import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib import metadata, util
from pathlib import Path
from typing import NamedTuple

from models.errors import Failure

AGAIN = "install it again, in an environment of its own: pip install . in chainrule's folder"


class Finding(NamedTuple):
    """`advice` says what to do; it is empty if all is well. Nothing `broken` can train."""

    name: str
    found: str
    advice: str = ""
    broken: bool = False

    def __str__(self) -> str:
        state = "broken" if self.broken else "to do" if self.advice else "ok"
        return f"{state:8}{self.name:16}{self.found}" + f": {self.advice}" * bool(self.advice)


def report(as_json: bool = False) -> None:
    """Print every finding. Raises Failure if something that training needs is broken."""
    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            print(finding, flush=True)
    broken = [finding.name for finding in findings if finding.broken]
    if as_json:
        found = [finding._asdict() for finding in findings]
        print(json.dumps({"ok": not broken, "findings": found}, indent=2))
    if broken:
        raise Failure(f"training needs what is broken here: {', '.join(broken)}")


def examine() -> Iterator[Finding]:
    """All findings; a check that fails is one too."""
    for check in (_python, _packages, _imports, _kernels, _gpu, _folders, _training):
        try:
            yield from check()
        except Exception as error:
            first = (str(error).splitlines() or [""])[0].rstrip(".")
            found = [name for name in os.environ if name.startswith(("CHAINRULE_", "NUMBA_"))]
            advice = f"unset {', '.join(found)}; or {AGAIN}" if found else AGAIN
            yield Finding(check.__name__[1:], f"{type(error).__name__}: {first}", advice, True)


def _python() -> Iterator[Finding]:
    found = f"{platform.python_version()}, {sys.executable}, on {platform.platform()}"
    old = sys.version_info < (3, 11)
    yield Finding("Python", found, "install Python 3.11 or later" if old else "", old)


def _packages() -> Iterator[Finding]:
    """chainrule and all that it requires, with their versions."""
    from packaging.requirements import Requirement

    try:
        yield Finding("chainrule", metadata.version("chainrule"))
    except metadata.PackageNotFoundError:
        yield Finding("chainrule", "is not installed", "pip install . in its folder")
        return
    for requirement in map(Requirement, metadata.requires("chainrule") or ()):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        advice = f"pip install '{requirement}'"
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield Finding(requirement.name, "is not installed", advice, True)
        else:
            fits = requirement.specifier.contains(version, prereleases=True)
            yield Finding(requirement.name, version, "" if fits else advice, not fits)


def _imports() -> Iterator[Finding]:
    """Where the packages are imported from: PyPI has another one called autograd."""
    here = Path(__file__).parents[2]
    files = {name: util.find_spec(name) for name in ("autograd", "kernels")}
    others = [spec.origin for spec in files.values() if spec and spec.origin]
    foreign = any(Path(origin).parents[1] != here for origin in others) or len(others) < 2
    for distribution in metadata.distributions(name="autograd"):
        others, foreign = [f"PyPI's autograd {distribution.version}"], True
    yield Finding(
        "imports", ", ".join(others if foreign else [str(here)]), AGAIN * foreign, foreign
    )


def _kernels() -> Iterator[Finding]:
    """A convolution by the kernel and by its definition, and the threads that made it."""
    import numba
    import numpy as np
    from threadpoolctl import threadpool_info

    from kernels import conv2d, machine, use
    from kernels.cpu import compile, threads

    blas = [
        f"{library['internal_api']} {library['version']} on {library['num_threads']}"
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ]
    rng = np.random.default_rng(0)
    x, w = (rng.random(shape, np.float32) for shape in ((8, 3, 32, 32), (16, 3, 3, 3)))
    y = conv2d(x, w)
    with use("reference"):
        right = np.allclose(y, conv2d(x, w), atol=1e-3)
    found = f"a convolution {'is' if right else 'is not'} what its definition gives"
    yield Finding("kernels", found, AGAIN * (not right), not right)
    leave = "unset CHAINRULE_LEAVE_PROCESS" if machine.LEAVE_PROCESS else ""
    yield Finding("cores", f"{threads.CORES} of {os.cpu_count()}", leave)
    layer = numba.threading_layer()
    slow = "OpenMP wakes threads faster: install libgomp (Linux) or libomp (macOS)"
    yield Finding("threads", f"of {layer}", slow if layer == "workqueue" else "")
    yield Finding("BLAS", f"{', '.join(blas)}; on 1 from the first convolution on")
    folder = compile.cache_folder()
    if folder is None:
        yield Finding(
            "kernels' cache", "none", "set NUMBA_CACHE_DIR to a folder that can be written"
        )
    else:
        yield _folder("kernels' cache", folder, "NUMBA_CACHE_DIR")


def _gpu() -> Iterator[Finding]:
    try:
        import cupy
    except ImportError:
        install = "pip install '.[cuda13]' (or cuda12) in chainrule's folder"
        driver = shutil.which("nvidia-smi") is not None
        found = "a driver, but no CuPy" if driver else "none, and none is needed"
        yield Finding("GPU", found, install * driver)
        return
    try:
        name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
        yield Finding("GPU", f"{name}, CuPy {cupy.__version__}")
    except Exception as error:
        yield Finding("GPU", f"CuPy {cupy.__version__}, {error}", "--device cpu trains without it")


def _folders() -> Iterator[Finding]:
    """Where files are kept."""
    import matplotlib
    import pooch

    yield _folder("data's cache", Path(pooch.os_cache("chainrule")), "XDG_CACHE_HOME")
    yield _folder("pictures' cache", Path(matplotlib.get_cachedir()), "MPLCONFIGDIR")
    here = _folder("this folder", Path.cwd(), "")
    yield here._replace(advice="name another for a run, with --out" if here.advice else "")


def _folder(name: str, folder: Path, variable: str) -> Finding:
    """Whether a file can be made in the folder, or in the one that it would be made in."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            return Finding(name, str(folder))
    except OSError as error:
        advice = f"{error.strerror}; set {variable} to a folder that can be written"
        return Finding(name, str(folder), advice)


def _training() -> Iterator[Finding]:
    """Two steps, with their test, the lock, the checkpoint and a picture."""
    from models import pictures
    from models.training import Config, Run

    with tempfile.TemporaryDirectory() as folder, redirect_stdout(None):
        run = Run.create(Config.of("vae", steps=2), Path(folder) / "run")
        run.train(pictures="no")
        pictures.save(run.curves(), run.directory / "curves.png")
    yield Finding("training", f"two steps of {run.config.model} on {run.config.data}")
