"""One file of HTML that computes with a model's weights and needs no network.

    page.html, page.css, page.js   what the pages of all families share
    program.js                     runs the programs
    NAME_page.html, NAME_page.js   a family's own, beside its NAME_page.py

All of them are put into the one file, and the data as JSON, with the arrays in base64.
"""

import base64
import dataclasses
import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from models.explore.lowering import lower
from models.explore.program import Program
from models.files import replacing

TYPES = {"float32": "Float32Array", "int32": "Int32Array", "uint8": "Uint8Array"}
"""The types of arrays in a page, by those of NumPy."""


class Example(NamedTuple):
    """A run to train: its data, what of its settings is not the default, and its `keep`."""

    data: str
    settings: Mapping[str, Any]
    keep: int = 0


class Page:
    """A family's page, for one run or more of it: a Run has `model`, `data` and `replay`."""

    title: ClassVar[str]
    look: ClassVar[Sequence[str]]  # what to look for, a sentence each
    demo: ClassVar[Mapping[str, Example]]  # runs that show it, by their names

    def __init__(self, runs: Sequence[Any]):
        """Raises UsageError if the page cannot show one of these runs."""
        self.runs = runs

    def setting_of(self, run: Any, *names: str) -> str:
        """These settings of a run, and those that the runs do not share."""
        settings = [dataclasses.asdict(other.settings) for other in self.runs]
        own = dataclasses.asdict(run.settings)
        different = [name for name in own if any(other[name] != own[name] for other in settings)]
        return ", ".join(f"{name}={own[name]}" for name in dict.fromkeys([*names, *different]))

    def content(self) -> dict[str, Any]:
        """What the script has as `data`: numbers, text, arrays and Programs."""
        raise NotImplementedError


def write(page: Page, path: Path) -> None:
    """Write the file, whole or not at all."""
    own = Path(inspect.getfile(type(page)))
    arrays = _Arrays()
    data = json.dumps(page.content(), default=arrays.encode)
    content = _PAGE.render(
        title=page.title,
        look=page.look,
        runs=[_described(run) for run in page.runs],
        markup=Markup(own.with_suffix(".html").read_text(encoding="utf-8")),
        script=Markup(own.with_suffix(".js").read_text(encoding="utf-8")),
        data=_in_script(data),
        arrays=_in_script(json.dumps(arrays.written)),
    )
    with replacing(path) as unfinished:
        unfinished.write_text(content, encoding="utf-8")


def _described(run: Any) -> str:
    form = run.data.describe(run.model.pixels)
    return f"{run.directory.name}: {run.config.model} on {run.data.name}, {form}, step {run.step:,}"


class _Arrays:
    """The arrays of a page, each written once."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str]] = []  # type and base64
        self.places: dict[tuple[str, str], int] = {}

    def encode(self, value: Any) -> Any:
        """What JSON has no form for. The place of an array stands for it."""
        if isinstance(value, Program):
            return lower(value)
        if isinstance(value, np.generic):
            return value.item()
        kind = {"f": "float32", "i": "int32", "u": "uint8", "b": "uint8"}[value.dtype.kind]
        array = np.ascontiguousarray(value, kind)
        written = TYPES[kind], base64.b64encode(array.tobytes()).decode()
        if written not in self.places:
            self.places[written] = len(self.written)
            self.written.append(written)
        return {"array": self.places[written]}


def _in_script(text: str) -> Markup:
    """Text that cannot end the script element that it stands in."""
    return Markup(text.replace("</", "<\\/").replace("<!--", "<\\u0021--"))


_HERE = Path(__file__).parent
_PAGE = Environment(loader=FileSystemLoader(_HERE), autoescape=True).get_template("page.html")
