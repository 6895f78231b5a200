"""Sampling images pixel by pixel, in raster order, from a network of masked convolutions.

By the definition, each pixel takes a pass of the whole network over the whole image, of which one
place is used. But nothing that was computed for the pixels before has changed: `Raster` keeps what
each masked convolution was fed, and computes the place that is next. The sums are the same ones in
the same order, so with the kernels of the CPU the images are the same to the last bit.

A network has two parts for this (`models.autoregressive.networks`): `above`, which needs only the
rows above and runs for a row at a time, and `across`, which runs for a pixel. It runs once for
several pixels side by side that are all known.
"""

from itertools import pairwise
from typing import Any

import numpy as np

from autograd import Array, Replayed, namespace, no_grad, sent, to_device
from autograd.ops import conv2d
from autograd.tensor import array_of
from kernels.conv2d.mask import live_taps


@no_grad()
def sample(model: Any, images: Array, known: Array, u: Array, labels: Any) -> None:
    """Sample the pixels of `images` (n, channels, height, width) that are not `known`, in order.

    `known` is (n, height, width). Each number has its own of `u` (n, channels, height, width),
    samples of U[0, 1). On a GPU a pixel is a CUDA graph.
    """
    raster = Raster(model.network, images, labels)
    width = images.shape[3]
    some = to_device(~known.all(axis=0), "cpu")  # places to be sampled in one image at least
    place = np.zeros((2, 1), int)  # the row and the column of a pixel that a graph samples

    def sample_pixel() -> None:
        raster.row, raster.columns = sent(lambda: place, images)
        _sample_pixel(model, raster, known, u)

    by_graph = Replayed(sample_pixel, raster.changing)
    for row in range(some.any(axis=1).nonzero()[0].max(initial=-1) + 1):
        raster.row, raster.columns = row, slice(0, width)
        raster.keep_above(model.network.above(raster.piece(), raster))
        for start, stop in _pieces(some[row]):
            raster.row, raster.columns = row, slice(start, stop)
            if not some[row, start]:
                model.network.across(raster.piece(), raster.above(), raster)
            elif by_graph.xp is np:  # by slices, which take less than arrays of places
                _sample_pixel(model, raster, known, u)
            else:
                place[:, 0] = row, start
                by_graph()
    images[...] = raster.images


def _sample_pixel(model: Any, raster: "Raster", known: Array, u: Array) -> None:
    """The numbers of the pixel where the raster is, one after the other."""
    row, column, above = raster.row, raster.columns, raster.above()
    for channel in range(u.shape[1]):
        if channel < model.distribution.groups:  # else the logits stay as they are
            logits = model.network.across(raster.piece(), above, raster).data[0, :, :, 0].T
        pixel = raster.piece()[0, :, :, 0].T
        chosen = model.distribution.choose(logits, pixel, channel, u[:, channel, row, column][:, 0])
        old = raster.images[:, channel, row, column]
        new = namespace(u).where(known[:, row, column], old, chosen[:, None])
        raster.images[:, channel, row, column] = new


def _pieces(some: Array) -> list[tuple[int, int]]:
    """The columns of a row, cut before and after each that is to be sampled: (start, stop)."""
    cuts = [column for column in range(1, len(some)) if some[column] or some[column - 1]]
    return list(pairwise([0, *cuts, len(some)]))


@no_grad()
def sample_by_definition(model: Any, images: Array, known: Array, u: Array, labels: Any) -> None:
    """As `sample`, by a pass over the whole images for each number."""
    _, channels, height, width = images.shape
    for row, column, channel in np.ndindex(height, width, channels):
        logits = model.logits(images, labels)[:, :, row, column].data
        pixel = images[:, :, row, column]
        chosen = model.distribution.choose(logits, pixel, channel, u[:, channel, row, column])
        keep(pixel[:, channel], known[:, row, column], chosen)


def keep(old: Array, known: Array, new: Array) -> None:
    """Write what is new where nothing is known."""
    old[...] = namespace(old).where(known, old, new)


class Raster:
    """Stands in for the masked convolutions of a network, for a piece of one row at a time.

    A piece (1, features, n, columns) has the n images where an image has its rows: 1x1
    convolutions and functions of single elements take it as they take images. Where it is, `row`
    and `columns` say: a number and a slice, or arrays (1,), which a CUDA graph looks up anew.
    """

    row: Any
    columns: Any

    def __init__(self, network: Any, images: Array, labels: Any):
        n, channels, height, width = images.shape
        self.size, self.labels = (n, height, width), labels
        # The first kernels are the largest.
        self.margin = max(max(layer.options["padding"]) for layer in network.image_layers())
        canvas = self._zeros(images, channels)
        self.images = self._inside(canvas).transpose(0, 3, 1, 2)
        self.images[...] = images
        # What each layer was fed, padded: (n, height, width, features).
        self.fed: dict[Any, Array] = dict.fromkeys(network.image_layers(), canvas)
        self.prepared: dict[Any, Any] = {}
        self.of_above: list[Array] = []

    def piece(self) -> Array:
        """That of the images, (1, channels, n, columns)."""
        return self.images[:, :, self.row, self.columns].transpose(1, 0, 2)[None]

    def keep_above(self, parts: list[Any]) -> None:
        """Keep what the network makes of the rows above, for this row; always in the same place."""
        arrays = [array_of(part) for part in parts]
        self.of_above = self.of_above or [array.copy() for array in arrays]
        for kept, array in zip(self.of_above, arrays):
            kept[...] = array

    def above(self) -> list[Array]:
        return [part[..., self.columns] for part in self.of_above]

    def changing(self) -> list[Array]:
        return [self.images, *self.fed.values()]

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
        weight, bias = layer.ordered_weight().data, layer.bias_of(self.labels).data
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
