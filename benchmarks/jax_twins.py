"""The networks of the training steps in JAX, with Adam: the same losses of the same weights.

Weights have our names and layouts. Images have their channels last, as JAX's convolutions on the
CPU read them without a copy. A loss takes (weights, key, *batch).
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

Weights = dict[str, Any]
Arrays = Mapping[str, np.ndarray]


def training(loss: Callable, weights: Arrays, *batch: Any) -> Callable[[], float]:
    """A step of Adam on the loss."""

    def step(w: Weights, moments: Any, key: Any, *batch: Any) -> tuple:
        value, slopes = jax.value_and_grad(loss)(w, key, *batch)
        return *adam(w, slopes, moments), value

    return repeated(step, dict(weights), started(dict(weights)), *batch)


def repeated(step: Callable, w: Any, rest: Any, *batch: Any) -> Callable[[], float]:
    """(w, rest, loss) <- step(w, rest, key, *batch), compiled, with a new key each time."""

    @partial(jax.jit, donate_argnums=0)
    def compiled(state: tuple, *batch: Any) -> tuple:
        w, rest, key = state
        key, own = jax.random.split(key)
        w, rest, loss = step(w, rest, own, *batch)
        return (w, rest, key), loss

    state = jax.tree.map(jnp.array, (w, rest)) + (jax.random.key(0),)
    batch = jax.tree.map(jnp.array, batch)

    def call() -> float:
        nonlocal state
        state, loss = compiled(state, *batch)
        return float(loss)

    return call


def started(w: Weights) -> tuple:
    """The moments of Adam and the steps taken."""
    return jax.tree.map(np.zeros_like, w), jax.tree.map(np.zeros_like, w), np.float32(0)


def adam(
    w: Weights, slopes: Weights, moments: tuple, rate: float = 1e-3, b1: float = 0.9,
    b2: float = 0.999, decay: float = 0.0,
) -> tuple[Weights, tuple]:  # fmt: skip
    """Adam, and with decay AdamW."""
    means, squares, t = moments
    t = t + 1
    means = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, means, slopes)
    squares = jax.tree.map(lambda s, g: b2 * s + (1 - b2) * g * g, squares, slopes)

    def changed(p: Any, m: Any, s: Any) -> Any:
        change = m / (1 - b1**t) / (jnp.sqrt(s / (1 - b2**t)) + 1e-8)
        return (1 - rate * decay) * p - rate * change

    return jax.tree.map(changed, w, means, squares), (means, squares, t)


def linear(w: Weights, name: str, x: Any) -> Any:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def conv(w: Weights, name: str, x: Any, stride: int = 1, own: int | None = None) -> Any:
    """It keeps the size, or halves it; `own` masks what comes after a pixel, or with 0 itself."""
    weight = w[f"{name}.weight"]
    size = weight.shape[2]
    if own is not None:
        live = jnp.arange(size * size) < size * size // 2 + own
        weight = weight * live.reshape(size, size)
    around = [((size - 1) // 2,) * 2] * 2
    y = lax.conv_general_dilated(x, weight, (stride,) * 2, around, dimension_numbers=NAMES)
    return y + w[f"{name}.bias"]


NAMES = ("NHWC", "OIHW", "NHWC")


def doubling_conv(w: Weights, name: str, x: Any) -> Any:
    """Transposed, 4 x 4, with stride 2 and padding 1."""
    weight, around = w[f"{name}.weight"], [(2, 2)] * 2
    y = lax.conv_transpose(
        x, weight, (2, 2), around, dimension_numbers=NAMES, transpose_kernel=True
    )
    return y + w[f"{name}.bias"]


def relu(x: Any) -> Any:
    return jnp.maximum(x, 0)


def leaky_relu(x: Any) -> Any:
    return jnp.where(x > 0, x, 0.2 * x)


def cross_entropy(logits: Any, x: Any) -> Any:
    """Of a Bernoulli, in nats."""
    return jax.nn.softplus(logits) - x * logits


def vae(w: Weights, key: Any, x: Any) -> Any:
    h = relu(linear(w, "encoder.steps.0", x))
    m, v = linear(w, "mu", h), linear(w, "logvar", h)
    z = m + jnp.exp(0.5 * v) * jax.random.normal(key, m.shape)
    logits = linear(w, "output", relu(linear(w, "decoder.steps.0", z)))
    kl = 0.5 * (m * m + jnp.exp(v) - 1 - v)
    return (cross_entropy(logits, x).sum() + kl.sum()) / len(x)


def pixelcnn(w: Weights, key: Any, x: Any) -> Any:
    h = conv(w, "network.first", x, own=0)
    for i in range(sum(name.endswith(".up.weight") for name in w)):
        block = f"network.blocks.{i}"
        inner = relu(conv(w, f"{block}.down", relu(h)))
        h = h + conv(w, f"{block}.up", relu(conv(w, f"{block}.masked", inner, own=1)))
    h = relu(conv(w, "network.last.steps.1", relu(h)))
    return cross_entropy(conv(w, "network.last.steps.3", h), x).sum() / len(x)


def classifier(w: Weights, key: Any, x: Any, labels: Any) -> Any:
    for name, stride in (("steps.0", 1), ("steps.2", 2), ("steps.4", 1)):
        x = relu(conv(w, name, x, stride))
    h = linear(w, "steps.9", relu(linear(w, "steps.7", flattened(x))))
    return -jax.nn.log_softmax(h)[jnp.arange(len(h)), labels].mean()


def flattened(x: Any) -> Any:
    """Channels first, as the weights have it."""
    return x.transpose(0, 3, 1, 2).reshape(len(x), -1)


def gan(weights: Arrays, x: Any, s: Any, size: int) -> Callable[[], float]:
    """The step of both players, with settings `s`; x (batch * critic_steps, pixels) in [-1, 1]."""
    trained = {name: a for name, a in weights.items() if ".running_" not in name}
    players = [
        {name: a for name, a in trained.items() if name.startswith(player)}
        for player in ("generator", "discriminator")
    ]
    generator, critic = (
        (_perceptron, _critic) if s.network == "mlp" else (_dcgan(size), _dcgan_critic(size))
    )

    def critic_loss(d: Weights, real: Any, fake: Any, key: Any) -> Any:
        on_real, on_fake = critic(d, real), critic(d, fake)
        if s.loss != "wgan-gp":
            return jax.nn.softplus(-on_real).mean() + jax.nn.softplus(on_fake).mean()
        mix = jax.random.uniform(key, (len(real), 1))
        slope = jax.grad(lambda x: critic(d, x).sum())(mix * real + (1 - mix) * fake)
        penalty = ((jnp.linalg.norm(slope, axis=1) - 1) ** 2).mean()
        return on_fake.mean() - on_real.mean() + s.penalty * penalty

    def generator_loss(g: Weights, d: Weights, z: Any) -> Any:
        scores = critic(d, generator(g, z))
        return -scores.mean() if s.loss == "wgan-gp" else jax.nn.softplus(-scores).mean()

    def step(players: Any, moments: Any, key: Any, x: Any) -> tuple:
        (g, d), (of_g, of_d) = players, moments
        own, *keys = jax.random.split(key, 1 + 2 * s.critic_steps)
        options = (s.learning_rate, s.beta1, s.beta2)
        for i, real in enumerate(jnp.split(x, s.critic_steps)):
            fake = generator(g, jax.random.normal(keys[2 * i], (s.batch, s.latent)))
            slopes = jax.grad(critic_loss)(d, real, fake, keys[2 * i + 1])
            d, of_d = adam(d, slopes, of_d, *options)
        z = jax.random.normal(own, (s.batch, s.latent))
        loss, slopes = jax.value_and_grad(generator_loss)(g, d, z)
        g, of_g = adam(g, slopes, of_g, *options)
        return (g, d), (of_g, of_d), loss

    return repeated(step, tuple(players), tuple(map(started, players)), x)


def _layers(w: Weights) -> list[str]:
    """Their names, in order: JAX sorts a dict, and "output" comes after "steps"."""
    names = dict.fromkeys(name.rpartition(".")[0] for name in w)
    return sorted(names, key=lambda name: (name.endswith("output"), name))


def _perceptron(w: Weights, h: Any) -> Any:
    *hidden, last = _layers(w)
    for name in hidden:
        h = leaky_relu(linear(w, name, h))
    return jnp.tanh(linear(w, last, h))


def _critic(w: Weights, h: Any) -> Any:
    *hidden, last = _layers(w)
    for name in hidden:
        h = leaky_relu(linear(w, name, h))
    return linear(w, last, h)[:, 0]


def _dcgan(size: int) -> Callable:
    def generator(w: Weights, z: Any) -> Any:
        first, *rest = _layers(w)
        side = size >> len(rest) // 2
        h = linear(w, first, z).reshape(len(z), -1, side, side).transpose(0, 2, 3, 1)
        for norm, name in zip(rest[::2], rest[1::2]):
            mean, variance = h.mean((0, 1, 2)), h.var((0, 1, 2))
            h = (h - mean) / jnp.sqrt(variance + 1e-5) * w[f"{norm}.weight"] + w[f"{norm}.bias"]
            h = doubling_conv(w, name, relu(h))
        return jnp.tanh(h).reshape(len(z), -1)

    return generator


def _dcgan_critic(size: int) -> Callable:
    def critic(w: Weights, x: Any) -> Any:
        *convs, last = _layers(w)
        h = x.reshape(len(x), size, size, 1)
        for name in convs:
            h = leaky_relu(conv(w, name, h, stride=2))
        return linear(w, last, flattened(h))[:, 0]

    return critic


def ddpm(weights: Weights, model: Any, x_0: Any, size: int) -> Callable[[], float]:
    """The step of our `model`: clipping at norm 1, AdamW and the average; x_0 in [-1, 1]."""
    from models.diffusion.ddpm_settings import GROUPS  # here, since it brings our library along

    s, d = model.settings, model.diffusion
    signal, noise = (jnp.array(a, jnp.float32) for a in (d.alpha_bar, d.noise))
    constants = {"conditioning.sinusoids": jnp.array(model.network.conditioning.sinusoids.data)}
    turn = math.pi * (model.levels - 1)

    def loss(w: Weights, key: Any, x_0: Any) -> Any:
        of_time, of_noise = jax.random.split(key)
        t = jax.random.randint(of_time, (len(x_0),), 1, s.T + 1)
        a, n = signal[t, None], noise[t, None]
        eps = jax.random.normal(of_noise, x_0.shape)
        x_t = jnp.sqrt(a) * x_0 + jnp.sqrt(n) * eps
        features = [x_t]
        for frequency in (turn, turn / 2) if s.fourier else ():
            angle, fade = frequency * (x_t / jnp.sqrt(a) + 1), jnp.exp(-0.5 * frequency**2 * n / a)
            features += [fade * jnp.cos(angle), fade * jnp.sin(angle)]
        images = jnp.stack(features, -1).reshape(len(x_0), size, size, -1)
        output = unet(w | constants, images, t, GROUPS)
        return ((output - (jnp.sqrt(a) * eps - jnp.sqrt(n) * x_0)) ** 2).mean()

    def step(w: Weights, rest: Any, key: Any, x_0: Any) -> tuple:
        moments, average = rest
        value, slopes = jax.value_and_grad(loss)(w, key, x_0)
        norm = jnp.sqrt(sum((g * g).sum() for g in slopes.values()))
        slopes = jax.tree.map(lambda g: g * jnp.minimum(1, 1 / (norm + 1e-6)), slopes)
        w, moments = adam(w, slopes, moments, s.learning_rate, decay=0.01)
        average = jax.tree.map(lambda a, p: a + (1 - s.ema) * (p - a), average, w)
        return w, (moments, average), value

    return repeated(step, weights, (started(weights), weights), x_0)


def unet(w: Weights, x: Any, t: Any, groups: int) -> Any:
    """As in `torch_unet`: x (N, H, W, features) to (N, pixels)."""
    finer = sum(name.startswith("halve") for name in w) // 2
    silu = jax.nn.silu

    def norm(name: str, h: Any) -> Any:
        grouped = h.reshape(len(h), -1, groups, h.shape[-1] // groups)
        mean, variance = (f(grouped, (1, 3), keepdims=True) for f in (jnp.mean, jnp.var))
        normal = ((grouped - mean) / jnp.sqrt(variance + 1e-5)).reshape(h.shape)
        return normal * w[f"{name}.weight"] + w[f"{name}.bias"]

    embedding = linear(w, "conditioning.hidden", w["conditioning.sinusoids"][t])
    embedding = silu(linear(w, "conditioning.output", silu(embedding)))

    def block(name: str, x: Any) -> Any:
        h = conv(w, f"{name}.convs.0", silu(norm(f"{name}.norms.0", x)))
        h = h + linear(w, f"{name}.time", embedding)[:, None, None]
        h = conv(w, f"{name}.convs.1", silu(norm(f"{name}.norms.1", h)))
        return h + (conv(w, f"{name}.skip", x) if f"{name}.skip.weight" in w else x)

    def attention(name: str, x: Any) -> Any:
        h = norm(f"{name}.norm", x).reshape(len(x), -1, x.shape[-1])
        q, k, v = (linear(w, f"{name}.{part}", h) for part in ("query", "key", "value"))
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(x.shape[-1])
        return x + linear(w, f"{name}.output", jax.nn.softmax(scores) @ v).reshape(x.shape)

    h, kept = conv(w, "input", x), []
    for level in range(finer):
        h = block(f"down.{level}", h)
        kept.append(h)
        h = conv(w, f"halve.{level}", h, stride=2)
    h = block("middle.1", attention("attention", block("middle.0", h)))
    for level in reversed(range(finer)):
        h = conv(w, f"double.{level}", h).repeat(2, 1).repeat(2, 2)
        h = h[:, : kept[level].shape[1], : kept[level].shape[2]]
        h = block(f"up.{level}", jnp.concatenate([h, kept[level]], -1))
    return conv(w, "output", silu(norm("norm", h))).reshape(len(x), -1)
