"""Who imports whom: what tests/test_house.py checks, and the drawing of it in CONTRIBUTING.md.

python -m tests.imports          # draws it again, by `make imports`
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("models", "autograd", "kernels")  # from the top floor down

Graph = dict[str, set[str]]
"""For each name the names that it needs."""


def modules() -> dict[str, Path]:
    """Every file of the three packages by the name that imports it."""
    files = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in files}


def imported(path: Path) -> set[str]:
    """The names that a file imports, also inside its functions: modules, or what is in them.

    And the classes that the table of families names, MODULE:CLASS, to import them later.
    """
    text = path.read_text()
    nodes = list(ast.walk(ast.parse(text)))
    names = {alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names}
    for n in nodes:
        if isinstance(n, ast.ImportFrom):
            names |= {f"{n.module}.{alias.name}" for alias in n.names}
    return names | {".".join(pair) for pair in re.findall(r'"(models\.[\w.]+):(\w+)"', text)}


def graph() -> Graph:
    """For each file the files that it imports. A package is its `__init__`."""
    files = {name.removesuffix(".__init__"): path for name, path in modules().items()}

    def file_of(name: str) -> str:
        return name if name in files else name.rpartition(".")[0]

    found = {name: {file_of(other) for other in imported(path)} for name, path in files.items()}
    return {name: (others & set(files)) - {name} for name, others in found.items()}


def rooms() -> Graph:
    """The same for the folders and the single files directly inside a package."""

    def room(name: str) -> str:
        return ".".join(name.split(".")[:2])

    found: Graph = {}
    for name, others in graph().items():
        found.setdefault(room(name), set()).update({room(other) for other in others} - {room(name)})
    return found


def reachable(graph: Graph, start: str) -> set[str]:
    """All that `start` needs, directly or not."""
    found: set[str] = set()
    pending = [start]
    while pending:
        new = graph[pending.pop()] - found
        found |= new
        pending += new
    return found


def drawing() -> str:
    """The rooms as a Mermaid flowchart. An arrow that follows from others is left out."""
    needs = rooms()
    lines = ["flowchart TD"]
    for package in PACKAGES:
        inside = sorted(name for name in needs if name.startswith(f"{package}."))
        lines.append(f"  subgraph {package}")
        for name in inside:
            near = needs[name] & set(inside)
            far = set().union(*(reachable(needs, other) for other in near))
            arrow = " --> " if near else ""
            label = f"{name}[{name.removeprefix(f'{package}.')}]"
            lines.append(f"    {label}{arrow}{' & '.join(sorted(near - far))}")
        lines.append("  end")
    return "\n".join([*lines, f"  {' --> '.join(PACKAGES)}"])


def main() -> None:
    path = ROOT / "CONTRIBUTING.md"
    block = f"```mermaid\n{drawing()}\n```"
    path.write_text(re.sub(r"```mermaid\n.*?```", lambda _: block, path.read_text(), flags=re.S))


if __name__ == "__main__":
    main()
