"""@primitive: a forward function on arrays, and one rule per argument.

    @primitive
    def mul(x, y):
        return x * y

    mul.rule(x=lambda g, y: g * y, y=lambda g, x: g * x)

A rule is the vector-Jacobian product (vjp) of one argument: given `g`, the cotangent of the
answer, it returns the cotangent of that argument. Its other parameters name what it needs: an
input (`x`), the answer (`ans`), a keyword argument (`axis`), or only the shape of an input
(`x_shape`). What no rule names is not kept. An argument whose derivative is zero, such as a
condition, has the rule None. The gradient of an argument without a rule is an error.

Called with arrays, a primitive returns an array and records nothing; with a Tensor among its
inputs it returns a Tensor and records a node. So the same rule runs at NumPy's speed when a sweep
feeds it arrays, and is differentiable itself when the sweep feeds it Tensors.

A rule need not undo broadcasting or casts: the sweep does, in one place.

A primitive returns one array. So a node has one cotangent, and a sweep is a walk over nodes. A
function of two results, such as `reparameterize`, is a primitive that returns both in one array.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from numpy import ndarray

from autograd.array import FLOATS, PLAIN, array_or_number, as_array, describe
from autograd.modes import mode
from autograd.tensor import Node, Tensor
from autograd.watch import tell

PRIMITIVES: dict[str, "Primitive"] = {}
"""Every primitive by name, for tests and tools."""


class Primitive:
    """A differentiable function: `forward` on arrays, and `vjps`, a rule for each input.

    Two kinds of functions are made from the rules once. `keep` collects what the rules name, from
    the arrays, the answer and the keyword arguments of a call. Each of `rules` takes (g, what was
    kept) and returns the cotangent of an input.
    """

    def __init__(self, forward: Callable):
        self.forward = forward
        self.name = forward.__name__
        self.__doc__ = forward.__doc__
        self.__signature__ = inspect.signature(forward)  # so that a rule may be a primitive
        parameters = self.__signature__.parameters.values()
        self.inputs = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        self.keywords = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        optional = (p for p in parameters if p.name in self.keywords and p.default is not p.empty)
        self.defaults = {p.name: p.default for p in optional}
        self.arity = len(self.inputs)
        self.vjps: dict[str, Callable | None] = {}
        self.rule()
        PRIMITIVES[self.name] = self

    def rule(self, **vjps: Callable | None) -> None:
        """Declare the vjp of arguments. What their parameters name is what a node keeps."""
        vjps = self.vjps | vjps
        sources = {name: f"arrays[{i}]" for i, name in enumerate(self.inputs)}
        sources |= {f"{name}_shape": f"arrays[{i}].shape" for i, name in enumerate(self.inputs)}
        sources |= {name: f"keywords[{name!r}]" for name in self.keywords} | {"ans": "ans"}
        needs = {n: list(inspect.signature(v).parameters)[1:] if v else [] for n, v in vjps.items()}
        for name, needed in needs.items():
            if name not in self.inputs or not set(needed) <= set(sources):
                raise TypeError(
                    f"{self.name}: the rule for {name!r} asks for {needed}; rules are for "
                    f"{self.inputs} and may name {list(sources)}"
                )
        kept = [source for source in sources if any(source in needed for needed in needs.values())]

        def of_saved(name: str) -> Callable | None:
            vjp = vjps.get(name, self._without_rule(name))
            arguments = ["g", *(f"saved[{kept.index(n)}]" for n in needs.get(name, ()))]
            return vjp and _compiled("g, saved", f"vjp({', '.join(arguments)})", vjp=vjp)

        values = "".join(f"{sources[name]}, " for name in kept)
        self.keep = _compiled("arrays, ans, keywords", f"({values})")
        self.rules = [of_saved(name) for name in self.inputs]
        self.vjps = vjps
        self.kept_inputs = [(kept.index(n), i) for i, n in enumerate(self.inputs) if n in kept]
        self.kept_ans = kept.index("ans") if "ans" in kept else None

    def _without_rule(self, name: str) -> Callable:
        def refuse(g: Any) -> None:
            raise NotImplementedError(
                f"{self.name} has no rule for {name!r}: declare {self.name}.rule({name}=...), "
                "with None if the derivative is zero"
            )

        return refuse

    def __call__(self, *inputs: Any, **keywords: Any) -> Any:
        if len(inputs) != self.arity:
            inputs, keywords = self._as_declared(inputs, keywords)
        for x in inputs:
            if type(x) is Tensor:
                break
        else:
            return self.forward(*inputs, **keywords)
        arrays, parents = [], []
        for x in inputs:
            if type(x) is Tensor:
                arrays.append(x._data)
                parents.append(x.node)
            else:
                arrays.append(x if type(x) in PLAIN else array_or_number(x))
                parents.append(None)
        try:
            ans = self.forward(*arrays, **keywords)
        except (ValueError, IndexError, TypeError, ZeroDivisionError) as error:
            raise type(error)(f"{self.name} of {describe(arrays)}: {error}") from error
        now = mode()
        if type(ans) is not ndarray:
            ans = as_array(ans)
        out = object.__new__(Tensor)  # as Tensor(ans), at half the cost
        out._data, out.node = ans, None
        if now.recording and any(parents):
            if ans.dtype in FLOATS:
                if self.keywords:
                    keywords = self.defaults | keywords
                saved = self.keep(arrays, ans, keywords)
                out.node = Node(ans, self, tuple(parents), saved)
            else:
                self._refuse_unless_integers(out, arrays)
        if now.watchers:
            tell(now.watchers, "made", self, out, inputs, self.defaults | keywords)
        return out

    def _as_declared(self, inputs: Sequence, keywords: dict[str, Any]) -> tuple:
        """Inputs by position and the rest by keyword, whichever way the caller gave them."""
        n = self.arity
        beyond, rest = dict(zip(self.keywords, inputs[n:])), inputs[n + len(self.keywords) :]
        try:
            bound = self.__signature__.bind(*inputs[:n], *rest, **beyond, **keywords)
        except TypeError as error:
            raise TypeError(f"{self!r}: {error}") from None
        bound.apply_defaults()
        keywords = bound.arguments
        return [keywords.pop(name) for name in self.inputs], keywords

    def _refuse_unless_integers(self, out: Tensor, arrays: Sequence) -> None:
        """Integers and booleans record nothing; TypeError for another dtype."""
        if out.dtype.kind not in "iub":
            raise TypeError(
                f"{self.name} of {describe(arrays)} gives {out.dtype}: gradients are of float32 "
                "and float64"
            )

    def __repr__(self) -> str:
        return f"<primitive {self.name}{self.__signature__}>"


def _compiled(parameters: str, expression: str, **names: Any) -> Callable:
    """A function made from its source, since every operation of every model calls several.

    Made from a list of getters and of positions, they would be

        keep = lambda arrays, ans, keywords: tuple([get(arrays, ans, keywords) for get in getters])
        rule = lambda g, saved: vjp(g, *[saved[i] for i in slots])

    Measured on arrays of 4 x 4, with closures like these and special ones for one and two names,
    an operation takes 5 % longer, forward and backward, and 10 % where a rule uses three names.
    """
    return eval(f"lambda {parameters}: {expression}", {"__package__": __package__, **names})


def primitive(forward: Callable) -> Primitive:
    """Declare a primitive by its forward function; `.rule` then declares its derivative."""
    return Primitive(forward)
