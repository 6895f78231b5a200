"""A training step of a small U-Net for diffusion, as `chainrule train ddpm` has it by default.

Loss, gradients, clipping at norm 1, AdamW and the average of the weights, for the 8 x 8 digits in
batches of 50 and for 28 x 28 images in batches of 64; both libraries with their default threads.
PyTorch runs the same network from the same weights.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.interleaved import Contestant, training_steps

CASES = ("digits", "mnist")
SIZES = {"digits": 8, "mnist": 28}
LEVELS = {"digits": 17, "mnist": 256}


def _model(case: str) -> tuple[Any, np.ndarray]:
    from models.diffusion.ddpm import DDPM

    rng = np.random.default_rng(0)
    settings, size = DDPM.defaults[case], SIZES[case]
    model = DDPM(settings, (size, size), LEVELS[case], rng)
    x = rng.integers(LEVELS[case], size=(settings.batch, size * size)) / (LEVELS[case] - 1)
    return model, x.astype(np.float32)


def ours(case: str) -> Callable[[], object]:
    model, x = _model(case)
    optimizers, rng = model.optimizers(1_000_000), np.random.default_rng(0)
    return lambda: model.update(x, rng, 0, None, optimizers)


def torch(case: str) -> Callable[[], object]:
    import torch

    from benchmarks.torch_unet import forward

    model, x = _model(case)
    settings, d, size = model.settings, model.diffusion, SIZES[case]
    weights = {name: torch.tensor(a) for name, a in model.network.state().items()}
    learnt = [weights[name].requires_grad_() for name in model.network.parameters()]
    averages = [w.detach().clone() for w in learnt]
    optimizer = torch.optim.AdamW(learnt, settings.learning_rate, weight_decay=0.01)
    x_0 = torch.tensor(2 * x - 1)
    signal, noise = (torch.tensor(a, dtype=torch.float32) for a in (d.alpha_bar, d.noise))
    turn = torch.pi * (model.levels - 1)

    def step() -> None:
        t = torch.randint(1, settings.T + 1, (len(x_0),))
        a, n = signal[t, None], noise[t, None]
        eps = torch.randn_like(x_0)
        x_t = a.sqrt() * x_0 + n.sqrt() * eps
        channels = [x_t]
        for frequency in (turn, turn / 2) if settings.fourier else ():
            angle, fade = frequency * (x_t / a.sqrt() + 1), torch.exp(-0.5 * frequency**2 * n / a)
            channels += [fade * angle.cos(), fade * angle.sin()]
        images = torch.stack(channels, 1).reshape(len(x_0), -1, size, size)
        loss = ((forward(weights, images, t) - (a.sqrt() * eps - n.sqrt() * x_0)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(averages, learnt, 1 - settings.ema)
        loss.item()

    return step


CONTESTANTS = {
    "chainrule": Contestant("models.diffusion.ddpm", ours),
    "PyTorch": Contestant("torch", torch),
}


def run(rounds: int) -> dict[str, Any]:
    return training_steps(CONTESTANTS, CASES, rounds)
