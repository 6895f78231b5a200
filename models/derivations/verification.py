"""The claims of `models.derivations`, run and shown: as a table, as JSON, as a page."""

import io
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from jinja2 import Template
from matplotlib.figure import Figure
from tqdm import tqdm

import models.derivations.claims  # noqa: F401 -- it fills CLAIMS
from models.derivations.claim import CLAIMS, Claim, Verdict
from models.errors import UsageError
from models.files import replacing

TEMPLATE = Path(__file__).with_suffix(".html")


class Timed(NamedTuple):
    verdict: Verdict
    seconds: float


def chosen(names: Sequence[str]) -> list[Claim]:
    """The claims of these names or topics, all if none is named. Raises UsageError for another.

    A topic may be in several files: "errata" is also "errata_of_training".
    """

    def named(claim: Claim, name: str) -> bool:
        return name in (claim.name, claim.topic) or claim.topic.startswith(f"{name}_")

    for name in names:
        if not any(named(claim, name) for claim in CLAIMS.values()):
            topics = dict.fromkeys(claim.topic for claim in CLAIMS.values())
            raise UsageError(
                f"no claim or topic {name!r}: topics are {', '.join(topics)}; "
                "chainrule verify --list shows the claims"
            )
    return [c for c in CLAIMS.values() if not names or any(named(c, name) for name in names)]


def listed(claims: Sequence[Claim]) -> str:
    """A line for each, in columns."""
    rows = [(claim.topic, claim.name, claim.title) for claim in claims]
    topic, name, _ = (max(map(len, column)) for column in zip(*rows))
    return "\n".join(f"{a:{topic}}  {b:{name}}  {c}" for a, b, c in rows)


def verify(claims: Sequence[Claim]) -> list[Timed]:
    """The verdicts on them, with a progress bar where it takes long."""
    verdicts = []
    for claim in tqdm(claims, unit="claim", disable=None, leave=False, delay=2):
        started = time.perf_counter()
        verdicts.append(Timed(claim.check(), time.perf_counter() - started))
    return verdicts


def table(verdicts: Sequence[Timed]) -> str:
    """A row for each route, and the claim's verdict beside its first."""
    rows = [("claim", "route", "value", "difference", "allowed", "verdict")]
    topic = ""
    for verdict, _ in verdicts:
        if verdict.claim.topic != topic:
            topic = verdict.claim.topic
            rows += [("", "", "", "", "", ""), (topic, "", "", "", "", "")]
        said = "holds" if verdict.holds else "FAILS"
        numbers = (f"{verdict.difference:.1e}", f"{verdict.allowed:.1e}", said)
        (first, value), *others = verdict.values()
        rows.append((f"  {verdict.claim.name}", first, value, *numbers))
        rows += [("", name, value, "", "", "") for name, value in others]
        rows += [("", f"not refused: {what}", "", "", "", "") for what in verdict.accepted]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    ]
    held, seconds = sum(v.holds for v, _ in verdicts), sum(s for _, s in verdicts)
    return "\n".join([*lines, "", f"{held} of {len(verdicts)} claims hold, {seconds:.0f} seconds"])


def as_json(verdicts: Sequence[Timed]) -> list[dict[str, Any]]:
    """Without what makes a claim: its names, numbers and verdict."""
    return [
        {
            "claim": verdict.claim.name,
            "topic": verdict.claim.topic,
            "title": verdict.claim.title,
            "statement": verdict.claim.statement,
            "source": verdict.claim.source,
            "given": verdict.claim.given,
            "relation": verdict.claim.relation,
            "routes": {
                route.name: {
                    "value": np.asarray(route.value, float).tolist(),
                    "standard_error": np.asarray(route.standard_error, float).tolist(),
                }
                for route in verdict.routes
            },
            "difference": verdict.difference,
            "allowed": verdict.allowed,
            "tolerance": verdict.claim.tolerance,
            "because": verdict.claim.because,
            "accepted": verdict.accepted,
            "holds": verdict.holds,
            "seconds": seconds,
        }
        for verdict, seconds in verdicts
    ]


def write(verdicts: Sequence[Timed], path: Path, files: Sequence[Any] = ()) -> None:
    """The page, which needs no network: formulas and plots are inside it; first, files checked."""
    topics: dict[str, list[dict[str, Any]]] = {}
    for verdict, _ in verdicts:
        claim = verdict.claim
        topics.setdefault(claim.topic, []).append(
            {
                "claim": claim,
                "verdict": verdict,
                "values": verdict.values(),
                "formula": formula(claim.statement),
                "plot": plot(claim) if claim.draw else "",
            }
        )
    held = sum(verdict.holds for verdict, _ in verdicts)
    template = Template(TEMPLATE.read_text(encoding="utf-8"), autoescape=True)
    page = template.render(topics=topics, held=held, total=len(verdicts), files=files)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def formula(statement: str) -> str:
    """LaTeX as an SVG picture, typeset by matplotlib; fractions as large as in a display."""
    figure = Figure()
    statement = re.sub(r"(?<!\^\{)\\frac", r"\\dfrac", statement)
    figure.text(0, 0, f"${statement}$", fontsize=15)
    return _svg(figure, transparent=True)


def plot(claim: Claim) -> str:
    assert claim.draw
    figure = Figure(figsize=(4.6, 2.9), layout="constrained")
    axes = figure.subplots()
    claim.draw(axes)
    axes.spines[["top", "right"]].set_visible(False)
    return _svg(figure)


def _svg(figure: Figure, **options: Any) -> str:
    text, undated = io.StringIO(), dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context(
        {"svg.fonttype": "path", "svg.hashsalt": "chainrule", "mathtext.fontset": "cm"}
    ):
        figure.savefig(
            text, format="svg", bbox_inches="tight", pad_inches=0.03, metadata=undated, **options
        )
    return "".join(text.getvalue().partition("<svg")[1:])  # without what only a file needs
