"""The labs: notebooks to hand out, and the student's version of each.

An exercise is a cell whose solution stands between nbgrader's marks; the cell below it is its
check. The student's version is made by leaving the solutions out, so there is one file of each lab.
"""

import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from models.errors import UsageError
from models.files import replacing

LABS = ("engine", "vae", "distances", "gan", "gan_against_vae", "pixelcnn", "ddpm")
"""Their names, in the order of the lectures."""

GAP = 'raise NotImplementedError("write it here")'
SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n.*?^ *### END SOLUTION$", re.DOTALL | re.MULTILINE)


def read(name: str, solutions: bool = False) -> dict[str, Any]:
    """The notebook, as JSON. Raises UsageError for a name that no lab has."""
    if name not in LABS:
        raise UsageError(f"there is no lab {name!r}: the labs are {', '.join(LABS)}")
    notebook = json.loads(files(__name__).joinpath(f"{name}.ipynb").read_text("utf-8"))
    for cell in notebook["cells"] if not solutions else ():
        code = without_solutions("".join(cell["source"]))
        cell["source"] = code.splitlines(keepends=True)
    return notebook


def without_solutions(code: str) -> str:
    """The code of a cell, with a gap where a solution was."""
    return SOLUTION.sub(rf"\1{GAP}", code)


def summary(name: str) -> tuple[str, str]:
    """The title of a lab and its first sentence, as they stand in its first cell."""
    title, _, sentence, *_ = read(name)["cells"][0]["source"]
    return title.removeprefix("# ").strip(), sentence.strip()


def copy(names: Sequence[str], folder: Path, solutions: bool) -> list[Path]:
    """Write the notebooks into `folder`, which is made; returns their paths.

    Raises UsageError, before anything is written, if one of the files is there already.
    """
    notebooks = {folder / f"{name}.ipynb": read(name, solutions) for name in names}
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder")
    if there := [str(path) for path in notebooks if path.exists()]:
        raise UsageError(
            f"{', '.join(there)}: there already, and nothing is overwritten; "
            "move it away, or name another folder with --out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for path, notebook in notebooks.items():
        with replacing(path) as unfinished:
            text = json.dumps(notebook, indent=1, ensure_ascii=False)
            unfinished.write_text(f"{text}\n", "utf-8")
    return list(notebooks)
