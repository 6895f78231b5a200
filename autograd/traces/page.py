"""A trace as a page of one file: step forward, then backward, edge by edge."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment

from autograd.traces.graph import Sweep
from autograd.traces.layout import arranged
from autograd.traces.marks import marks_of
from autograd.traces.record import Record
from autograd.traces.values import as_json

HERE = Path(__file__).parent
SCRIPTS = ("values", "trace", "place", "graph", "panel", "page")


def as_pages(title: str, text: str, records: Mapping[str, Record]) -> str:
    """A page of traces, each with its heading, of which one is shown at a time.

    `text` says what to look for.
    """
    template = Environment(autoescape=True).from_string((HERE / "page.html").read_text("utf-8"))
    found = [{"heading": heading} | page_data(record) for heading, record in records.items()]
    data = json.dumps(found, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    css = (HERE / "page.css").read_text("utf-8")
    js = "\n".join((HERE / f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    return template.render(title=title, text=text, data=data, css=css, js=js)


def page_data(record: Record) -> dict[str, Any]:
    """What the page shows, for `json.dumps`. A value that stands elsewhere already is None."""
    return {
        "nodes": [
            {
                **{k: v for k, v in vars(made).items() if k not in ("value", "source", "inputs")},
                **made.source._asdict(),
                "value": as_json(made.value),
                "inputs": [asdict(x) for x in made.inputs],
            }
            for made in record.nodes
        ],
        "calls": [
            {**asdict(call), **inside} for call, inside in zip(record.calls, arranged(record))
        ],
        "sweeps": [_sweep(record, sweep) for sweep in record.sweeps],
        "rules": {" ".join(names): text for names, text in record.rules.items()},
        "events": record.events,
    }


def _sweep(record: Record, sweep: Sweep) -> dict[str, Any]:
    """`d` is None where it is the whole cotangent of the parent, `given` where it is `d`."""
    marks = marks_of(sweep)
    uses = sweep.uses()
    return {
        "root": sweep.root,
        "cotangents": {n: as_json(value) for n, value in sweep.cotangents.items()},
        "edges": [
            {
                "node": edge.node,
                "argument": edge.argument,
                "parent": edge.parent,
                "given": None if edge.given.shape == edge.d.shape else as_json(edge.given),
                "d": None if len(uses[edge.parent]) == 1 else as_json(edge.d),
                "local": edge.local
                and {"kind": edge.local.kind, "value": as_json(edge.local.value)},
                "mark": asdict(marks[i]) if i in marks else None,
            }
            for i, edge in enumerate(sweep.edges)
        ],
        "made_by": sweep.made_by,
    }
