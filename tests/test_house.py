"""The house: three floors, and imports only go down."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ["kernels", "autograd", "models"]
STRANGERS = {"tests", "benchmarks", "torch"}


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names}
    names |= {n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)}
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_only_go_down(floor):
    above = set(FLOORS[FLOORS.index(floor) + 1 :])
    files = list((ROOT / floor).rglob("*.py"))
    assert files
    for path in files:
        assert not imported(path) & (above | STRANGERS), path


def test_files_are_a_few_hundred_lines_at_most():
    for floor in FLOORS:
        for path in (ROOT / floor).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= 450, path
