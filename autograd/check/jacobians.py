"""The mistake of taking the diagonal of a Jacobian for all of it."""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from autograd.check.changes import Change
from autograd.check.pair import Point
from autograd.check.probe import Probe, is_number, place


def changes_of_jacobians(
    f: Callable[..., Any],
    probe: Probe,
    points: Sequence[Point],
    values: Sequence[Mapping[int, Any]],
) -> Iterator[Change]:
    """Replace the diagonal of a Jacobian by all of it, for the variables and the calls of f."""
    try:
        inner = Probe(f)
        inner.run(*points[0])
    except ValueError:
        return
    inputs = range(-len(points[0]), 0)
    for y, node in enumerate(inner.nodes):
        arguments = [place(a) for a in node.args] if isinstance(node, ast.Call) else []
        for x in [*arguments, *(inputs if y in inner.assigned else ())]:
            pulled = [p for point in points if (p := _pulled_back(inner, x, y, point))]
            if len(pulled) < len(points):
                continue
            for i in values[0]:
                factors = [_multiple(v.get(i), p[0]) for v, p in zip(values, pulled)]
                if factors[0] is not None and np.allclose(factors, factors[0], rtol=1e-6):  # type: ignore[arg-type]
                    text = (
                        f"In line {probe.nodes[i].lineno} `{probe.text(i)}` takes the diagonal of "
                        f"the Jacobian of `{inner.assigned.get(y, inner.text(y))}` for all of it"
                    )
                    yield Change(i, lambda v, k, p=pulled, c=factors[0]: c * p[k][1], text)  # type: ignore[misc]


def _pulled_back(
    inner: Probe, x: int, y: int, point: Point
) -> tuple[np.ndarray, np.ndarray] | None:
    """For two values of one shape in f, (df/dy times the diagonal of dy/dx, df/dx).

    x is an expression or, below 0, an input, counted from the last. None for other values.
    """
    inner.run(*point)
    before, after = (point[x] if x < 0 else inner.values.get(x)), inner.values.get(y)
    if not all(is_number(v) and np.asarray(v).dtype.kind == "f" for v in (before, after)):
        return None
    if np.shape(before) != np.shape(after):  # type: ignore[arg-type]
        return None
    by_x, by_y, diagonal = (np.zeros(np.shape(before)) for _ in range(3))  # type: ignore[arg-type]
    for index in np.ndindex(by_x.shape):

        def bumped(by: float, value: Any) -> np.ndarray:
            value = np.array(value, dtype=float)
            value[index] += by  # noqa: B023
            return value

        slopes = np.zeros(3)
        for k, weight in ((-2, 1), (-1, -8), (1, 8), (2, -1)):
            by = k * 1e-4
            moved = [bumped(by, v) if n == x else v for n, v in enumerate(point, -len(point))]
            total = inner.run(*moved, at=x, change=lambda v: bumped(by, v))  # noqa: B023
            at = np.asarray(inner.values[y])[index]
            again = inner.run(*point, at=y, change=lambda v: bumped(by, v))  # noqa: B023
            slopes += weight / 12e-4 * np.array([total, again, at])
        by_x[index], by_y[index], diagonal[index] = slopes
    return diagonal * by_y, by_x


def _multiple(value: Any, of: np.ndarray) -> float | None:
    """The number c with value = c of, if there is one."""
    if not is_number(value) or np.shape(value) != of.shape or not of.any():
        return None
    factor = float((value * of).sum() / (of * of).sum())
    off = np.abs(value - factor * of).max()
    return factor if off <= 1e-6 * np.abs(value).max() else None
