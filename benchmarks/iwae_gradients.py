"""The signal and the noise in the gradients of an importance-weighted autoencoder.

One model, trained for a few epochs on the digits, and the gradient of one batch again and again:
only the samples of z differ. The ratio of the mean gradient's length to its noise falls for the
encoder as k^-1/2 and rises for the decoder as k^1/2 (Rainforth et al. 2018). That of the
doubly reparameterised gradient of the encoder rises too (Tucker et al. 2019). The powers are those
of large k and of weights that have a variance, so q is made wider than it has learnt to be.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from autograd import Array
from models import pictures
from models.autoencoders.iwae import IWAE
from models.data import load

SEEDS = 3  # at most
IMAGES = 2  # of the batch
EPOCHS = 20
GRADIENTS = 500  # of each k
WIDER = 1.0  # added to log sigma^2 of q(z|x)
KS = tuple(4**i for i in range(4))
DOUBLY = "encoder, doubly reparameterised"
THEORY = {"encoder": -0.5, DOUBLY: 0.5, "decoder": 0.5}  # the powers of k


def trained(seed: int) -> tuple[IWAE, Array]:
    """A model that is not done yet, since at an optimum there is no signal; and the batch."""
    data = load("digits")
    settings = replace(IWAE.defaults["digits"], latent=2, epochs=EPOCHS)
    model = IWAE.for_data(settings, data, np.random.default_rng([seed, 0]))
    rng = np.random.default_rng([seed, 1])
    steps = settings.epochs * (len(data.train) // settings.batch)
    optimizers = model.optimizers(steps)
    for _ in range(steps):
        chosen = rng.integers(len(data.train), size=settings.batch)
        x = data.observe(data.train[chosen], model.pixels, rng)
        model.update(x, rng, 0, None, optimizers)
    model.logvar.bias.data += WIDER
    return model, data.observe(data.train[:IMAGES], model.pixels, rng)


def gradients(model: IWAE, x: Array, seed: int) -> dict[str, np.ndarray]:
    """Of all parameters of encoder and decoder, one after the other: (GRADIENTS, parameters)."""
    parts: dict[str, list[str]] = {"encoder": [], "decoder": []}
    for name in model.parameters():
        parts["decoder" if name.startswith(("decoder.", "output.")) else "encoder"].append(name)
    rng = np.random.default_rng(seed)
    found: dict[str, list[np.ndarray]] = {part: [] for part in parts}
    for _ in range(GRADIENTS):
        model.zero_grad()
        model.loss(x, rng)[0].backward()
        for part, names in parts.items():
            of_part = [model.parameters()[name].grad for name in names]
            found[part].append(
                np.concatenate([g.numpy().ravel() for g in of_part if g is not None])
            )
    return {part: np.array(each, float) for part, each in found.items()}


def signal_and_noise(found: np.ndarray) -> tuple[float, float]:
    """|E g|^2 and E |g - E g|^2 of gradients g (n, parameters), both without bias."""
    mean = found.mean(0)
    noise = ((found - mean) ** 2).sum() / (len(found) - 1)
    return mean @ mean - noise / len(found), noise


def ratios(model: IWAE, x: Array, seed: int) -> dict[str, float]:
    """The signal-to-noise ratio of each part.

    Both gradients of the encoder have the same mean, which is found from the one with less noise.
    """
    model.settings = replace(model.settings, gradient="doubly-reparameterised")
    found = {part: signal_and_noise(g) for part, g in gradients(model, x, seed).items()}
    signal, noise = found["encoder"]
    model.settings = replace(model.settings, gradient="reparameterised")
    _, plain = signal_and_noise(gradients(model, x, seed)["encoder"])
    pairs = {"encoder": (signal, plain), DOUBLY: (signal, noise)}
    pairs["decoder"] = found["decoder"]
    return {part: math.sqrt(max(signal, 0) / noise) for part, (signal, noise) in pairs.items()}


def run(rounds: int, plot: Path | None = None) -> dict[str, Any]:
    """With `rounds` seeds, at most SEEDS; `plot` is a picture of their geometric means."""
    each: list[list[dict[str, float]]] = []
    for seed in range(min(rounds, SEEDS)):
        model, x = trained(seed)
        each.append([])
        for k in KS:
            model.settings = replace(model.settings, k=k)
            each[-1].append(ratios(model, x, seed))
    head = "".join(f"k = {k}".rjust(10) for k in KS)
    print(f"{'signal to noise':33}{head}   power of k")
    found: dict[str, list[float]] = {}
    powers: dict[str, float] = {}
    for part, power in THEORY.items():
        logs = np.log([[at[part] for at in of_seed] for of_seed in each]).mean(0)
        powers[part] = float(np.polyfit(np.log(KS[1:]), logs[1:], 1)[0])
        found[part] = np.exp(logs).tolist()
        row = "".join(f"{ratio:10.3f}" for ratio in found[part])
        print(f"{part:33}{row}   {powers[part]:+.2f}, for large k {power:+.1f}")
    if plot:
        save_picture(found, plot)
    return {"k": KS, "signal_to_noise": found, "power_of_k": powers}


def save_picture(found: dict[str, list[float]], path: Path) -> None:
    figure = pictures.Picture(figsize=(5.6, 3.8), layout="constrained")
    axes = figure.subplots()
    for (part, each), color in zip(found.items(), pictures.COLORS):
        power = THEORY[part]
        axes.loglog(KS, each, "o-", color=color, label=part)
        theory = each[-1] * (np.array(KS) / KS[-1]) ** power
        axes.loglog(KS, theory, "--", color=color, linewidth=1)
    axes.plot([], [], "--", color=pictures.GREY, label="$k^{-1/2}$, $k^{1/2}$")
    axes.set_xticks(KS, [str(k) for k in KS])
    axes.minorticks_off()
    axes.set_xlabel("$k$, importance samples")
    axes.set_title("signal-to-noise ratio of the gradients of an IWAE", fontsize=11, loc="left")
    pictures.legend_below(axes, columns=2)
    pictures.save(figure, path)
