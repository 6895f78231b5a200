"""What a trace is made of: nodes, calls of modules, and the edges of sweeps."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from autograd.origin import Origin, source_of
from autograd.traces.local import LocalDerivative
from autograd.traces.values import Value


@dataclass
class Input:
    """An input of a call: the number of the node that it comes from, or a plain number as text.

    `cut` if the value is that of a node whose gradient does not come through here: it was detached,
    turned into an array, or made under no_grad().
    """

    argument: str
    node: int | None = None
    text: str = ""
    cut: bool = False


class Source(NamedTuple):
    """A line of code. `file` is its path within its package, or its name if it is in none."""

    file: str
    line: int
    text: str

    @classmethod
    def of(cls, origin: Origin) -> "Source":
        name, line, text = source_of(origin)
        file = Path(name)
        folder = file.parent
        while (folder / "__init__.py").exists():
            folder = folder.parent
        return cls(file.relative_to(folder).as_posix(), line, text)


@dataclass
class Made:
    """A node of the trace: a call of a primitive, a leaf, or a constant array.

    `name` is that of a parameter or a variable, if it has one. `call` is the number of the module
    call it belongs to, 0 for none. `value` is None where the graph did not keep it. `sweep` is the
    number of the sweep whose rules made it, None for the forward pass. Without a gradient,
    `recorded` is False.
    """

    kind: str  # "primitive", "leaf" or "constant"
    primitive: str
    name: str
    call: int
    shape: tuple[int, ...]
    dtype: str
    value: Value | None
    source: Source
    recorded: bool = True
    sweep: int | None = None
    inputs: list[Input] = field(default_factory=list)
    keywords: dict[str, str] = field(default_factory=dict)


@dataclass
class Passed:
    """An edge of a sweep, from `node` to the input `argument` of it, which `parent` made.

    The rule made `given` of the cotangent of `node`. In the shape and the dtype of `parent` that is
    `d`; the two differ by a sum over broadcast axes, or a cast. `local` is the local derivative.
    """

    node: int
    argument: str
    parent: int
    given: Value
    d: Value
    local: LocalDerivative | None


@dataclass
class Sweep:
    """A sweep from `root`: its edges, and the whole cotangent of each node, as it reached them.

    If the sweep is recorded, it makes nodes itself: `made_by` has the edge for which it made each.
    """

    root: int
    cotangents: dict[int, Value] = field(default_factory=dict)
    edges: list[Passed] = field(default_factory=list)
    made_by: dict[int, int] = field(default_factory=dict)

    def uses(self) -> dict[int, list[int]]:
        """For each node the edges that bring it a cotangent: its own is their sum."""
        found: dict[int, list[int]] = {}
        for i, edge in enumerate(self.edges):
            found.setdefault(edge.parent, []).append(i)
        return found


@dataclass
class Call:
    """A call of a module: its dotted name, its class, and the call inside which it was.

    A sweep is one too, of the nodes that it makes if it is recorded.
    """

    name: str
    kind: str
    parent: int


Event = tuple[int, int]
"""What happened next: a node was made, (-1, its number); or a sweep passed an edge, (sweep, edge).
"""
