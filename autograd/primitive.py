"""@primitive: a forward function on arrays, and one rule per argument.

    @primitive
    def mul(x, y):
        return x * y

    mul.rule(x=lambda g, y: g * y, y=lambda g, x: g * x)

A rule is the vector-Jacobian product (vjp) of one argument: given `g`, the cotangent of the
answer, it returns the cotangent of that argument. It names what else it needs: an input (`x`),
the answer (`ans`), a keyword argument (`axis`), or only the shape of an input (`x_shape`). What
no rule names is not kept. An argument without a rule has no derivative.

Called with arrays, a primitive returns an array and records nothing; with a Tensor among its
inputs it returns a Tensor and records a node. So the same rule runs at NumPy's speed when a sweep
feeds it arrays, and is differentiable itself when the sweep feeds it Tensors.

A rule need not undo broadcasting or casts: the sweep does, in one place.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from autograd.array import namespace
from autograd.tensor import Node, Tensor, bare, caller, source_line

PRIMITIVES: dict[str, "Primitive"] = {}
"""Every primitive by name: the table that the tests walk."""

_recording = True
_detecting_nan = False


class Primitive:
    """A differentiable function: `forward` on arrays, and `vjps`, a rule for each input.

    From the rules, once, come `keep`, which takes what they name out of a call, and `rules`,
    which hand it to them: (g, what was kept) to the cotangent of the input, None without a rule.
    """

    def __init__(self, forward: Callable):
        self.forward = forward
        self.name = forward.__name__
        self.__doc__ = forward.__doc__
        parameters = inspect.signature(forward).parameters.values()
        self.inputs = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        self.keywords = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        self.vjps: dict[str, Callable] = {}
        self.rule()
        PRIMITIVES[self.name] = self

    def rule(self, **vjps: Callable) -> None:
        """Declare the vjp of arguments, and from their parameters what a node keeps."""
        vjps = self.vjps | vjps
        sources = {name: f"arrays[{i}]" for i, name in enumerate(self.inputs)}
        sources |= {f"{name}_shape": f"arrays[{i}].shape" for i, name in enumerate(self.inputs)}
        sources |= {name: f"keywords[{name!r}]" for name in self.keywords} | {"ans": "ans"}
        needs = {name: list(inspect.signature(vjp).parameters)[1:] for name, vjp in vjps.items()}
        for name, needed in needs.items():
            if name not in self.inputs or not set(needed) <= set(sources):
                raise TypeError(
                    f"{self.name}: the rule for {name!r} asks for {needed}; rules are for "
                    f"{self.inputs} and may name {list(sources)}"
                )
        kept = [source for source in sources if any(source in needed for needed in needs.values())]

        def compiled(vjp: Callable, needed: Sequence[str]) -> Callable:
            arguments = ["g", *(f"saved[{kept.index(name)}]" for name in needed)]
            return eval(f"lambda g, saved: vjp({', '.join(arguments)})", {"vjp": vjp})

        # Written out and compiled, since every operation of every model pays for these two.
        self.keep = eval(
            f"lambda arrays, ans, keywords: [{', '.join(sources[name] for name in kept)}]"
        )
        self.rules = [compiled(vjps[n], needs[n]) if n in vjps else None for n in self.inputs]
        self.vjps = vjps
        self.kept_inputs = [(kept.index(n), i) for i, n in enumerate(self.inputs) if n in kept]
        self.kept_ans = kept.index("ans") if "ans" in kept else None

    def __call__(self, *inputs: Any, **keywords: Any) -> Any:
        arrays, parents, has_tensor, has_parent = [], [], False, False
        for x in inputs:
            if type(x) is Tensor:
                has_tensor = True
                arrays.append(x.data)
                parents.append(x.node)
                if x.node is not None:
                    has_parent = True
            else:
                arrays.append(x)
                parents.append(None)
        if not has_tensor:
            return self.forward(*inputs, **keywords)
        try:
            ans = self.forward(*arrays, **keywords)
        except (ValueError, IndexError, TypeError, ZeroDivisionError) as error:
            raise type(error)(f"{self.name} of {_describe(arrays)}: {error}") from error
        if _detecting_nan:
            self._refuse_nan(ans, arrays)
        out = Tensor(ans)
        if has_parent and _recording and out.data.dtype.kind == "f":
            if self.keywords:
                keywords = self.keywords | keywords
            out.node = Node(out.data, self, parents, self.keep(arrays, out.data, keywords))
        return out

    def _refuse_nan(self, ans: Any, arrays: Sequence) -> None:
        if _has_nan(ans):
            came_in = [name for name, x in zip(self.inputs, arrays) if _has_nan(x)]
            raise FloatingPointError(
                f"{self.name} of {_describe(arrays)} at {source_line(caller())}: "
                + (f"its input {came_in[0]!r} is already NaN" if came_in else "made the first NaN")
            )

    def __repr__(self) -> str:
        return f"<primitive {self.name}{inspect.signature(self.forward)}>"


def primitive(forward: Callable) -> Primitive:
    """Declare a primitive by its forward function; `.rule` then declares its derivative."""
    return Primitive(forward)


@contextmanager
def within(**switches: bool) -> Iterator[None]:
    """Set switches of this module, for the whole process, and afterwards put them back."""
    before = {name: globals()[name] for name in switches}
    globals().update(switches)
    try:
        yield
    finally:
        globals().update(before)


@contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing: for evaluation, and for updating parameters. Also a decorator."""
    with within(_recording=False):
        yield


@contextmanager
def detect_nan() -> Iterator[None]:
    """Raise FloatingPointError at the first NaN, forward or backward.

    The message names the primitive and the source line that called it. Every answer is scanned,
    so this is for finding a fault, not for training.
    """
    with within(_detecting_nan=True):
        yield


def detecting_nan() -> bool:
    return _detecting_nan


def refuse_nan_cotangent(g: Any, d: Any, node: Node) -> None:
    """Refuse a NaN cotangent `d` that a rule of `node` made of a sound `g`."""
    if _has_nan(d) and not _has_nan(g):
        raise FloatingPointError(f"the first NaN was made by the gradient of {node}")


def _has_nan(value: Any) -> bool:
    value = bare(value)
    return bool(namespace(value).isnan(value).any())


def _describe(arrays: Sequence) -> str:
    kinds = [getattr(x, "dtype", type(x).__name__) for x in arrays]
    return " and ".join(f"{kind}{getattr(x, 'shape', ())}" for kind, x in zip(kinds, arrays))
