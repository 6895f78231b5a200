"""A sample of q(z|x) = N(mu, sigma^2) with its KL from N(0, I), and the gradients of mu and logvar.

Ours is a kernel that computes its own noise, and one that computes it again for the gradient: both
called directly, and in the engine. PyTorch has a dozen operations: differentiated by its autograd,
as people write it, and by hand, which saves autograd's work and keeps the noise.

The floor counts the bytes of float32 that must be read and written once: forward mu, logvar, z and
kl; backward the gradients of z and kl, mu, logvar and their gradients. Each function of an element
counts as one operation, and so does a random number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.interleaved import Contestant, Work
from benchmarks.roofline import Cost, report

PARTS = ("rows", "columns")
SHAPES = [(128, 32), (128, 3136), (4096, 4096)]
PASSES = ("forward", "forward and backward")


@dataclass(frozen=True)
class Case:
    rows: int
    columns: int
    which: str

    def __str__(self) -> str:
        return f"{self.label} {self.which}"

    @property
    def kind(self) -> str:
        return self.which

    @property
    def label(self) -> str:
        return f"{self.rows}x{self.columns}"

    @property
    def cost(self) -> Cost:
        backward = self.which != "forward"
        elements = self.rows * self.columns
        numbers = 3 * elements + self.rows + backward * (5 * elements + self.rows)
        return Cost((9 + 9 * backward) * elements, 4 * numbers)


def inputs(case: Case) -> list[np.ndarray]:
    """mu, logvar, and the gradients of z and of kl."""
    rng = np.random.default_rng(0)
    shape = case.rows, case.columns
    return [rng.standard_normal(s, np.float32) for s in (shape, shape, shape, shape[:1])]


def ours(case: Case, device: str) -> Work:
    import kernels
    from autograd import to_device

    mu, logvar, g_z, g_kl = (to_device(a, device) for a in inputs(case))

    def forward() -> Any:
        return kernels.reparameterize(mu, logvar, seed=0)

    def both() -> Any:
        return forward(), (
            g_z + g_kl[:, None] * mu,
            kernels.reparameterize_logvar_grad(g_z, g_kl, logvar, seed=0),
        )

    return forward if case.which == "forward" else both


def ours_in_the_engine(case: Case, device: str) -> Work:
    from autograd import Tensor, grad, no_grad, reparameterize

    mu, logvar = (Tensor(a, requires_grad=True).to(device) for a in inputs(case)[:2])
    g_z, g_kl = (Tensor(a).to(device) for a in inputs(case)[2:])

    def forward() -> Any:
        return reparameterize(mu, logvar, seed=0)

    def both() -> Any:
        z, kl = forward()
        return grad((z * g_z).sum() + (kl * g_kl).sum(), [mu, logvar])

    return no_grad()(forward) if case.which == "forward" else both


def torch(case: Case, device: str, by_hand: bool) -> Work:
    import torch

    mu, logvar, g_z, g_kl = (torch.tensor(a, device=device) for a in inputs(case))
    mu.requires_grad_(not by_hand)
    logvar.requires_grad_(not by_hand)

    def forward() -> Any:
        eps, sigma = torch.randn_like(mu), torch.exp(0.5 * logvar)
        z, kl = mu + sigma * eps, 0.5 * (mu * mu + sigma * sigma - 1 - logvar).sum(-1)
        return z, kl, sigma, eps

    def both() -> Any:
        z, kl, sigma, eps = forward()
        if not by_hand:
            return torch.autograd.grad([z, kl], [mu, logvar], [g_z, g_kl])
        weights = g_kl[:, None]
        return g_z + weights * mu, 0.5 * (g_z * sigma * eps + weights * (sigma * sigma - 1))

    forward_only = case.which == "forward"
    return torch.no_grad()(forward) if forward_only else torch.set_grad_enabled(not by_hand)(both)


def run(
    rounds: int, device: str, plot: Path | None, shapes: Sequence[tuple[int, int]] = ()
) -> dict[str, Any]:
    sizes = shapes or (SHAPES if device == "cuda" else SHAPES[:2])  # a large one to fill a GPU
    costs = {case: case.cost for case in (Case(*s, which) for s in sizes for which in PASSES)}
    contestants = {
        "chainrule": Contestant("kernels", partial(ours, device=device)),
        "in the engine": Contestant("autograd", partial(ours_in_the_engine, device=device)),
        "PyTorch": Contestant("torch", partial(torch, device=device, by_hand=False)),
        "PyTorch by hand": Contestant("torch", partial(torch, device=device, by_hand=True)),
    }
    return report("reparameterize", costs, contestants, device, rounds, plot, calls=50)
