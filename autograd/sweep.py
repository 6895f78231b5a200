"""grad() and backward(): one pass over the graph in reverse order of creation.

The cotangent of a value is the gradient of the output with respect to it. The chain rule: if
y = f(x) has the cotangent g, then this use of x contributes J_f(x)^T g, which a rule computes. The
cotangent of x is the sum over its uses.
"""

from collections.abc import Mapping, Sequence, Set
from heapq import heappop, heappush
from operator import attrgetter
from typing import Any

import kernels
from autograd import memory
from autograd.array import Array, as_array, namespace
from autograd.modes import mode, switched
from autograd.ops import sum_to
from autograd.tensor import Node, Tensor, array_of
from autograd.watch import tell

Cotangents = dict[Node, Any]
Cotangent = Tensor | Array | None


def grad(
    outputs: Tensor,
    inputs: Tensor | Sequence[Tensor] | Mapping[str, Tensor],
    cotangent: Cotangent = None,
    create_graph: bool = False,
    retain_graph: bool = False,
) -> Any:
    """The gradient of `outputs` with respect to each of `inputs`, in their shapes and dtypes.

    `inputs` are one Tensor, a list, or a dict such as a module's `parameters()`; so is the answer.
    `cotangent` weighs the elements of `outputs` and has its shape; a scalar needs none. With
    `create_graph` the gradients are recorded, so they can be differentiated again. Then, and with
    `retain_graph`, the graph of `outputs` is kept for another sweep; otherwise it is freed. The
    gradient by an input that `outputs` does not depend on is zero. Raises ValueError for a Tensor
    that records nothing, and for a cotangent of another shape, also from a rule; RuntimeError for a
    graph that was freed, or whose values were written to.
    """
    if isinstance(inputs, Mapping):
        found = grad(outputs, list(inputs.values()), cotangent, create_graph, retain_graph)
        return dict(zip(inputs, found))
    wanted = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for x in [outputs, *wanted]:
        if not isinstance(x, Tensor):
            raise TypeError(f"grad takes a Tensor and one, a list or a dict of them, not {type(x)}")
    for x in wanted:
        if x.node is None:
            raise ValueError(
                f"no gradient with respect to a Tensor of shape {x.shape} that records nothing: "
                "make it with requires_grad=True, outside no_grad(), and do not detach it"
            )
    nodes = [x.node for x in wanted if x.node is not None]
    root, seed = start(outputs, cotangent, create_graph)
    path = path_between(set(nodes), root)
    with switched(recording=True):  # under no_grad() too, if create_graph asks for it
        found = sweep(root, seed, set(nodes), path, create_graph, create_graph or retain_graph)
    gradients = [
        _tensor(found[node] if node in found else namespace(x.data).zeros_like(x.data))
        for x, node in zip(wanted, nodes)
    ]
    arrays = memory.separate((g.data for g in gradients), array_of(seed))
    # A constant gradient is recorded too if asked: its own derivative is zero, and no error.
    gradients = [
        Tensor(array, requires_grad=create_graph and g.node is None, node=g.node)
        for array, g in zip(arrays, gradients)
    ]
    return gradients[0] if isinstance(inputs, Tensor) else gradients


def backward(output: Tensor, cotangent: Cotangent = None, retain_graph: bool = False) -> None:
    """Add the gradient of `output` to the `grad` of every leaf that it depends on."""
    root, seed = start(output, cotangent, False)
    found = sweep(root, seed, (), None, False, retain_graph)
    for leaf, g in zip(found, memory.separate(found.values(), seed)):
        leaf.grad = Tensor(g if leaf.grad is None else leaf.grad.data + g)


def start(output: Tensor, cotangent: Any, create_graph: bool) -> tuple[Node, Any]:
    """The node of `output`, and the cotangent that the sweep starts from there."""
    if output.node is None:
        raise ValueError(
            f"a Tensor of shape {output.shape} that records nothing has no gradient: it was "
            "detached, made under no_grad(), or made of constants only"
        )
    if cotangent is None:
        if output.size != 1:
            raise ValueError(
                f"a gradient of a Tensor of shape {output.shape} ({output.node}) needs a "
                "cotangent of that shape; reduce it to a scalar, x.sum(), or pass one"
            )
        cotangent = namespace(output.data).ones_like(output.data)
    elif not isinstance(cotangent, Tensor):
        cotangent = as_array(cotangent)
    if cotangent.shape != output.shape:
        raise ValueError(f"cotangent of shape {cotangent.shape} for {output.node}")
    if cotangent.dtype != output.dtype:
        cotangent = cotangent.astype(output.dtype)
    return output.node, _tensor(cotangent) if create_graph else array_of(cotangent)


