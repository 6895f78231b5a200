"""The networks of a PixelCNN: convolutions that look only at what comes before a pixel.

Images (N, channels, height, width) in [0, 1] become the logits (N, outputs, height, width) of each
pixel given those before it. Each network has two parts, so that the sampler may run the first for
a row and the second for a pixel (`models.autoregressive.raster`):

    above     what depends on no pixel of the row itself, a list with an entry for each layer
    across    the logits, from that and from what is to the left

Both take a function that computes a masked convolution: on whole images, or at one place.

In colour, R comes before G before B within a pixel too. The features are then in three `groups`,
one for each of them: feature i is in group i mod 3, and of its own pixel it sees only groups that
are not after its own (a, section 3.3). With one group no pixel sees anything of itself.

(a) van den Oord, Kalchbrenner & Kavukcuoglu 2016, "Pixel Recurrent Neural Networks".
(b) van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders".
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd import Rng, Tensor, conv2d, embedding, nn, relu, sigmoid, tanh
from models.data import Labels, Shape


class Grouped(nn.Conv2d):
    """A convolution that keeps an image's size, with features in groups.

    What a pixel sees of itself is masked by group: with mask A the groups before a feature's own,
    or else its own too. All groups see the other live taps alike.
    """

    def __init__(
        self, inputs: int, outputs: int, size: Shape, rng: Rng, groups: int, mask: Any = None
    ):
        padding = tuple(side // 2 for side in size)
        earlier = isinstance(mask, str) and mask == "A"
        live = "B" if earlier and groups > 1 else mask  # a pixel sees a part of itself
        super().__init__(inputs, outputs, size, rng, padding=padding, mask=live)
        self.order: Tensor | None = None  # 0 for the weights that are masked by group, or else 1
        if groups > 1:
            own, seen = np.arange(outputs)[:, None] % groups, np.arange(inputs) % groups
            order = np.ones(self.weight.shape, np.float32)
            row, column = padding  # the centre
            order[:, :, row, column] = seen < own if earlier else seen <= own
            self.order = Tensor(order)

    def ordered_weight(self) -> Tensor:
        return self.weight if self.order is None else self.weight * self.order

    def forward(self, x: Any) -> Tensor:
        return conv2d(x, self.ordered_weight(), self.bias, **self.options)


class Masked(Grouped):
    """One whose taps are masked too; its bias may depend on the class."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: Shape,
        mask: Any,
        rng: Rng,
        classes: int,
        groups: int = 1,
    ):
        super().__init__(inputs, outputs, size, rng, groups, mask)
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

    def __init__(self, features: int, rng: Rng, classes: int, groups: int):
        half = features // 2
        self.down = Grouped(features, half, (1, 1), rng, groups)
        self.masked = Masked(half, half, (3, 3), "B", rng, classes, groups)
        self.up = Grouped(half, features, (1, 1), rng, groups)

    def forward(self, h: Tensor, convolve: Convolve) -> Tensor:
        return h + self.up(relu(convolve(self.masked, relu(self.down(relu(h))))))


class Plain(nn.Module):
    """One stack: a convolution with mask A, residual blocks, and two 1x1 (a, table 1).

    Mask B looks right only in the row above, so a stack that looks one pixel further to the right
    looks one row further up: the pixels beyond that diagonal never count, however many the layers.
    """

    def __init__(
        self, settings: Any, channels: int, outputs: int, groups: int, rng: Rng, classes: int
    ):
        features, size = settings.channels, settings.kernel_size
        self.first = Masked(channels, features, (size, size), "A", rng, classes, groups)
        self.blocks = [Block(features, rng, classes, groups) for _ in range(settings.blocks)]
        self.last = _pixelwise(features, outputs, rng, groups)

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
    """What one layer of both stacks is made of (b, figure 2).

    The vertical stack sees nothing of its pixel, so its features are in no groups.
    """

    def __init__(
        self,
        inputs: int,
        features: int,
        size: int,
        mask: str,
        rng: Rng,
        classes: int,
        groups: int,
    ):
        # With mask A the vertical stack sees the rows above its own. What comes of that is known
        # before the row is, so layers with mask B may use it in their whole row, left and right.
        rows = np.zeros((size, size))
        rows[: size // 2 + (mask == "B")] = 1
        half = features // 2
        self.vertical = Masked(inputs, features, (size, size), rows, rng, classes)
        self.horizontal = Masked(inputs, features, (1, size), mask, rng, classes, groups)
        self.from_vertical = nn.Conv2d(features, features, 1, rng)
        self.out = Grouped(half, half, (1, 1), rng, groups)


class Gated(nn.Module):
    """A vertical stack, which sees all rows above, and a horizontal one, which sees the row (b)."""

    def __init__(
        self, settings: Any, channels: int, outputs: int, groups: int, rng: Rng, classes: int
    ):
        features, size = settings.channels, settings.kernel_size
        half = features // 2  # of them come out of a gate
        later = [
            GatedLayer(half, features, 3, "B", rng, classes, groups) for _ in range(settings.blocks)
        ]
        self.layers = [GatedLayer(channels, features, size, "A", rng, classes, groups), *later]
        self.last = _pixelwise(half, outputs, rng, groups)

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


def _pixelwise(features: int, outputs: int, rng: Rng, groups: int) -> nn.Sequential:
    """From the features of a pixel to its logits."""
    hidden = Grouped(features, features, (1, 1), rng, groups)
    return nn.Sequential(relu, hidden, relu, Grouped(features, outputs, (1, 1), rng, groups))


NETWORKS: dict[str, type[Plain] | type[Gated]] = {"plain": Plain, "gated": Gated}
