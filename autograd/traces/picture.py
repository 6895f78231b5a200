"""The graph of a trace as an SVG picture: values in black, cotangents in orange.

Where a trace has several sweeps, the cotangents are those of the last.
"""

import math
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import mean

from jinja2 import Environment

from autograd.traces import values
from autograd.traces.layout import chain, edges_of, layers
from autograd.traces.marks import marks_of
from autograd.traces.record import Record

MAX_BOXES = 120
LINE, CHARACTER, PADDING = 16, 7.3, 9  # pixels: of the text in a box
ACROSS, DOWN, MARGIN = 20, 46, 12  # pixels between boxes, and around the picture
TEMPLATE = Path(__file__).with_suffix(".svg")

Unit = tuple[str, int]
"""What has one box: a node, or a folded call with all that is inside it, by its number."""


@dataclass
class Box:
    """Its text, a class and a line each. Without any it is where a long edge passes a layer."""

    kind: str = ""
    lines: list[tuple[str, str]] = field(default_factory=list)
    above: list["Box"] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0

    @property
    def width(self) -> float:
        characters = max((len(text) for _, text in self.lines), default=0)
        return round(characters * CHARACTER + 2 * PADDING)

    @property
    def height(self) -> float:
        return len(self.lines) * LINE + PADDING * bool(self.lines)

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass
class Edge:
    kind: str
    remark: str
    route: list[Box] = field(default_factory=list)

    @property
    def path(self) -> str:
        text = ""
        for a, b in pairwise(self.route):
            top, bottom = a.y + a.height, b.y
            bend = (top + bottom) / 2
            text += f"M{a.middle},{top} C{a.middle},{bend} {b.middle},{bend} {b.middle},{bottom} "
        return text

    @property
    def x(self) -> float:
        a, b = self.route[:2]
        return (a.middle + b.middle) / 2

    @property
    def y(self) -> float:
        a, b = self.route[:2]
        return (a.y + a.height + b.y) / 2 + LINE / 4


def as_svg(record: Record) -> str:
    """Raises ValueError for no boxes, and for too many, also with every module as a single one."""
    if not record.nodes:
        raise ValueError("nothing was recorded: no primitive was called with a Tensor")
    units = _units(record)
    boxes = {unit: _box(record, unit) for unit in dict.fromkeys(units)}
    edges: dict[tuple[Unit, Unit], Edge] = {}
    for (first, last), (kind, remark) in _kinds(record).items():
        a, b = units[first], units[last]
        if a != b and not (edges.get((a, b)) and not kind):
            edges[a, b] = Edge(kind, remark)
    numbers = {unit: i for i, unit in enumerate(boxes)}
    rows, routes = layers(len(boxes), [(numbers[a], numbers[b]) for a, b in edges])
    vertices = [*boxes.values(), *(Box() for _ in range(sum(map(len, rows)) - len(boxes)))]
    for edge, route in zip(edges.values(), routes):
        edge.route = [vertices[i] for i in route]
    width, height = _place([[vertices[i] for i in row] for row in rows], list(edges.values()))
    template = Environment(autoescape=True).from_string(TEMPLATE.read_text("utf-8"))
    return template.render(
        title="A graph: values, and their gradients", boxes=list(boxes.values()),
        edges=list(edges.values()), width=width, height=height, padding=PADDING, line=LINE,
    )  # fmt: skip


def _units(record: Record) -> list[Unit]:
    """For each node its unit: calls are folded from the innermost until there are few boxes."""
    chains = [chain(record, node) for node in range(len(record.nodes))]
    for depth in range(max(map(len, chains), default=1), 0, -1):
        units = [
            ("call", calls[depth]) if len(calls) > depth else ("node", node)
            for node, calls in enumerate(chains)
        ]
        if len(set(units)) <= MAX_BOXES:
            return units
    raise ValueError(
        f"a graph of {len(record.nodes):,} nodes is too large for a picture of {MAX_BOXES} boxes, "
        f"and has {len(set(units)):,} with each module as one: trace a part of it"
    )


def _box(record: Record, unit: Unit) -> Box:
    kind, number = unit
    if kind == "call":
        call = record.calls[number]
        return Box("call", [("name", call.name), ("", call.kind)])
    made = record.nodes[number]
    lines = [("name", made.name or made.primitive or made.kind)]
    lines.append(("", f"{made.dtype} {'x'.join(map(str, made.shape))}".rstrip()))
    if made.value is not None:
        lines.append(("", values.as_text(made.value, 30)))
    cotangents = record.sweeps[-1].cotangents if record.sweeps else {}
    if number in cotangents:
        lines.append(("gradient", values.as_text(cotangents[number], 30)))
    return Box(made.kind if made.recorded else f"{made.kind} unrecorded", lines)


def _kinds(record: Record) -> dict[tuple[int, int], tuple[str, str]]:
    """For each edge of the graph how it looks, and the remark beside it."""
    found = dict.fromkeys(edges_of(record), ("", ""))
    for number, made in enumerate(record.nodes):
        found |= {
            (x.node, number): ("cut", "cut") for x in made.inputs if x.cut and x.node is not None
        }
    if record.sweeps:
        sweep = record.sweeps[-1]
        for i, mark in marks_of(sweep).items():
            edge = sweep.edges[i]
            found[edge.parent, edge.node] = ("marked", mark.kind)
    return found


def _place(rows: list[list[Box]], edges: list[Edge]) -> tuple[float, float]:
    """Give each box its place, under what it is made of; returns the size of the picture."""
    for edge in edges:
        for a, b in pairwise(edge.route):
            b.above.append(a)
    y: float = MARGIN
    for row in rows:
        _side_by_side(row)
        for box in row:
            box.y = y
        y += max(box.height for box in row) + DOWN
    boxes = [box for row in rows for box in row]
    left = min((box.x for box in boxes), default=0) - MARGIN
    for box in boxes:
        box.x = round(box.x - left, 1)
    return max((box.x + box.width for box in boxes), default=0) + MARGIN, y - DOWN + MARGIN


def _side_by_side(row: list[Box]) -> None:
    """First without gaps, under the middle of what is above; then each nearer to its own place."""
    wishes = {
        i: mean(a.middle for a in b.above) - b.width / 2 for i, b in enumerate(row) if b.above
    }
    starts = [0.0, *accumulate(box.width + ACROSS for box in row)]
    shift = mean(wish - starts[i] for i, wish in wishes.items()) if wishes else -starts[-1] / 2
    for box, start in zip(row, starts):
        box.x = start + shift
    limit = math.inf
    for i, box in reversed(list(enumerate(row))):
        box.x = max(box.x, min(wishes.get(i, box.x), limit - ACROSS - box.width))
        limit = box.x
    limit = -math.inf
    for i, box in enumerate(row):
        box.x = min(box.x, max(wishes.get(i, box.x), limit + ACROSS))
        limit = box.x + box.width
