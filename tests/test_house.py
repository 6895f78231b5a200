"""The house: imports only go down, no files import each other in a circle, and files are short."""

from graphlib import TopologicalSorter
from statistics import mean

import pytest

from tests import imports
from tests.imports import PACKAGES, ROOT

OUTSIDE = {"tests", "benchmarks", "torch"}
SERVICES = {"models.data", "models.explore", "models.model", "models.report"}
CHAPTERS = sorted(imports.rooms()["models.families"] - SERVICES)
MODEL_FILES = [
    path
    for chapter in CHAPTERS
    for path in sorted((ROOT / chapter.replace(".", "/")).glob("*.py"))
    if not path.stem.endswith("_report")
]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_only_go_down(package):
    above = set(PACKAGES[: PACKAGES.index(package)])
    for path in (ROOT / package).rglob("*.py"):
        packages = {name.split(".")[0] for name in imports.imported(path)}
        assert not packages & (above | OUTSIDE), path


@pytest.mark.parametrize("graph", [imports.graph(), imports.rooms()], ids=["files", "folders"])
def test_nothing_imports_itself_in_a_circle(graph):
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_serves_the_table_of_families_the_book_and_other_chapters_only(chapter):
    """So the services have no case for one family. A model made of two others needs both."""
    users = {name for name, others in imports.rooms().items() if chapter in others}
    assert users <= {"models.families", "models.derivations", *CHAPTERS}


@pytest.mark.parametrize("path", MODEL_FILES, ids=lambda path: path.stem)
def test_a_model_file_is_the_model(path):
    names = imports.imported(path)
    assert not {n for n in names if n.startswith(("matplotlib", "models.pictures"))}
    assert len(path.read_text().splitlines()) <= 250


@pytest.mark.parametrize("folder", [*PACKAGES, *CHAPTERS])
def test_files_are_short(folder):
    """On average: no single length is a limit to grow up to."""
    files = (ROOT / folder.replace(".", "/")).rglob("*.py")
    assert mean(len(path.read_text().splitlines()) for path in files) <= 150


def test_the_drawing_of_the_imports_is_that_of_the_code():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert imports.drawing() in text, "draw it again: make imports"
