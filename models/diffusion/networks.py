"""The networks of a diffusion model: they predict its objective (eps, x_0 or v) from x_t and t.

Both take features (N, features, pixels) of x_t, times t (N,) of 1 ... T and labels (N,) or None,
and give (N, pixels). Their last layer starts at 0, so an untrained network predicts 0.
"""

import math
from typing import Any

import numpy as np

from autograd import Array, Rng, Tensor, namespace, nn, sent
from autograd.ops import attention, concatenate, gelu, silu, upsample_nearest
from models.data import Labels, Shape, channels_of, flat, planes
from models.diffusion.ddpm_settings import GROUPS, Settings
from models.errors import UsageError

FEATURES = 5  # of a pixel with its angles


def with_angles(x_t: Array, signal: Any, noise: Any, levels: int) -> Array:
    """(N, pixels) to (N, FEATURES, pixels): x_t, and where each pixel lies between two levels.

    That is an angle, once around from one level to the next, and half of it, by cosine and sine
    (Kingma et al. 2021, "Variational Diffusion Models", appendix C). A density of
    pixels with levels must round x_t to them, and rounding is a smooth function of the angle.
    `signal` and `noise` are abar_t and 1 - abar_t: as noise drowns the levels, the angles fade,
    by E[e^(i phi eps)] = e^(-phi^2 / 2).
    """
    xp = namespace(x_t)
    signal = xp.maximum(signal, 1e-20)  # it may underflow, long after the angles have faded
    features = [x_t]
    for frequency in (math.pi * (levels - 1), math.pi * (levels - 1) / 2):
        angle = frequency * (x_t / signal**0.5 + 1)
        fade = xp.exp(-0.5 * frequency**2 * noise / signal)
        features += [fade * xp.cos(angle), fade * xp.sin(angle)]
    return xp.stack(features, axis=1)


def sinusoids(steps: int, features: int) -> np.ndarray:
    """The time embedding (steps + 1, features) of t = 0 ... T, counted as if T were 1000.

    sin and cos of t at wavelengths from 2 pi to 10,000 times that (Vaswani et al. 2017, section
    3.5; Ho et al. 2020, appendix B).
    """
    half = features // 2
    frequencies = np.exp(-math.log(10_000) * np.arange(half) / max(half - 1, 1))
    angles = np.arange(steps + 1)[:, None] * (1000 / steps) * frequencies
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


class Conditioning(nn.Module):
    """The embedding of the time, and of the class, (N, features): an input of every block.

    The entry after the last class is the null class, that of a label which was dropped.
    """

    def __init__(self, steps: int, frequencies: int, features: int, classes: int, rng: Rng):
        self.sinusoids = Tensor(sinusoids(steps, frequencies))
        self.hidden = nn.Linear(frequencies, features, rng)
        self.output = nn.Linear(features, features, rng)
        self.label = nn.Embedding(classes + 1, features, rng) if classes else None

    def forward(self, t: np.ndarray, labels: Labels) -> Tensor:
        table = self.sinusoids.data
        h = self.output(silu(self.hidden(self.sinusoids[sent(lambda: t, table)])))
        if self.label is not None:
            h = h + self.label(sent(lambda: labels, table))
        return silu(h)


class MLP(nn.Module):
    """Residual layers h + gelu(W h + an embedding of t): for points and small images."""

    def __init__(self, settings: Settings, features: int, shape: Shape, classes: int, rng: Rng):
        pixels, width, depth = math.prod(shape), settings.width, settings.depth
        self.conditioning = Conditioning(settings.T, width, width, classes, rng)
        self.input = nn.Linear(features * pixels, width, rng)
        self.times = [nn.Linear(width, width, rng) for _ in range(depth)]
        self.layers = [nn.Linear(width, width, rng) for _ in range(depth)]
        self.output = zero_initialised(nn.Linear(width, pixels, rng))

    def forward(self, x: Any, t: np.ndarray, labels: Labels = None) -> Tensor:
        embedding = self.conditioning(t, labels)
        h = self.input(x.reshape(len(x), -1))
        for time, layer in zip(self.times, self.layers):
            h = h + gelu(layer(h) + time(embedding))
        return self.output(h)


