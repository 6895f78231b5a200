"""What the READMEs and CONTRIBUTING.md show exists and runs."""

import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from autograd import PRIMITIVES, ops
from models import __version__
from models.cli.arguments import parser
from models.cli.assignments import with_assignments
from models.derivations import CLAIMS, verification
from models.families import FAMILIES
from tests.imports import PACKAGES, ROOT

READMES = [
    ROOT / "README.md",
    ROOT / "benchmarks" / "README.md",
    *(path for package in PACKAGES for path in sorted((ROOT / package).rglob("README.md"))),
]
PAGES = [*READMES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


def each_page(pages):
    return pytest.mark.parametrize("page", pages, ids=lambda page: str(page.relative_to(ROOT)))


@each_page([page for page in READMES if blocks(page, "python")])
def test_its_python_runs(page, tmp_path):
    """In a process of its own, since it declares primitives and claims."""
    code = "\n".join(blocks(page, "python"))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_table_of_operations_is_whole():
    table = (
        (ROOT / "autograd" / "README.md").read_text().split("## Operations")[1].split("\n## ")[0]
    )
    named = re.findall(r"(\*\*)?`(\w+)`", table)
    assert sorted(name for _, name in named) == ops.__all__
    for bold, name in named:
        assert bool(bold) == (name in PRIMITIVES), name


@each_page(PAGES)
def test_its_links_and_paths_lead_somewhere(page):
    text = page.read_text()
    for path, heading in re.findall(r"\]\(((?!http)[^)#]*)(?:#([^)]+))?\)", text):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        if heading:
            lines = re.findall(r"^#+ (.*)", target.read_text(), re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", x).lower().replace(" ", "-") for x in lines]
    for path in re.findall(r"(?<!\[)`([\w.]+/[\w/.]+\.(?:py|md|cfg|json))`", text):
        if "NAME" not in path:
            assert (page.parent / path).exists() or (ROOT / path).exists(), path


@each_page(PAGES)
def test_its_commands_exist(page):
    text = page.read_text().replace("\\\n", "")
    for module, name in re.findall(r"python -m ([\w.]+) ?(\w*)", text):
        assert find_spec(module), module
        if module == "benchmarks" and name:
            assert (ROOT / "benchmarks" / f"{name}.py").exists(), name
    for target in re.findall(r"[`\n]make ([\w-]+)", text):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text(), target
    for line in re.findall(r"^(?:\.venv/bin/)?chainrule .*|(?<=`)chainrule [^`]+", text, re.M):
        arguments = shlex.split(line, comments=True)[1:]
        if not {"--help", "--version", "mixture", "bars", "..."} & set(arguments):
            options = parser().parse_args(arguments)
            for model in getattr(options, "models", ()):
                settings = FAMILIES[model].model.settings_type()
                with_assignments(settings, options.set, vars(settings))


def test_the_topics_of_the_lectures_are_in_the_book():
    lectures = (ROOT / "models" / "README.md").read_text().partition("## Eight lectures")[2]
    rows = [line.split("|") for line in lectures.partition("## Commands")[0].splitlines()]
    topics = [topic for row in rows if len(row) > 4 for topic in re.findall(r"`(\w+)`", row[4])]
    assert set(topics) == {claim.topic for claim in verification.select([])}


def test_counts_are_those_of_the_book():
    text = "".join(page.read_text() for page in READMES)
    assert set(re.findall(r"(\d+) claims", text)) == {str(len(CLAIMS))}
    mistakes = sum(len(claim.mistakes) for claim in CLAIMS.values())
    assert re.search(rf"\b{mistakes} in all", text)


def test_the_changelog_begins_with_the_version_that_runs(capsys):
    heading = re.search(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heading and heading[1] == __version__
    with pytest.raises(SystemExit, match="0"):
        parser().parse_args(["--version"])
    assert capsys.readouterr().out == f"chainrule {__version__}\n"
