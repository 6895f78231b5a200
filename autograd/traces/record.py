"""The record of what happened: calls of primitives, and the sweeps through them."""

import re
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autograd.array import Array, describe
from autograd.memory import fingerprints
from autograd.module import Module
from autograd.origin import caller
from autograd.tensor import Node, Tensor, array_of
from autograd.traces.graph import Call, Event, Input, Made, Passed, Source, Sweep
from autograd.traces.local import local_derivative
from autograd.traces.rules import rule_text
from autograd.traces.values import value_of
from autograd.watch import Watcher

Names = Module | Mapping[str, Module | Tensor | Array] | None


class Record(Watcher):
    """Fills lists of nodes, calls and sweeps while it watches, and of `events` in order of time.

    `names` are a module, whose Tensors and inner modules get their dotted names, or modules,
    Tensors and arrays by name. A module that is called and has no name is called by its class.
    """

    def __init__(self, names: Names = None):
        self.nodes: list[Made] = []
        self.calls = [Call("", "", 0)]
        self.sweeps: list[Sweep] = []
        self.rules: dict[tuple[str, str], str] = {}
        self.events: list[Event] = []
        self._open = [0]  # the calls that have not ended
        self._names: dict[int, tuple[str, Module]] = {}  # of modules, by identity
        self._tensors: dict[int, tuple[str, Tensor]] = {}  # named ones, by the order of their node
        self._numbers: dict[int, int] = {}  # of recorded nodes, by their order
        self._makers: dict[int, tuple[Any, int]] = {}  # of arrays, by identity of their memory
        self._contents: dict[int, list[int]] = {}  # fingerprints of leaves and constants
        self._sweeping: int | None = None
        self._constant_names: dict[int, tuple[str, Array]] = {}  # of arrays, by identity
        if names is not None and not isinstance(names, Module | Mapping):
            raise TypeError(f"names are a module, or a dict by name, not {type(names).__name__}")
        for name, named in ({"": names} if isinstance(names, Module) else names or {}).items():
            if not isinstance(name, str):
                raise TypeError(f"a name is a str, not {name!r}")
            if isinstance(named, Module):
                self._register(named, name)
            elif isinstance(named, Tensor) and named.node is not None:
                self._name(name, named)
                self._number(named.node, named.data)
            elif hasattr(array_of(named), "shape"):
                self._constant_names[id(array_of(named))] = _printable(name), array_of(named)
            else:
                raise TypeError(f"{name} is {type(named).__name__}: name modules, Tensors, arrays")

    # Names

    def _register(self, module: Module, name: str) -> None:
        """Name a module, those in it, and their Tensors."""
        prefix = f"{name}." if name else ""
        for inner_name, inner in module.named_modules():
            self._names[id(inner)] = (f"{prefix}{inner_name}" if inner_name else name), inner
        for inner_name, tensor in module.named_tensors(prefix):
            self._name(inner_name, tensor)

    def know(self, tensor: Tensor) -> None:
        """Keep the value of a Tensor that was made before."""
        self._name("", tensor)

    def _name(self, name: str, tensor: Tensor) -> None:
        if tensor.node is not None:
            self._tensors.setdefault(tensor.node.order, (_printable(name), tensor))
        else:  # a buffer, which is a constant of the step
            self._constant_names.setdefault(id(tensor.data), (_printable(name), tensor.data))

    def entered(self, module: Any) -> None:
        if id(module) not in self._names:
            parent, kind = self.calls[self._open[-1]].name, type(module).__name__
            name = f"{parent}.{kind}" if parent else kind
            others = sum(known.split(" ")[0] == name for known, _ in self._names.values())
            self._register(module, f"{name} {others + 1}" if others else name)
        name, _ = self._names[id(module)]
        self.calls.append(Call(name, type(module).__name__, self._open[-1]))
        self._open.append(len(self.calls) - 1)

    def left(self, module: Any) -> None:
        self._open.pop()

    # The forward pass

    def made(
        self, primitive: Any, out: Tensor, inputs: Sequence, keywords: Mapping[str, Any]
    ) -> None:
        source = Source.of(out.node.origin if out.node else caller())
        found = [self._input(n, x, source) for n, x in zip(primitive.inputs, inputs)]
        if out.node is None:
            for x in found:
                x.cut = x.node is not None and self.nodes[x.node].recorded
        self._add(
            Made(
                kind="primitive",
                primitive=primitive.name,
                name="",
                call=self._open[-1],
                shape=out.shape,
                dtype=str(out.dtype),
                value=value_of(out.data),
                source=source,
                recorded=out.node is not None,
                sweep=self._sweeping,
                inputs=found,
                keywords={k: _as_text(v) for k, v in keywords.items()},
            ),
            out.node,
            out.data,
        )

    def _add(self, made: Made, node: Node | None, array: Array | None) -> int:
        number = len(self.nodes)
        self.nodes.append(made)
        self.events.append((-1, number))
        if node is not None:
            self._numbers[node.order] = number
        if array is not None:
            self._makers[id(array)] = weakref.ref(array), number
            if made.kind != "primitive":
                self._contents[number] = fingerprints([array])
        if made.sweep is not None:
            sweep = self.sweeps[made.sweep]
            sweep.made_by[number] = len(sweep.edges)
        return number

    def _input(self, argument: str, x: Any, source: Source) -> Input:
        if isinstance(x, Tensor) and x.node is not None:
            return Input(argument, self._number(x.node, x.data))
        array = array_of(x)
        if not hasattr(array, "shape") or (array.ndim == 0 and not isinstance(x, Tensor)):
            return Input(argument, text=_as_text(array))
        maker = self._maker(array)
        if maker is None:
            name, _ = self._constant_names.get(id(array), ("", None))
            constant = Made("constant", "", name, self._open[-1], array.shape, str(array.dtype),
                            value_of(array), source, recorded=False)  # fmt: skip
            return Input(argument, self._add(constant, None, array))
        made = self.nodes[maker]
        while made.kind == "constant" and self._sweeping is None and made.call not in self._open:
            made.call = self.calls[made.call].parent  # it stands outside the calls that share it
        return Input(argument, maker, cut=made.recorded)

    def _is_written(self, number: int, array: Array | None) -> bool:
        """Whether `array`, that of a leaf or a constant, has other elements than it had."""
        before = self._contents.get(number)
        return before is not None and array is not None and before != fingerprints([array])

    def _maker(self, array: Any) -> int | None:
        """The number of the node whose value is this array, or has its memory if it is recorded."""
        given = array
        while array is not None:
            made, number = self._makers.get(id(array), (None, 0))
            if made is not None and made() is array and not self._is_written(number, array):
                return number if array is given or self.nodes[number].recorded else None
            array = getattr(array, "base", None)
        return None

    def _number(self, node: Node, array: Array | None = None) -> int:
        """The number of a recorded node.

        One that was not watched when it was made is added; so is a leaf again, once an optimiser
        has written to it.
        """
        number = self._numbers.get(node.order)
        if number is not None and not self._is_written(number, array):
            return number
        name, tensor = self._tensors.get(node.order, ("", None))
        if array is None and tensor is not None:
            array = tensor.data
        source = Source.of(node.origin)
        made = Made(
            kind="primitive" if node.primitive else "leaf",
            primitive=node.primitive.name if node.primitive else "",
            name=name or ("" if node.primitive else _assigned(source.text)),
            call=self._open[-1],
            shape=node.shape,
            dtype=str(node.dtype),
            value=None if array is None else value_of(array),
            source=source,
        )
        return self._add(made, node, array)

    def _adopt(self, root: Node) -> None:
        """Add the nodes that `root` is made of and that were not watched, as the graph keeps them.

        Of their values it keeps what a rule names. A node that uses a parameter of a module belongs
        to that module.
        """
        nodes = [node for node in _ancestors(root) if node.order not in self._numbers]
        values: dict[int, Array] = {}
        for node in nodes:
            if node.primitive and node.saved is not None:
                kept = {i: node.saved[position] for position, i in node.primitive.kept_inputs}
                values |= {p.order: kept[i] for i, p in enumerate(node.parents) if p and i in kept}
                if node.primitive.kept_ans is not None:
                    values[node.order] = node.saved[node.primitive.kept_ans]
        owners: dict[str, int] = {}
        for node in nodes:
            made = self.nodes[self._number(node, values.get(node.order))]
            if owner := made.name.rpartition(".")[0]:
                if owner not in owners:
                    owners[owner] = len(self.calls)
                    self.calls.append(Call(owner, "", 0))
                made.call = owners[owner]
            if node.primitive:
                parents = [None if p is None else self._number(p) for p in node.parents]
                made.inputs = [
                    Input(argument, number, "" if number is not None else "not kept")
                    for argument, number in zip(node.primitive.inputs, parents)
                ]
                leaves = [self.nodes[n] for n in parents if n is not None]
                made.call = max((x.call for x in leaves if x.kind == "leaf"), default=0)

    # The sweeps

    def began(self, root: Node) -> None:
        self._adopt(root)
        self._sweeping = len(self.sweeps)
        self.sweeps.append(Sweep(self._numbers[root.order]))
        self._open.append(len(self.calls))
        self.calls.append(Call(f"sweep {len(self.sweeps)}", "sweep", self._open[-2]))

    def reached(self, node: Node, g: Any) -> None:
        self.sweeps[-1].cotangents[self._numbers[node.order]] = value_of(array_of(g))

    def passed(
        self, node: Node, rule: Callable, parent: Node, g: Any, given: Any, d: Any, before: Any
    ) -> None:
        primitive: Any = node.primitive
        argument = primitive.inputs[primitive.rules.index(rule)]
        vjp = primitive.vjps[argument]
        self.rules.setdefault((primitive.name, argument), rule_text(vjp))
        given, d, g = array_of(given), array_of(d), array_of(g)
        value = value_of(d)
        edges = self.sweeps[-1].edges
        self.events.append((len(self.sweeps) - 1, len(edges)))
        edges.append(
            Passed(
                node=self._numbers[node.order],
                argument=argument,
                parent=self._numbers[parent.order],
                given=value if given is d else value_of(given),
                d=value,
                local=local_derivative(rule, node, g, given),
            )
        )

    def ended(self) -> None:
        self._sweeping = None
        self._open.pop()


def _ancestors(root: Node) -> list[Node]:
    """All nodes that `root` is made of, and itself, in order of creation."""
    found, stack = {root}, [root]
    while stack:
        new = {parent for parent in stack.pop().parents if parent is not None} - found
        found |= new
        stack.extend(new)
    return sorted(found, key=lambda node: node.order)


def _printable(name: str) -> str:
    """Without characters that a file of text cannot have."""
    return "".join(c if c.isprintable() else "?" for c in name)


def _as_text(value: Any) -> str:
    value = array_of(value)
    return describe([value]) if getattr(value, "ndim", 0) else str(value)


def _assigned(text: str) -> str:
    """The variable that a line such as `w = Tensor(...)` assigns to."""
    found = re.match(r"(\w+) *=[^=]", text)
    return found[1] if found else ""
