"""Where the nodes of a graph stand: in layers, from what goes in down to the loss."""

from collections.abc import Sequence
from itertools import pairwise

import igraph

from autograd.traces.record import Record

MAX_INSIDE = 800
"""Boxes directly inside one call that a page shows."""

Rows = list[list[int]]
Line = list[tuple[float, float]]


def layers(count: int, edges: Sequence[tuple[int, int]]) -> tuple[Rows, list[list[int]]]:
    """The vertices 0 ... count - 1 by layers, each from left to right, and the route of each edge.

    An edge goes down from a layer to a later one, unless it closes a cycle; the order within a
    layer has few crossings (Sugiyama et al. 1981). A long edge goes through a vertex of its own in
    each layer between: they are numbered from `count`.
    """
    graph = igraph.Graph(count, edges, directed=True)
    turned = set(graph.feedback_arc_set(method="eades"))  # without these there is no cycle
    graph.reverse_edges(list(turned))
    places, bends = _coordinates(graph)
    routes = []
    for number, ((first, last), line) in enumerate(zip(edges, bends)):
        routes.append([first, *range(len(places), len(places) + len(line)), last])
        places += line[::-1] if number in turned else line
    rows: dict[float, list[tuple[float, int]]] = {}
    for vertex, (x, y) in enumerate(places):
        rows.setdefault(y, []).append((x, vertex))
    return [[vertex for _, vertex in sorted(rows[y])] for y in sorted(rows)], routes


def _coordinates(graph: igraph.Graph) -> tuple[Line, list[Line]]:
    """Of each vertex, and of the bends of each edge, from its upper end down.

    The connected parts stand side by side. Each is laid out alone: of several at once, igraph 1.0
    reads bends where there are none.
    """
    depths = _depths(graph)
    graph.vs["number"], graph.es["number"] = range(graph.vcount()), range(graph.ecount())
    places: Line = [(0.0, 0.0)] * graph.vcount()
    bends: list[Line] = [[]] * graph.ecount()
    left = 0.0
    for members in graph.connected_components(mode="weak"):
        part = graph.induced_subgraph(members)
        layout = part.layout_sugiyama([depths[v] for v in part.vs["number"]], maxiter=20)
        for vertex, (x, y) in zip(part.vs["number"], layout.coords):
            places[vertex] = left + x, y
        for edge, line in zip(part.es["number"], layout.edge_routing):
            bends[edge] = [(left + x, y) for x, y in line]
        left += 1 + max(x for line in (layout.coords, *layout.edge_routing) for x, _ in line)
    return places, bends


def _depths(graph: igraph.Graph) -> list[int]:
    """The layer of each vertex: below all that it is made of, and a leaf just above its use."""
    depths = [0] * graph.vcount()
    order = graph.topological_sorting()
    for vertex in order:
        depths[vertex] = max((depths[i] + 1 for i in graph.predecessors(vertex)), default=0)
    for vertex in order:
        if not graph.predecessors(vertex):
            depths[vertex] = min((depths[i] - 1 for i in graph.successors(vertex)), default=0)
    return depths


def chain(record: Record, node: int) -> list[int]:
    """The calls around a node, from the outermost, 0, to its own."""
    found = [record.nodes[node].call]
    while found[-1]:
        found.append(record.calls[found[-1]].parent)
    return found[::-1]


def edges_of(record: Record) -> list[tuple[int, int]]:
    """From each input to the node that is made of it."""
    return [
        (x.node, i)
        for i, made in enumerate(record.nodes)
        for x in made.inputs
        if x.node is not None
    ]


def arranged(record: Record) -> list[dict[str, list[list[str]]]]:
    """For each call the layers of what is directly inside it, and the routes of the edges there.

    Inside are the node 7, "n7", and the call 3 as a single box, "c3"; "v0" is where a long edge
    passes a layer. Edges that come from outside begin at "in", those that leave end at "out". What
    a recorded sweep takes from the graph has no route, since it is most of the graph: the nodes of
    a sweep stand below its root. Raises ValueError for too many nodes side by side.
    """
    names: list[dict[str, None]] = [{} for _ in record.calls]
    edges: list[dict[tuple[str, str], None]] = [{} for _ in record.calls]
    paths = [[*(f"c{i}" for i in chain(record, n)), f"n{n}"] for n in range(len(record.nodes))]
    for path in paths:
        for outer, inner in pairwise(path):
            names[int(outer[1:])][inner] = None
    for first, last in edges_of(record):
        made = record.nodes[last]
        entered = None if made.call == record.nodes[first].call else made.sweep
        above = paths[first if entered is None else record.sweeps[entered].root]
        below = paths[last]
        depth = max(i for i, (a, b) in enumerate(zip(above, below)) if a == b) + 1
        edges[int(above[depth - 1][1:])][above[depth], below[depth]] = None
        if entered is None:
            for outer, inner in pairwise(above[depth:]):
                edges[int(outer[1:])][inner, "out"] = None
            for outer, inner in pairwise(below[depth:]):
                edges[int(outer[1:])]["in", inner] = None
    return [_arranged(list(own), list(between)) for own, between in zip(names, edges)]


def _arranged(names: list[str], edges: Sequence[tuple[str, str]]) -> dict[str, list[list[str]]]:
    if len(names) > MAX_INSIDE:
        raise ValueError(
            f"{len(names):,} nodes side by side are too many for a page: trace a smaller part, or "
            "let modules make them, which are folded"
        )
    names += [end for end in ("in", "out") if any(end in edge for edge in edges)]
    numbers = {name: i for i, name in enumerate(names)}
    rows, routes = layers(len(names), [(numbers[a], numbers[b]) for a, b in edges])
    names += [f"v{i}" for i in range(sum(map(len, rows)) - len(names))]
    return {
        "rows": [[names[i] for i in row] for row in rows],
        "routes": [[names[i] for i in route] for route in routes],
    }
