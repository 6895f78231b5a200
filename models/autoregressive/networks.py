"""The networks of a PixelCNN: convolutions that look only at what comes before a pixel.

An image (N, 1, height, width) in [0, 1] becomes the logits (N, outputs, height, width) of each
pixel given those before it. Each network has two parts, so that the sampler may run the first for
a row and the second for a pixel (`models.autoregressive.raster`):

    above     what depends on no pixel of the row itself, a list with an entry for each layer
    across    the logits, from that and from what is to the left

Both take a function that computes a masked convolution: on whole images, or at one place.

(a) van den Oord, Kalchbrenner & Kavukcuoglu 2016, "Pixel Recurrent Neural Networks".
(b) van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders".
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd import Rng, Tensor, embedding, nn, relu, sigmoid, tanh
from models.data import Labels, Shape


class Masked(nn.Conv2d):
    """A masked convolution that keeps an image's size; its bias may depend on the class."""

    def __init__(self, inputs: int, outputs: int, size: Shape, mask: Any, rng: Rng, classes: int):
        padding = tuple(side // 2 for side in size)
        super().__init__(inputs, outputs, size, rng, padding=padding, mask=mask)
        self.class_bias = nn.parameter(np.zeros((classes, outputs))) if classes else None

    def forward(self, x: Any, labels: Labels = None) -> Tensor:
        y = super().forward(x)
        if self.class_bias is None:
            return y
        return y + embedding(self.class_bias, labels).reshape(-1, y.shape[1], 1, 1)

    def bias_of(self, labels: Labels) -> Tensor:
        """(N, outputs), or (1, outputs) without classes."""
        bias = self.bias.reshape(1, -1)
        return bias if self.class_bias is None else bias + embedding(self.class_bias, labels)


Convolve = Callable[[Masked, Any], Any]


class Block(nn.Module):
    """A residual block (a, figure 5): 1x1 to half of the features, 3x3 with mask B, 1x1 back."""

    def __init__(self, channels: int, rng: Rng, classes: int):
        self.down = nn.Conv2d(channels, channels // 2, 1, rng)
        self.masked = Masked(channels // 2, channels // 2, (3, 3), "B", rng, classes)
        self.up = nn.Conv2d(channels // 2, channels, 1, rng)

    def forward(self, h: Tensor, convolve: Convolve) -> Tensor:
        return h + self.up(relu(convolve(self.masked, relu(self.down(relu(h))))))


class Plain(nn.Module):
    """One stack: a convolution with mask A, residual blocks, and two 1x1 (a, table 1).

    Mask B looks right only in the row above, so a stack that looks one pixel further to the right
    looks one row further up: the pixels beyond that diagonal never count, however many the layers.
    """

    def __init__(self, settings: Any, outputs: int, rng: Rng, classes: int):
        channels, size = settings.channels, settings.kernel_size
        self.first = Masked(1, channels, (size, size), "A", rng, classes)
        self.blocks = [Block(channels, rng, classes) for _ in range(settings.blocks)]
        self.last = _pixelwise(channels, outputs, rng)

    def image_layers(self) -> list[Masked]:
        """Those that see the image itself."""
        return [self.first]

    def above(self, x: Any, convolve: Convolve) -> list[Tensor]:
        return []

    def across(self, x: Any, above: list[Tensor], convolve: Convolve) -> Tensor:
        h = convolve(self.first, x)
        for block in self.blocks:
            h = block(h, convolve)
        return self.last(h)


def gate(h: Tensor) -> Tensor:
    """tanh of one half of the features times sigmoid of the other (b, eq. 2)."""
    half = h.shape[1] // 2
    return tanh(h[:, :half]) * sigmoid(h[:, half:])


class GatedLayer(nn.Module):
    """What one layer of both stacks is made of (b, figure 2)."""

    def __init__(self, inputs: int, channels: int, size: int, mask: str, rng: Rng, classes: int):
        # With mask A the vertical stack sees the rows above its own. What comes of that is known
        # before the row is, so layers with mask B may use it in their whole row, left and right.
        rows = np.zeros((size, size))
        rows[: size // 2 + (mask == "B")] = 1
        self.vertical = Masked(inputs, channels, (size, size), rows, rng, classes)
        self.horizontal = Masked(inputs, channels, (1, size), mask, rng, classes)
        self.from_vertical = nn.Conv2d(channels, channels, 1, rng)
        self.out = nn.Conv2d(channels // 2, channels // 2, 1, rng)


class Gated(nn.Module):
    """A vertical stack, which sees all rows above, and a horizontal one, which sees the row (b)."""

    def __init__(self, settings: Any, outputs: int, rng: Rng, classes: int):
        channels, size = settings.channels, settings.kernel_size
        half = channels // 2  # of them come out of a gate
        later = [GatedLayer(half, channels, 3, "B", rng, classes) for _ in range(settings.blocks)]
        self.layers = [GatedLayer(1, channels, size, "A", rng, classes), *later]
        self.last = _pixelwise(half, outputs, rng)

    def image_layers(self) -> list[Masked]:
        """Those that see the image itself."""
        return [self.layers[0].vertical, self.layers[0].horizontal]

    def above(self, x: Any, convolve: Convolve) -> list[Tensor]:
        first, *later = self.layers
        v = convolve(first.vertical, x)
        above = [first.from_vertical(v)]
        for layer in later:
            v = convolve(layer.vertical, gate(v))
            above.append(layer.from_vertical(v))
        return above

    def across(self, x: Any, above: list[Tensor], convolve: Convolve) -> Tensor:
        (first, first_above), *later = zip(self.layers, above)
        h = first.out(gate(convolve(first.horizontal, x) + first_above))
        for layer, from_above in later:
            h = h + layer.out(gate(convolve(layer.horizontal, h) + from_above))
        return self.last(h)


def _pixelwise(channels: int, outputs: int, rng: Rng) -> nn.Sequential:
    """From the features of a pixel to its logits."""
    hidden, output = nn.Conv2d(channels, channels, 1, rng), nn.Conv2d(channels, outputs, 1, rng)
    return nn.Sequential(relu, hidden, relu, output)


NETWORKS: dict[str, type[Plain] | type[Gated]] = {"plain": Plain, "gated": Gated}