def sweep(root: Node, seed, wanted, path, create_graph: bool, retain_graph: bool) -> Cotangents:
    """The cotangents of the leaves and of the nodes `wanted`, if that of `root` is `seed`.

    Nodes are processed in reverse order of creation. An input is older than what is made of it, so
    every use of a node is processed before the node. A heap gives this order without recursion,
    which would limit the depth of a graph. Only nodes in `path` are processed, or all for None.
    """
    cotangents, pending, found = {root: seed}, [(-root.order, root)], {}
    watchers, last_write = mode().watchers, memory.last_write
    try:
        if watchers:
            tell(watchers, "began", root)
        while pending:
            node = heappop(pending)[1]
            g = cotangents.pop(node)  # complete: all uses of the node have been processed
            primitive = node.primitive
            if primitive is None or node in wanted:
                found[node] = g
            if watchers:
                tell(watchers, "reached", node, g)
            if primitive is None:
                continue
            if node.saved is None or node.order < last_write:
                _refuse_unless_kept(node)
            saved = _recorded(node) if create_graph else node.saved
            for parent, rule in zip(node.parents, primitive.rules):
                if parent is None or rule is None or (path is not None and parent not in path):
                    continue
                d = given = rule(g, saved)
                if getattr(d, "shape", None) != parent.shape or d.dtype is not parent.dtype:
                    d = _as_input(d, parent, node)
                before = cotangents.get(parent)
                if before is None:
                    cotangents[parent] = d
                    heappush(pending, (-parent.order, parent))
                else:
                    cotangents[parent] = _sum(before, d)
                if watchers:
                    tell(watchers, "passed", node, rule, parent, g, given, d, before)
            if not retain_graph:
                node.saved = None
        return found
    finally:
        if watchers:
            tell(watchers, "ended")


def _refuse_unless_kept(node: Node) -> None:
    """Raises RuntimeError if what `node` kept was freed, or was written to since."""
    if node.saved is None:
        raise RuntimeError(
            f"the graph was freed by an earlier sweep: {node}; pass retain_graph=True to the "
            "earlier backward() or grad() to keep it, or compute it again"
        )
    memory.refuse_writers(node, memory.writers_since(node.order, node.saved))


def _as_input(d: Any, parent: Node, node: Node) -> Any:
    """What a rule of `node` returned, in the shape and dtype of the input that `parent` made."""
    try:
        shape = d.shape
    except AttributeError:
        raise TypeError(f"a rule of {node} gave {d!r}, and no array") from None
    if shape != parent.shape:
        d = _unbroadcast(d, parent, node)
    return d if d.dtype is parent.dtype else d.astype(parent.dtype)


def _unbroadcast(d: Any, parent: Node, node: Node) -> Any:
    """`d` summed over the axes along which `node` broadcast its input, made by `parent`."""
    try:
        return sum_to(d, shape=parent.shape)
    except ValueError as error:
        raise ValueError(
            f"a rule of {node} gave a cotangent of shape {d.shape} for an input of shape "
            f"{parent.shape}: a rule returns the shape of its input, or one it broadcasts to"
        ) from error


def _sum(x: Any, y: Any) -> Any:
    return kernels.add(x, y) if y.ndim > 2 else x + y  # kernels.add is faster for images


def _recorded(node: Node) -> list:
    """What `node` keeps, its arrays as Tensors with their history.

    A node keeps its answer as an array too, since a Tensor would refer back to the node: a cycle.
    """
    saved, primitive = list(node.saved or ()), node.primitive
    for position, i in primitive.kept_inputs:
        if node.parents[i] is not None:
            saved[position] = Tensor(saved[position], node=node.parents[i])
    if primitive.kept_ans is not None:
        saved[primitive.kept_ans] = Tensor(saved[primitive.kept_ans], node=node)
    return saved


def path_between(inputs: Set[Node], root: Node) -> Mapping[Node, None]:
    """The nodes on the way from `inputs` to `root`, as keys: a set would take twice the memory.

    A node older than the oldest input is not made from one.
    """
    oldest = min((node.order for node in inputs), default=root.order)
    path, stack = {root: None}, [root]  # at first all that root is made of
    while stack:
        for parent in stack.pop().parents:
            if parent is not None and parent.order >= oldest and parent not in path:
                path[parent] = None
                stack.append(parent)
    for node in sorted(path, key=attrgetter("order")):
        if node not in inputs and path.keys().isdisjoint(node.parents):
            del path[node]
    return path


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else Tensor(value)
