"""Pages that compute with a model's own weights; and the runs that show most, trained for them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models import explore
from models.errors import UsageError
from models.families import FAMILIES
from models.progress import bar
from models.training.config import Config
from models.training.locks import refuse_unless_free
from models.training.run import Run


def write(runs: Sequence[Run], path: Path) -> Path:
    """The page of runs of one family. Raises UsageError for runs that it cannot show."""
    names = list(dict.fromkeys(run.config.model for run in runs))
    page = FAMILIES[names[0]].page
    if len(names) > 1:
        raise UsageError(f"{' and '.join(names)}: a page is for runs of one model")
    if page is None:
        able = [name for name, family in FAMILIES.items() if family.page]
        raise UsageError(f"there is no page of {names[0]}: there is one of {', '.join(able)}")
    with bar(f"{names[0]}: writing {path.name}"):
        explore.write(page(runs), path)
    return path


def demonstrate(directory: Path) -> list[Path]:
    """Train what shows most of each family, and write its page; returns the paths of the pages.

    Raises UsageError if there is something in `directory`.
    """
    refuse_unless_free(directory)
    pages = []
    for name, family in FAMILIES.items():
        if family.page:
            runs = [
                trained(name, example, directory / name / run)
                for run, example in family.page.demo.items()
            ]
            pages.append(write(runs, directory / f"{name}.html"))
    return pages


def trained(model: str, example: explore.Example, directory: Path, **changes: Any) -> Run:
    """A run of the example, with changes to its config, trained without pictures."""
    family, data = FAMILIES[model].model, example.data
    settings = dataclasses.replace(family.defaults[data], **example.settings)
    config = Config(settings, model=model, data=data, keep=example.keep)
    run = Run.create(dataclasses.replace(config, **changes), directory)
    run.train(pictures="no")
    return run
