"""A training step of a small U-Net for diffusion, as `chainrule train ddpm` has it by default.

Loss, gradients, clipping at norm 1, AdamW and the average of the weights, for the 8 x 8 digits in
batches of 50 and for 28 x 28 images in batches of 64; both libraries with their default threads.
PyTorch runs the same network from the same weights.
"""

from typing import Any

import numpy as np

from benchmarks.steps import Sides, Step, Variant, Weights, training_steps

CASES = {"DDPM, digits, batch 50": "digits", "DDPM, 28x28, batch 64": "mnist"}
SIZES = {"digits": 8, "mnist": 28}
LEVELS = {"digits": 17, "mnist": 256}


def model(case: str) -> Any:
    from models.diffusion.ddpm import DDPM

    size = SIZES[case]
    return DDPM(DDPM.defaults[case], (size, size), LEVELS[case], np.random.default_rng(0))


def _batch(case: str, n: int) -> np.ndarray:
    rng, levels = np.random.default_rng(0), LEVELS[case]
    return (rng.integers(levels, size=(n, SIZES[case] ** 2)) / (levels - 1)).astype(np.float32)


def ours(case: str, weights: Weights) -> Step:
    ddpm, rng = model(case), np.random.default_rng(0)
    ddpm.load_state(weights)
    optimizers, x = ddpm.optimizers(1_000_000), _batch(case, ddpm.settings.batch)
    return lambda: ddpm.update(x, rng, 0, None, optimizers)["loss"]


def torch(case: str, weights: Weights, variant: Variant) -> Step:
    import torch

    from benchmarks.torch_unet import forward

    ddpm = model(case)
    settings, d, size = ddpm.settings, ddpm.diffusion, SIZES[case]
    w = {name: torch.tensor(weights[f"network.{name}"]) for name in ddpm.network.state()}
    w = {name: variant.placed(a) if a.ndim == 4 else a for name, a in w.items()}
    learnt = [w[name].requires_grad_() for name in ddpm.network.parameters()]
    averages = [p.detach().clone() for p in learnt]
    optimizer = torch.optim.AdamW(
        learnt, settings.learning_rate, weight_decay=0.01, fused=variant.fused or None
    )
    x_0 = torch.tensor(2 * _batch(case, settings.batch) - 1)
    signal, noise = (torch.tensor(a, dtype=torch.float32) for a in (d.alpha_bar, d.noise))
    turn = torch.pi * (ddpm.levels - 1)

    def loss() -> Any:
        t = torch.randint(1, settings.T + 1, (len(x_0),))
        a, n = signal[t, None], noise[t, None]
        eps = torch.randn_like(x_0)
        x_t = a.sqrt() * x_0 + n.sqrt() * eps
        channels = [x_t]
        for frequency in (turn, turn / 2) if settings.fourier else ():
            angle, fade = frequency * (x_t / a.sqrt() + 1), torch.exp(-0.5 * frequency**2 * n / a)
            channels += [fade * angle.cos(), fade * angle.sin()]
        images = variant.placed(torch.stack(channels, 1).reshape(len(x_0), -1, size, size))
        return ((forward(w, images, t) - (a.sqrt() * eps - n.sqrt() * x_0)) ** 2).mean()

    loss = variant.compile(loss)

    def step() -> float:
        value = loss()
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(averages, learnt, 1 - settings.ema)
        return value.item()

    return step


def jax(case: str, weights: Weights) -> Step:
    from benchmarks import jax_twins

    ddpm = model(case)
    w = {name: weights[f"network.{name}"] for name in ddpm.network.parameters()}
    x_0 = 2 * _batch(case, ddpm.settings.batch) - 1
    return jax_twins.ddpm(w, ddpm, x_0, SIZES[case])


SIDES = Sides("models.diffusion.ddpm", model, ours, torch, jax)


def run(rounds: int) -> dict[str, Any]:
    return training_steps(SIDES, CASES, rounds)
