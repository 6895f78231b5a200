"""A training step of ours beside whatever a user would pick, and beside its floor.

Each case is the same network from the same weights, with the same batch and threads: in PyTorch
with its default Adam, with the fused one, and with `torch.compile` too, and in JAX under `jit`. A
network with convolutions has each of PyTorch's memory layouts. The first calls, in which there is
much to compile, are not timed.
"""

import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import product
from multiprocessing import get_context
from operator import itemgetter
from typing import Any

import numpy as np

from benchmarks.interleaved import COLUMNS, Contestant, compare

Step = Callable[[], float]
"""A step of training; it returns the loss before it."""
Weights = Mapping[str, np.ndarray]
"""By name, as the `state()` of our model has them."""


@dataclass(frozen=True)
class Variant:
    """How PyTorch is used."""

    layout: str = "contiguous_format"
    fused: bool = False
    compiled: bool = False

    def placed(self, x: Any) -> Any:
        """A module, or images, in the layout."""
        import torch

        return x.to(memory_format=getattr(torch, self.layout))

    def loaded(self, module: Any, weights: Weights) -> Any:
        """The module in the layout, with these parameters, which are in its order."""
        import torch

        with torch.no_grad():
            for parameter, array in zip(module.parameters(), weights.values(), strict=True):
                parameter.copy_(torch.tensor(array))
        return self.placed(module)

    def compile(self, function: Callable) -> Callable:
        import torch

        return torch.compile(function) if self.compiled else function

    def adam(self, parameters: Any, *options: Any) -> Any:
        import torch

        return torch.optim.Adam(parameters, *options, fused=self.fused or None)

    def step(self, loss: Callable[[], Any], module: Any, rate: float = 1e-3) -> Step:
        """Of a loss without an argument, with Adam."""
        optimizer, loss = self.adam(module.parameters(), rate), self.compile(loss)

        def step() -> float:
            value = loss()
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            return value.item()

        return step


OURS, JAX = "chainrule", "JAX jit"
VARIANTS: dict[str, dict[str, bool]] = {
    "PyTorch": {},
    "fused Adam": {"fused": True},
    "torch.compile": {"fused": True, "compiled": True},
}
LAYOUTS = {"NCHW": "contiguous_format", "channels last": "channels_last"}


@dataclass(frozen=True)
class Sides:
    """What makes the step of each side, from a case and the `weights` to start with.

    `model` makes ours, untrained, of a case; `ours` rests on the module `imports`. `torch` takes a
    `variant` too.
    """

    imports: str
    model: Callable[[Any], Any]
    ours: Callable[..., Step]
    torch: Callable[..., Step]
    jax: Callable[..., Step]

    def contestants(self, weights: Weights) -> dict[str, Contestant]:
        """Ours, and the others that are installed; `torch.compile` needs a C++ compiler."""
        found = {OURS: Contestant(self.imports, partial(self.ours, weights=weights))}
        convolves = any(w.ndim == 4 for w in weights.values())
        layouts = LAYOUTS if convolves else {"": "contiguous_format"}
        for (peer, how), (name, layout) in product(VARIANTS.items(), layouts.items()):
            variant = Variant(layout, **how)
            if not variant.compiled or shutil.which("g++"):
                make = partial(self.torch, weights=weights, variant=variant)
                found[f"{peer} {name}".rstrip()] = Contestant("torch", make)
        found[JAX] = Contestant("jax", partial(self.jax, weights=weights))
        return {who: c for who, c in found.items() if find_spec(c.imports)}


def training_steps(sides: Sides, cases: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    """A table of training steps, ten at a time, and each case in processes of its own.

    So is a training: a network without convolutions, say, has as many threads for its products as
    BLAS likes, and one with convolutions has not. Below are the rows of the README.
    """
    from benchmarks.roofline import Machine, measure  # here, since a peer shall not load ours

    print(f"{'a step':28}{COLUMNS}{'ratio':>8}{'of floor':>10}{'peak MiB':>10}")
    result: dict[str, Any] = {}
    for label, case in cases.items():
        (weights, least), before = _apart(_started, sides, case), _apart(measure, "cpu")
        measured = compare(sides.contestants(weights), [case], rounds, calls=10)
        after = _apart(measure, "cpu")
        machine = Machine(max(before.peak, after.peak), max(before.bandwidth, after.bandwidth))
        floor, ours = machine.floor(least), measured[OURS].seconds[case]
        print(
            f"{label}: {least.operations / 1e9:.3g} billion operations at {machine.peak / 1e9:.0f} "
            f"a second take {1e3 * least.operations / machine.peak:.2f} ms, "
            f"{least.bytes / 1e6:.3g} MB at {machine.bandwidth / 1e9:.1f} GB/s "
            f"{1e3 * least.bytes / machine.bandwidth:.2f} ms"
        )
        for who, m in measured.items():
            ratio, share = ours / m.seconds[case], floor / m.seconds[case]
            print(f"  {who:26}{m.columns(case)}{ratio:8.2f}{share:10.0%}{m.peak:10.0f}")
        result[label] = {"floor": floor, "roof": vars(machine), **vars(least)}
        result[label]["sides"] = {
            who: {
                "seconds": m.seconds[case],
                "least": m.least[case],
                "spread": m.spread[case],
                "peak": m.peak,
                "above_imports": m.above_imports,
            }
            for who, m in measured.items()
        }
    print("\n" + table(result))
    return result


def _apart(function: Callable, *arguments: Any) -> Any:
    """The result of a call in a process of its own: ours stays small.

    For a process starts with the peak memory of the one that starts it.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def _started(sides: Sides, case: Any) -> tuple[Weights, Any]:
    """The weights that all sides start with, and what a step of ours costs."""
    from benchmarks.floor import cost

    weights = sides.model(case).state()
    step = sides.ours(case, weights)
    step()  # makes what is made once
    return weights, cost(step)


def table(result: Mapping[str, Any]) -> str:
    """The rows of the README, in Markdown: a peer with two layouts has two numbers."""
    titles = ["", "floor, ms", f"{OURS}, ms", "of the floor", *VARIANTS, JAX]
    titles += ["ratio to PyTorch", "to the fastest", "peak memory, MiB"]
    rows = [titles, ["---"] * len(titles)]
    for label, row in result.items():
        sides = dict(row["sides"])
        own, floor = sides.pop(OURS), row["floor"]
        ours = own["seconds"]
        peers = [[s for who, s in sides.items() if who.startswith(p)] for p in (*VARIANTS, JAX)]
        times = ["; ".join(f"{1e3 * s['seconds']:.3g}" for s in peer) for peer in peers]
        default = "; ".join(_ratio(ours, s) for s in peers[0])
        fastest = _ratio(ours, min(sides.values(), key=itemgetter("seconds"))) if sides else ""
        memory = ", ".join(f"{s['peak']:.0f}" for s in (own, *peers[0][:1]))
        numbers = [f"{1e3 * floor:.3g}", f"{1e3 * ours:.3g}", f"{floor / ours:.0%}", *times]
        rows.append([label, *numbers, default, fastest, memory])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _ratio(ours: float, side: Mapping[str, Any]) -> str:
    ratio = ours / side["seconds"]
    return f"**{ratio:.2f}**" if ratio < 1 else f"{ratio:.2f}"
