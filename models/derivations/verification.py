"""Checks claims of the book and prints the verdicts: as a table, as JSON, as a page."""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jinja2 import Template
from matplotlib.figure import Figure

import models.derivations.claims  # noqa: F401 -- it fills CLAIMS
from models.derivations.claim import CLAIMS, Claim, Verdict
from models.errors import UsageError
from models.files import replacing
from models.progress import bar

TEMPLATE = Path(__file__).with_suffix(".html")
RENAMED_TOPICS = {
    "errata": "common_mistakes and mistakes_in_training",
    "errata_of_training": "mistakes_in_training",
}


def select(names: Sequence[str]) -> list[Claim]:
    """The claims with these names or of these topics; all of them for no names.

    A topic includes those that extend its name: "gan" is also "gan_critics". Raises UsageError for
    an unknown name.
    """

    def has_name(claim: Claim, name: str) -> bool:
        return name in (claim.name, claim.topic) or claim.topic.startswith(f"{name}_")

    for name in names:
        if name in RENAMED_TOPICS:
            raise UsageError(f"the topic {name!r} is now called {RENAMED_TOPICS[name]}")
        if not any(has_name(claim, name) for claim in CLAIMS.values()):
            topics = dict.fromkeys(claim.topic for claim in CLAIMS.values())
            raise UsageError(
                f"no claim or topic {name!r}: topics are {', '.join(topics)}; "
                "chainrule verify --list shows the claims"
            )
    return [c for c in CLAIMS.values() if not names or any(has_name(c, name) for name in names)]


def verify(claims: Sequence[Claim]) -> list[Verdict]:
    """Check them."""
    verdicts = []
    with bar("verify", len(claims), "claim") as progress:
        for claim in claims:
            verdicts.append(claim.check())
            progress.update()
    return verdicts


def list_claims(claims: Sequence[Claim]) -> str:
    """A line for each claim: topic, name, title."""
    rows = [(claim.topic, claim.name, claim.title) for claim in claims]
    topic, name, _ = (max(map(len, column)) for column in zip(*rows))
    return "\n".join(f"{a:{topic}}  {b:{name}}  {c}" for a, b, c in rows)


def as_table(verdicts: Sequence[Verdict]) -> str:
    """A row for each route; the first one also has the verdict on its claim."""
    rows = [("claim", "route", "value", "difference", "allowed", "verdict")]
    topic = ""
    for verdict in verdicts:
        if verdict.claim.topic != topic:
            topic = verdict.claim.topic
            rows += [("", "", "", "", "", ""), (topic, "", "", "", "", "")]
        (first, value), *others = verdict.rows()
        result = "holds" if verdict.holds else "FAILS"
        numbers = (f"{verdict.difference:.1e}", f"{verdict.allowed:.1e}", result)
        rows.append((f"  {verdict.claim.name}", first, value, *numbers))
        rows += [("", name, value, "", "", "") for name, value in others]
        rows += [("", f"not refused: {mistake}", "", "", "", "") for mistake in verdict.accepted]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    ]
    held, seconds = sum(v.holds for v in verdicts), sum(v.seconds for v in verdicts)
    return "\n".join([*lines, "", f"{held} of {len(verdicts)} claims hold, {seconds:.0f} seconds"])


def as_json(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Claims, values of their routes and verdicts, for `json.dumps`."""
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
            "seconds": verdict.seconds,
        }
        for verdict in verdicts
    ]


def write_page(verdicts: Sequence[Verdict], path: Path, files: Sequence[Any] = ()) -> None:
    """One HTML file that needs no network: formulas and plots are inside it.

    `files` are reports of `homework`, which come first.
    """
    topics: dict[str, list[dict[str, Any]]] = {}
    for verdict in verdicts:
        claim = verdict.claim
        topics.setdefault(claim.topic, []).append(
            {
                "claim": claim,
                "verdict": verdict,
                "rows": verdict.rows(),
                "formula": formula_svg(claim.statement),
                "curve": curve_svg(claim) if claim.curve else "",
            }
        )
    held = sum(verdict.holds for verdict in verdicts)
    template = Template(TEMPLATE.read_text(encoding="utf-8"), autoescape=True)
    page = template.render(topics=topics, held=held, total=len(verdicts), files=files)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def formula_svg(statement: str) -> str:
    """LaTeX typeset by matplotlib, with fractions as large as in a display."""
    figure = Figure()
    statement = re.sub(r"(?<!\^\{)\\frac", r"\\dfrac", statement)
    figure.text(0, 0, f"${statement}$", fontsize=15)
    return _svg(figure, transparent=True)


def curve_svg(claim: Claim) -> str:
    assert claim.curve
    figure = Figure(figsize=(4.6, 2.9), layout="constrained")
    axes = figure.subplots()
    claim.curve(axes)
    axes.spines[["top", "right"]].set_visible(False)
    return _svg(figure)


def _svg(figure: Figure, **options: Any) -> str:
    """The <svg> element alone, the same at every run: without a date, with fixed ids."""
    text, undated = io.StringIO(), dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context(
        {"svg.fonttype": "path", "svg.hashsalt": "chainrule", "mathtext.fontset": "cm"}
    ):
        figure.savefig(
            text, format="svg", bbox_inches="tight", pad_inches=0.03, metadata=undated, **options
        )
    return "".join(text.getvalue().partition("<svg")[1:])
