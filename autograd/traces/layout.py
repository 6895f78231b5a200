"""Where the nodes of a graph stand: in layers, from what goes in down to the loss."""

from collections.abc import Sequence

import igraph

from autograd.traces.record import Record

Rows = list[list[int]]


def layers(count: int, edges: Sequence[tuple[int, int]]) -> tuple[Rows, list[list[int]]]:
    """The vertices 0 ... count - 1 by layers, each from left to right, and the route of each edge.

    An edge goes down from a layer to a later one; the order within a layer has few crossings
    (Sugiyama et al. 1981). A long edge goes through a vertex of its own in each layer between:
    they are numbered from `count`.
    """
    graph = igraph.Graph(count, edges, directed=True)
    layout = graph.layout_sugiyama(_depths(graph) if graph.is_dag() else None, maxiter=20)
    places, routes = layout.coords[:count], []
    for (first, last), bends in zip(edges, layout.edge_routing):
        routes.append([first, *range(len(places), len(places) + len(bends)), last])
        places += bends
    rows: dict[float, list[tuple[float, int]]] = {}
    for vertex, (x, y) in enumerate(places):
        rows.setdefault(y, []).append((x, vertex))
    return [[vertex for _, vertex in sorted(rows[y])] for y in sorted(rows)], routes


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


def inside(record: Record, call: int) -> list[tuple[str, int]]:
    """The calls and the nodes directly inside a call, each as its kind and number."""
    occupied = _occupied(record)
    calls = [("call", i) for i, c in enumerate(record.calls) if i and c.parent == call]
    nodes = [("node", i) for i, made in enumerate(record.nodes) if made.call == call]
    return [one for one in calls if one[1] in occupied] + nodes


def _occupied(record: Record) -> set[int]:
    """The calls that have a node somewhere inside."""
    found = set()
    for made in record.nodes:
        call = made.call
        while call not in found:
            found.add(call)
            call = record.calls[call].parent
    return found


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


def arranged(record: Record) -> list[list[list[tuple[str, int]]]]:
    """For each call the layers of what is inside it; calls inside are single boxes."""
    children: list[dict[tuple[str, int], int]] = [{} for _ in record.calls]
    for call in sorted(_occupied(record)):
        children[call] = {child: i for i, child in enumerate(inside(record, call))}
    edges: list[dict[tuple[int, int], None]] = [{} for _ in record.calls]
    for first, last in edges_of(record):
        above, below = chain(record, first), chain(record, last)
        depth = max(i for i, (a, b) in enumerate(zip(above, below)) if a == b)
        ends = [
            children[path[depth]][
                ("call", path[depth + 1]) if depth + 1 < len(path) else ("node", n)
            ]
            for path, n in ((above, first), (below, last))
        ]
        edges[above[depth]][ends[0], ends[1]] = None
    found = []
    for own, between in zip(children, edges):
        names: Sequence[tuple[str, int]] = list(own)
        rows, _ = layers(len(own), list(between))
        found.append([[names[i] for i in row if i < len(own)] for row in rows])
    return found
