"""A run as a notebook shows it."""

from pathlib import Path
from typing import Any

from jinja2 import Template

from models import pictures
from models.training.log import read_metrics

_TEMPLATE = Template(Path(__file__).with_suffix(".html").read_text("utf-8"), autoescape=True)


def as_html(run: Any) -> str:
    """Where the run stands, the numbers of its last test, and its curves."""
    lines = read_metrics(run.directory)
    tests = [line for line in lines if line.pop("test", False)]
    curves = pictures.data_url(run.curves()) if lines else ""
    test, names = tests[-1] if tests else {}, run.report.names
    return _TEMPLATE.render(run=run, test=test, names=names, curves=curves)
