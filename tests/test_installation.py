"""The wheel has all files, and trains from any folder, without the checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.imports import PACKAGES, ROOT


def test_it_is_installed_and_trains(tmp_path):
    """In an environment of its own, which borrows the libraries that are needed from this one."""
    source, environment, elsewhere = (tmp_path / name for name in ("source", "env", "else where"))
    elsewhere.mkdir()
    for package in PACKAGES:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, source / package, ignore=ignore)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    venv.create(environment)
    scheme = {"base": str(environment), "platbase": str(environment)}
    library = Path(sysconfig.get_path("purelib", "venv", scheme))
    # A path in a .pth is no place where other .pth count: this checkout stays out of it.
    (library / "borrowed.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
    scripts = Path(sysconfig.get_path("scripts", "venv", scheme))
    here = {"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": ""}

    def run(*command):
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=elsewhere, env=os.environ | here
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    python = str(next(scripts.glob("python*")))
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", str(source))
    files = {
        path.relative_to(ROOT)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", ".html", ".css", ".js", ".svg", ".ipynb", ".typed")
    }
    assert not {file for file in files if not (library / file).exists()}
    chainrule = str(next(scripts.glob("chainrule*")))
    doctor = json.loads(run(chainrule, "doctor", "--json"))
    found = {finding["name"]: finding["found"] for finding in doctor["findings"]}
    assert doctor["ok"] and found["imports"] == str(library)
    assert {"Python", "numba", "cores", "threads", "BLAS", "GPU", "training"} <= set(found)
    run(chainrule, "train", "vae", "--steps", "2", "--pictures", "no", "--out", "a run")
    assert (elsewhere / "a run" / "checkpoint.safetensors").exists()
