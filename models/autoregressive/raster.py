"""Sampling images pixel by pixel, in raster order, from a network of masked convolutions.

By the definition, each pixel takes a pass of the whole network over the whole image, of which one
place is used. But nothing that was computed for the pixels before has changed: `Raster` keeps what
each masked convolution was fed, and computes the place that is next. The sums are the same ones in
the same order, so with the kernels of the CPU the images are the same to the last bit.

A network has two parts for this (`models.autoregressive.networks`): `above`, which needs only the
rows above and runs for a row at a time, and `across`, which runs for a pixel.
"""

from typing import Any

from autograd import Array, namespace, no_grad
from autograd.ops import conv2d
from autograd.tensor import array_of
from kernels.conv2d.mask import live_taps


@no_grad()
def sample(model: Any, images: Array, known: int, u: Array, labels: Any) -> None:
    """Sample the rows of `images` (n, height, width) from row `known` on, given those before.

    Each pixel has its number of `u` (n, height, width), a sample of U[0, 1).
    """
    _, height, width = images.shape
    raster = Raster(model.network, images, labels)
    for row in range(height):
        above = model.network.above(raster.piece(row, 0, width), raster)
        if row < known:
            model.network.across(raster.piece(row, 0, width), above, raster)
            continue
        for column in range(width):
            x = raster.piece(row, column, column + 1)
            here = [part[..., column : column + 1] for part in above]
            logits = model.network.across(x, here, raster).data
            x[...] = model.choose(logits[0, :, :, 0].T, u[:, row, column])[:, None]
    images[...] = raster.images


@no_grad()
def sample_by_definition(model: Any, images: Array, known: int, u: Array, labels: Any) -> None:
    """As `sample`, by a pass over the whole images for each pixel."""
    _, height, width = images.shape
    for row in range(known, height):
        for column in range(width):
            logits = model.logits(images[:, None], labels)[:, :, row, column].data
            images[:, row, column] = model.choose(logits, u[:, row, column])


class Raster:
    """Stands in for the masked convolutions of a network, for a piece of one row at a time.

    A piece (1, features, n, columns) has the n images where an image has its rows: 1x1
    convolutions and functions of single elements take it as they take images.
    """

    def __init__(self, network: Any, images: Array, labels: Any):
        self.size, self.labels = images.shape, labels
        # The first kernels are the largest.
        self.margin = max(max(layer.options["padding"]) for layer in network.image_layers())
        canvas = self._zeros(images, 1)
        self.images = self._inside(canvas)[..., 0]
        self.images[...] = images
        # What each layer was fed, padded: (n, height, width, features).
        self.fed: dict[Any, Array] = dict.fromkeys(network.image_layers(), canvas)
        self.prepared: dict[Any, Any] = {}

    def piece(self, row: int, start: int, stop: int) -> Array:
        """That piece of the images, (1, 1, n, columns): a view, to be written to."""
        self.row, self.columns = row, slice(start, stop)
        return self.images[None, None, :, row, start:stop]

    def __call__(self, layer: Any, piece: Any) -> Array:
        h: Any = array_of(piece)
        if layer not in self.fed:
            self.fed[layer] = self._zeros(h, h.shape[1])
        fed = self.fed[layer]
        self._inside(fed)[:, self.row, self.columns] = h[0].transpose(1, 2, 0)
        if layer not in self.prepared:
            self.prepared[layer] = self._prepare(layer, namespace(h))
        rows, columns, weight, bias = self.prepared[layer]
        inputs = fed[:, rows + self.row, columns[self.columns]]  # (n, columns, taps, features)
        windows = inputs.reshape(*inputs.shape[:2], -1).transpose(2, 0, 1)[None]
        return conv2d(windows, weight) + bias

    def _prepare(self, layer: Any, xp: Any) -> tuple[Array, Array, Array, Array]:
        """Where the live taps look, from each column; and they as a 1x1 convolution."""
        weight, bias = layer.weight.data, layer.bias_of(self.labels).data
        taps = live_taps(layer.options["mask"], weight.shape[2:])
        live = weight.reshape(*weight.shape[:2], -1)[:, :, taps]
        rows, columns = (
            xp.asarray(tap + self.margin - size // 2)
            for tap, size in zip(divmod(taps, weight.shape[3]), weight.shape[2:])
        )
        columns = columns + xp.arange(self.size[2])[:, None]
        packed = live.transpose(0, 2, 1).reshape(len(weight), -1, 1, 1)
        return rows, columns, packed, bias.T[None, :, :, None]

    def _zeros(self, like: Array, features: int) -> Array:
        n, height, width = self.size
        around = 2 * self.margin
        return namespace(like).zeros((n, height + around, width + around, features), like.dtype)

    def _inside(self, padded: Array) -> Array:
        return padded[:, self.margin : -self.margin, self.margin : -self.margin]