class ResidualBlock(nn.Module):
    """(N, inputs, H, W) to (N, outputs, H, W): twice GroupNorm, SiLU, 3 x 3; t is added between."""

    def __init__(self, inputs: int, outputs: int, features: int, rng: Rng):
        self.norms = [nn.GroupNorm(GROUPS, inputs), nn.GroupNorm(GROUPS, outputs)]
        self.convs = [
            nn.Conv2d(inputs, outputs, 3, rng, padding=1),
            zero_initialised(nn.Conv2d(outputs, outputs, 3, rng, padding=1)),
        ]
        self.time = nn.Linear(features, outputs, rng)
        self.skip = nn.Conv2d(inputs, outputs, 1, rng) if inputs != outputs else None

    def forward(self, x: Any, embedding: Any) -> Tensor:
        h = self.convs[0](silu(self.norms[0](x)))
        h = h + self.time(embedding).reshape(len(h), -1, 1, 1)
        h = self.convs[1](silu(self.norms[1](h)))
        return h + (x if self.skip is None else self.skip(x))


class Attention(nn.Module):
    """x + softmax(Q K^T / sqrt(C)) V over all positions, one head (Vaswani et al. 2017, eq. 1)."""

    def __init__(self, channels: int, rng: Rng):
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.query, self.key, self.value = (nn.Linear(channels, channels, rng) for _ in range(3))
        self.output = zero_initialised(nn.Linear(channels, channels, rng))

    def forward(self, x: Any) -> Tensor:
        n, channels, height, width = x.shape
        h = self.norm(x).reshape(n, channels, height * width).transpose((0, 2, 1))
        h = h.reshape(-1, channels).reshape(n, -1, channels)  # one copy, not one for each product
        h = self.output(attention(self.query(h), self.key(h), self.value(h)))
        return x + h.transpose((0, 2, 1)).reshape(n, channels, height, width)


class UNet(nn.Module):
    """A small U-Net (Ronneberger et al. 2015, as in Ho et al. 2020, appendix B).

    Each of the `resolutions` is half of the one above, rounded up, and twice as wide. A residual
    block goes down and one goes up at each, and the lowest has attention. Up is by a 1 x 1
    convolution and nearest neighbours, which is cheaper than 3 x 3 there.
    """

    def __init__(self, settings: Settings, features: int, shape: Shape, classes: int, rng: Rng):
        width, resolutions = settings.width, settings.resolutions
        if min(shape[:2]) < 2 ** (resolutions - 1):
            raise UsageError(
                f"resolutions={resolutions}: {shape[:2]} cannot be halved {resolutions - 1} times"
            )
        self.shape, channels, embedded = shape, channels_of(shape), 4 * width
        widths = [width * 2**level for level in range(resolutions)]
        finer, lowest = widths[:-1], widths[-1]

        def block(inputs: int, outputs: int) -> ResidualBlock:
            return ResidualBlock(inputs, outputs, embedded, rng)

        self.conditioning = Conditioning(settings.T, width, embedded, classes, rng)
        self.input = nn.Conv2d(features * channels, width, 3, rng, padding=1)
        self.down = [block(w, w) for w in finer]
        self.halve = [nn.Conv2d(w, 2 * w, 3, rng, stride=2, padding=1) for w in finer]
        self.middle = [block(lowest, lowest), block(lowest, lowest)]
        self.attention = Attention(lowest, rng)
        self.double = [nn.Conv2d(2 * w, w, 1, rng) for w in finer]
        self.up = [block(2 * w, w) for w in finer]
        self.norm = nn.GroupNorm(GROUPS, width)
        self.output = zero_initialised(nn.Conv2d(width, channels, 3, rng, padding=1))

    def forward(self, x: Any, t: np.ndarray, labels: Labels = None) -> Tensor:
        embedding = self.conditioning(t, labels)
        maps = planes(x.reshape(-1, x.shape[2]), self.shape)  # (N features, channels, H, W)
        h = self.input(maps.reshape(len(x), -1, *self.shape[:2]))
        kept = []
        for down, halve in zip(self.down, self.halve):
            h = down(h, embedding)
            kept.append(h)
            h = halve(h)
        h = self.middle[1](self.attention(self.middle[0](h, embedding)), embedding)
        for up, double, skip in zip(self.up[::-1], self.double[::-1], kept[::-1]):
            h = up(concatenate([doubled(double(h), skip.shape), skip], axis=1), embedding)
        return flat(self.output(silu(self.norm(h))))


def doubled(x: Tensor, shape: Shape) -> Tensor:
    """By nearest neighbours, cut to the height and width of `shape` where they are odd."""
    x = upsample_nearest(x, 2)
    return x if x.shape[2:] == shape[2:] else x[:, :, : shape[2], : shape[3]]


def zero_initialised(layer: Any) -> Any:
    """A layer whose weights and biases start at 0."""
    for parameter in layer.parameters().values():
        parameter.data[...] = 0
    return layer
