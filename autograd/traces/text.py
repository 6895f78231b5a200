"""A trace as text: the nodes in order of creation, then the edges of each sweep."""

from autograd.traces import values
from autograd.traces.graph import Made, Sweep
from autograd.traces.marks import marks_of
from autograd.traces.record import Record

WIDTH = 64  # characters of a value


def as_text(record: Record) -> str:
    """A line for each node, and some for each edge: what happened there, and its rule."""
    if not record.nodes:
        return "nothing was recorded: no primitive was called with a Tensor"
    lines, line = ["forward: what was made, from what, and its value"], None
    for i, made in enumerate(record.nodes):
        if made.sweep is None:
            if made.source != line:
                line = made.source
                lines.append(f"{line.file}:{line.line}  {line.text}")
            lines.append(f"    {_node(record, i)}")
    for number, sweep in enumerate(record.sweeps):
        lines += ["", *_sweep(record, number, sweep)]
    return "\n".join(lines)


def label(record: Record, number: int) -> str:
    """A node by its number and its name: #7 mul, #3 encoder.0.weight."""
    made = record.nodes[number]
    return f"#{number} {made.name or made.primitive or made.kind}"


def _node(record: Record, number: int) -> str:
    made = record.nodes[number]
    inside = record.calls[made.call].name
    where = f"  in {inside}" if inside and not made.name else ""
    return f"{label(record, number)}{_inputs(made)}  {_value(made)}{where}"


def _inputs(made: Made) -> str:
    if made.kind != "primitive":
        return "" if made.kind == "constant" else " (leaf)"
    texts = [f"{'cut ' * x.cut}{x.text if x.node is None else f'#{x.node}'}" for x in made.inputs]
    options = [f"{name}={text}" for name, text in made.keywords.items()]
    return f"({', '.join(texts + options)}){'' if made.recorded else ' not recorded'}"


def _value(made: Made) -> str:
    value = "not kept" if made.value is None else values.as_text(made.value, WIDTH)
    return f"{made.dtype}{list(made.shape)} {value}"


def _sweep(record: Record, number: int, sweep: Sweep) -> list[str]:
    lines = [f"sweep {number + 1}, from {label(record, sweep.root)}: g goes in, d comes out"]
    marks = marks_of(sweep)
    uses, met = sweep.uses(), set()

    def add_sum(node: int) -> None:
        if len(uses.get(node, ())) > 1 and node not in met:
            total = values.as_text(sweep.cotangents[node], WIDTH)
            lines.append(f"sum at {label(record, node)} of {len(uses[node])} cotangents: {total}")
        met.add(node)

    for i, edge in enumerate(sweep.edges):
        add_sum(edge.node)
        primitive = record.nodes[edge.node].primitive
        g = values.as_text(sweep.cotangents[edge.node], WIDTH)
        lines.append(f"{label(record, edge.node)} -> {label(record, edge.parent)}  g {g}")
        if edge.local is not None:
            lines.append(f"    d{primitive}/d{edge.argument}  "
                         f"{values.as_text(edge.local.value, WIDTH)}")  # fmt: skip
        lines += [f"    {line}" for line in record.rules[primitive, edge.argument].splitlines()]
        summed = ""
        if edge.given.shape != edge.d.shape:
            summed = f", summed from {list(edge.given.shape)} to {list(edge.d.shape)}"
        lines.append(f"    d {values.as_text(edge.d, WIDTH)}{summed}")
        lines += [f"    makes {_node(record, n)}" for n, by in sweep.made_by.items() if by == i]
        if i in marks:
            lines.append(f"    {marks[i].kind}: {marks[i].text}")
    for node in uses:
        add_sum(node)
    return lines
