"""A draw of q(z|x) = N(mu, sigma^2) and its KL from N(0, I), and the way back, with autograd.

Both sides are what a person writes in a VAE: ours is one kernel, which makes its own noise, and
one for the gradient of logvar; PyTorch's are eight operations and their gradients. The floor
counts the bytes of float32 that must be read and written once: forward mu, logvar, z and kl;
backward the gradients of z and kl, mu, logvar and their gradients. Each function of an element
counts as one operation, and the random number as one.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.interleaved import Contestant, Work
from benchmarks.roofline import Cost, report

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
    def label(self) -> str:
        return f"{self.rows}x{self.columns}"

    @property
    def cost(self) -> Cost:
        backward = self.which != "forward"
        elements = self.rows * self.columns
        numbers = 3 * elements + self.rows + backward * (5 * elements + self.rows)
        return Cost((9 + 9 * backward) * elements, 4 * numbers)


def inputs(case: Case) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((case.rows, case.columns), np.float32) for _ in range(2)]


def ours(case: Case, device: str) -> Work:
    from autograd import Tensor, grad, no_grad, reparameterize

    mu, logvar = (Tensor(a, requires_grad=True).to(device) for a in inputs(case))

    def forward() -> Any:
        return reparameterize(mu, logvar, seed=0)

    def both() -> Any:
        z, kl = forward()
        return grad(z.sum() + kl.sum(), [mu, logvar])

    return no_grad()(forward) if case.which == "forward" else both


def torch(case: Case, device: str) -> Work:
    import torch

    mu, logvar = (torch.tensor(a, device=device, requires_grad=True) for a in inputs(case))

    def forward() -> Any:
        z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
        return z, 0.5 * (mu * mu + torch.exp(logvar) - 1 - logvar).sum(-1)

    def both() -> Any:
        z, kl = forward()
        return torch.autograd.grad(z.sum() + kl.sum(), [mu, logvar])

    return torch.no_grad()(forward) if case.which == "forward" else both


def run(rounds: int, device: str, plot: Path | None) -> dict[str, Any]:
    sizes = SHAPES if device == "cuda" else SHAPES[:2]  # a large one to fill a GPU
    costs = {case: case.cost for case in (Case(*s, which) for s in sizes for which in PASSES)}
    contestants = {
        "chainrule": Contestant("autograd", partial(ours, device=device)),
        "PyTorch": Contestant("torch", partial(torch, device=device)),
    }
    return report("reparameterize", costs, contestants, device, rounds, plot, calls=10)
