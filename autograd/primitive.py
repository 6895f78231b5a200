"""@primitive: a forward function on arrays, and one rule per argument.

    @primitive
    def mul(x, y):
        return x * y

    mul.rule(x=lambda g, y: g * y, y=lambda g, x: g * x)

A rule is the vector-Jacobian product (vjp) of one argument: given `g`, the cotangent of the
answer, it returns the cotangent of that argument. It names what else it needs: an input (`x`),
the answer (`ans`), a keyword argument (`axis`), or only the shape of an input (`x_shape`). What
no rule names is not kept. An argument whose derivative is zero, as a condition's, has the rule
None; one without a rule cannot be asked for a gradient.

Called with arrays, a primitive returns an array and records nothing; with a Tensor among its
inputs it returns a Tensor and records a node. So the same rule runs at NumPy's speed when a sweep
feeds it arrays, and is differentiable itself when the sweep feeds it Tensors.

A rule need not undo broadcasting or casts: the sweep does, in one place.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from numpy import ndarray

from autograd.array import FLOATS, PLAIN, as_array, namespace, operand
from autograd.memory import fingerprints
from autograd.modes import mode
from autograd.origin import source_line
from autograd.tensor import Node, Tensor, bare

PRIMITIVES: dict[str, "Primitive"] = {}
"""Every primitive by name: the table that the tests walk."""


class Primitive:
    """A differentiable function: `forward` on arrays, and `vjps`, a rule for each input.

    From the rules, once, come `keep`, which takes what they name out of a call, and `rules`,
    which hand it to them: (g, what was kept) to the cotangent of the input.
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
        """Declare the vjp of arguments, and from their parameters what a node keeps."""
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

        def compiled(name: str) -> Callable | None:
            vjp = vjps.get(name, self._without_rule(name))
            arguments = ["g", *(f"saved[{kept.index(n)}]" for n in needs.get(name, ()))]
            return vjp and eval(f"lambda g, saved: vjp({', '.join(arguments)})", {"vjp": vjp})

        # Written out and compiled, since every operation of every model pays for these two.
        self.keep = eval(
            f"lambda arrays, ans, keywords: [{', '.join(sources[name] for name in kept)}]"
        )
        self.rules = [compiled(name) for name in self.inputs]
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
        arrays, parents, has_tensor, has_parent = [], [], False, False
        for x in inputs:
            if type(x) is Tensor:
                has_tensor = True
                arrays.append(x._data)
                parents.append(x.node)
                if x.node is not None:
                    has_parent = True
            else:
                arrays.append(x if type(x) in PLAIN else operand(x))
                parents.append(None)
        if not has_tensor:
            return self.forward(*inputs, **keywords)
        try:
            ans = self.forward(*arrays, **keywords)
        except (ValueError, IndexError, TypeError, ZeroDivisionError) as error:
            raise type(error)(f"{self.name} of {_describe(arrays)}: {error}") from error
        now = mode()
        if now.detecting_nan:
            self._refuse_nan(ans, arrays)
        if type(ans) is not ndarray:
            ans = as_array(ans)
        out = object.__new__(Tensor)  # as Tensor(ans), at half the cost
        out._data, out.node = ans, None
        if has_parent and now.recording:
            if ans.dtype not in FLOATS:
                return self._constant(out, arrays)
            if self.keywords:
                keywords = self.defaults | keywords
            saved = self.keep(arrays, ans, keywords)
            out.node = Node(ans, self, parents, saved)
            if now.fingerprints is not None:
                now.fingerprints[out.node.order] = fingerprints(saved)
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

    def _constant(self, out: Tensor, arrays: Sequence) -> Tensor:
        """`out` of integers or booleans, which records nothing; TypeError for another dtype."""
        if out.dtype.kind not in "iub":
            raise TypeError(
                f"{self.name} of {_describe(arrays)} gives {out.dtype}: gradients are of float32 "
                "and float64"
            )
        return out

    def _refuse_nan(self, ans: Any, arrays: Sequence) -> None:
        if _has_nan(ans):
            came_in = [name for name, x in zip(self.inputs, arrays) if _has_nan(x)]
            raise FloatingPointError(
                f"{self.name} of {_describe(arrays)} at {source_line(Node(ans).origin)}: "
                + (f"its input {came_in[0]!r} is already NaN" if came_in else "made the first NaN")
            )

    def __repr__(self) -> str:
        return f"<primitive {self.name}{self.__signature__}>"


def primitive(forward: Callable) -> Primitive:
    """Declare a primitive by its forward function; `.rule` then declares its derivative."""
    return Primitive(forward)


def refuse_nan_cotangent(d: Any, sources: Sequence, said: str) -> None:
    """Refuse a NaN in the cotangent `d` that was made of sound `sources`."""
    if _has_nan(d) and not any(map(_has_nan, sources)):
        raise FloatingPointError(f"the first NaN was made by {said}")


def _has_nan(value: Any) -> bool:
    value = bare(value)
    return value is not None and bool(namespace(value).isnan(value).any())


def _describe(arrays: Sequence) -> str:
    kinds = [getattr(x, "dtype", type(x).__name__) for x in arrays]
    return " and ".join(f"{kind}{getattr(x, 'shape', ())}" for kind, x in zip(kinds, arrays))
