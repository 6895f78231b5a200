"""Each section of CONTRIBUTING.md that adds something is followed, to the letter, in a copy."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.imports import PACKAGES, ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
SECTIONS = dict(re.findall(r"^## (A [^\n]+)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE))
BLOCK = re.compile(r"```(?:python)?\n# ([\w/]+\.py)(?:, in (\w+))?\n(.*?)```", re.DOTALL)
COMMANDS = {"python": [sys.executable], "chainrule": [sys.executable, "-m", "models.cli"]}


def add(folder: Path, name: str, table: str, code: str) -> None:
    """Add `code` to the end of a file, or to a table in it, with the imports to its imports."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    before = path.read_text() if path.exists() else ""
    if not table:
        path.write_text(f"{before}\n\n{code}" if before else code)
        return
    imports = "".join(re.findall(r"^from .*\n", code, re.MULTILINE))
    line = code.removeprefix(imports).strip()
    head, opening, rest = re.split(rf"^({table}\b[^\n]*? = [\[({{])", before, flags=re.MULTILINE)
    path.write_text(head.replace("\nfrom ", f"\n{imports}from ", 1) + f"{opening}{line} {rest}")


@pytest.mark.parametrize("section", SECTIONS)
def test_what_it_says_works(section, tmp_path):
    skipped = shutil.ignore_patterns("results")
    for package in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=skipped)
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    for name, table, code in BLOCK.findall(SECTIONS[section]):
        add(tmp_path, name, table, code)
    commands = re.findall(r"^```\n((?:python|chainrule) .*?)```", SECTIONS[section], re.M | re.S)
    assert commands
    for command in "".join(commands).splitlines():
        program, *arguments = command.split()
        done = subprocess.run(
            [*COMMANDS[program], *arguments], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_there_is_one_for_each_thing_to_add():
    assert list(SECTIONS) == ["A primitive", "A kernel", "A model", "A claim", "A data set"]


def test_the_family_of_the_guide_is_the_one_of_the_tests():
    assert (ROOT / "tests" / "models" / "bernoulli_mixture.py").read_text() in SECTIONS["A model"]
