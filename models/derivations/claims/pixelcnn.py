"""Claims about autoregressive models: PixelCNN, plain and gated, and WaveNet.

Probabilities are checked by enumeration of all small images. The pixels that an output depends on
are those whose gradient is not 0. The networks are untrained.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from scipy import ndimage, special

from autograd import Tensor, conv2d, grad
from models import metrics
from models.autoregressive.pixelcnn import PixelCNN, Settings
from models.derivations.claim import Formula, Routes, claim

SIZE = 3  # pixels along a side of the images that are enumerated
EVERY_IMAGE = np.indices((2,) * SIZE**2).reshape(SIZE**2, -1).T.astype(np.float32)  # (512, 9)


def _untrained(kind: str, size: int = SIZE, levels: int = 2, blocks: int = 1) -> PixelCNN:
    """A PixelCNN with random weights, doubled so that each pixel affects the later ones."""
    pixels = "fixed" if levels == 2 else "levels"
    settings = Settings(kind=kind, kernel_size=3, channels=8, blocks=blocks, pixels=pixels)
    model = PixelCNN(settings, (size, size), levels, np.random.default_rng(0))
    for parameter in model.parameters().values():
        parameter.data *= 2
    return model


def _conditionals(model: PixelCNN, x: np.ndarray) -> np.ndarray:
    """p(x_i = 1 | x_1, ..., x_{i-1}) of images (N, pixels), from one pass: (N, pixels)."""
    logits = model.logits(x.reshape(-1, 1, *model.shape)).numpy()
    return special.expit(logits.reshape(x.shape).astype(float))


def _earlier(up: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Whether a pixel so many rows up and columns to the right is earlier in raster order."""
    return (up > 0) | ((up == 0) & (right < 0))


def _offsets(row: int, column: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """How far up and to the right of the pixel (row, column) those of a square are."""
    rows, columns = np.indices((size, size))
    return row - rows, columns - column


@claim(
    r"\sum_{x} \prod_i p(x_i \,|\, x_1, \ldots, x_{i-1}) = 1",
    source="van den Oord et al. 2016 (PixelRNN), eq. 1",
    given="the 512 binary images of 3x3 pixels; a plain and a gated network, untrained",
    tolerance=1e-5,
    because="log p is a sum of nine float32 numbers",
    mistakes={"mask B in the first layer: a pixel sees itself": "B", "no mask there": None},
)
def probabilities_sum_to_one(formula: str | None = "A") -> Routes:
    """The probabilities of all images sum to 1, with mask A in the first layer."""
    models = [_untrained(kind) for kind in ("plain", "gated")]
    for model in models:
        model.network.image_layers()[-1].options["mask"] = formula
    sums = [np.exp(model.log_prob(EVERY_IMAGE).astype(float)).sum() for model in models]
    yield "exp log p, all pixels in one pass", sums

    def one_by_one(model: PixelCNN) -> float:
        """The same product; each pixel is predicted while it and the later ones are 0."""
        p = np.ones(len(EVERY_IMAGE))
        for i in range(SIZE**2):
            known = np.where(np.arange(SIZE**2) < i, EVERY_IMAGE, np.float32(0))
            is_one = _conditionals(model, known)[:, i]
            p *= np.where(EVERY_IMAGE[:, i] == 1, is_one, 1 - is_one)
        return p.sum()

    yield "pixel by pixel, the later ones 0", [one_by_one(model) for model in models]
    yield "1", [1.0, 1.0]


@claim(
    r"p(x_i \,|\, x_1, \ldots, x_{i-1}) = "
    r"\frac{\sum_{x_{i+1}, \ldots} p(x)}{\sum_{x_i, x_{i+1}, \ldots} p(x)}",
    source="van den Oord et al. 2016 (PixelRNN), eq. 1",
    given="the 512 binary images of 3x3 pixels; an untrained network",
    tolerance=1e-5,
    because="log p is a sum of nine float32 numbers",
    mistakes={
        "given all the other pixels": lambda i: (),
        "given the later pixels": lambda i: range(i),
        "given no other pixel": lambda i: [j for j in range(SIZE**2) if j != i],
    },
)
def conditionals_by_enumeration(formula: Formula = lambda i: range(i + 1, SIZE**2)) -> Routes:
    """The prediction of a pixel is its conditional probability given the earlier pixels."""
    model = _untrained("plain")
    yield "sigmoid of the logit", _conditionals(model, EVERY_IMAGE)
    joint = np.exp(model.log_prob(EVERY_IMAGE).astype(float)).reshape((2,) * SIZE**2)

    def conditional(i: int) -> np.ndarray:
        summed = joint.sum(axis=tuple(formula(i)), keepdims=True)
        is_one = summed.take([1], axis=i) / summed.sum(axis=i, keepdims=True)
        return np.broadcast_to(is_one, joint.shape).ravel()

    by_sums = np.stack([conditional(i) for i in range(SIZE**2)], axis=1)
    yield "sums of the joint probabilities", by_sums


@claim(
    r"\frac{\partial y_i}{\partial x_j} \neq 0 \ \mathrm{only \ if} \ j < i \ (\mathrm{A}), "
    r"\ j \leq i \ (\mathrm{B})",
    source="van den Oord et al. 2016 (PixelRNN), section 3.4",
    given="a 5x5 kernel without zeros on an image of 7x7, pixels in raster order",
    tolerance=1e-12,
    because="the patterns consist of zeros and ones",
    mistakes={
        "mask A sees the centre": lambda i, j, mask: j <= i,
        "mask B does not": lambda i, j, mask: j < i,
        "rows above only": lambda i, j, mask: j // 7 < i // 7 or (mask == "B" and i == j),
    },
)
def masks(formula: Formula = lambda i, j, mask: j < i + (mask == "B")) -> Routes:
    """With mask A the pixels before the centre are live, with mask B the centre too."""
    size, reach = 7, 2

    def near(i: int, j: int) -> bool:
        (row, column), (other_row, other_column) = divmod(i, size), divmod(j, size)
        return max(abs(row - other_row), abs(column - other_column)) <= reach

    pixels = range(size * size)
    by_hand = [[[near(i, j) and formula(i, j, m) for j in pixels] for i in pixels] for m in "AB"]
    yield "raster order", by_hand
    kernel = np.random.default_rng(0).uniform(1, 2, (1, 1, 5, 5))
    yield "non-zero gradients", [_jacobian(kernel, size, mask) != 0 for mask in "AB"]


def _jacobian(kernel: np.ndarray, size: int, mask: str) -> np.ndarray:
    """d y_i / d x_j of a convolution of one image; row i is the i-th of a batch of equal images."""
    pixels = size * size
    x = Tensor(np.zeros((pixels, 1, size, size)), requires_grad=True)
    y = conv2d(x, kernel, padding=kernel.shape[-1] // 2, mask=mask)
    unit = np.eye(pixels).reshape(y.shape)  # selects pixel i of image i
    return grad(y, x, unit).data.reshape(pixels, pixels)


@claim(
    r"\mathrm{blind}(L, k) = \frac{k - 1}{2} \cdot \frac{L (L - 1)}{2} \ \mathrm{pixels}",
    source="van den Oord et al. 2016 (gated PixelCNN), section 2.2 and figure 1",
    given="a plain stack of L layers of k x k, the first with mask A, the others with mask B",
    tolerance=1e-12,
    because="pixels are counted",
    mistakes={
        "none: it sees all earlier pixels": lambda layers, size: 0,
        "one row too many": lambda layers, size: (size // 2) * layers * (layers + 1) // 2,
        "a triangle as wide as the reach": lambda layers, size: (
            (size // 2 * layers) * (size // 2 * layers - 1) // 2
        ),
        "on the left side too": lambda layers, size: size // 2 * layers * (layers - 1),
    },
)
def blind_spot(
    formula: Formula = lambda layers, size: (size // 2) * layers * (layers - 1) // 2,
) -> Routes:
    """A plain stack does not see some earlier pixels, above right: more of them with depth."""
    # With h = (k - 1) / 2, a layer reaches at most h to the right, and only if it goes up a row. A
    # row a < L above is reached by at most a such layers, so up to h a to the right, not h L:
    # sum_{a=1}^{L-1} h (L - a) = h L (L - 1) / 2 pixels are missing.
    stacks = [(layers, size) for size in (3, 5) for layers in range(1, 6)]
    yield "closed form", [formula(*stack) for stack in stacks]
    yield "reachability", [np.count_nonzero(_blind(_reached(*stack))) for stack in stacks]
    yield "zero gradients", [np.count_nonzero(_blind(_gradient(*stack))) for stack in stacks]


def _blind(seen: np.ndarray) -> np.ndarray:
    """The pixels of a square that are earlier than its centre but not seen from it."""
    centre = len(seen) // 2
    return _earlier(*_offsets(centre, centre, len(seen))) & (seen == 0)


def _reached(layers: int, size: int) -> np.ndarray:
    """The pixels that the centre of a square sees through the live taps of all layers."""
    reach = layers * (size // 2)
    seen = np.zeros((2 * reach + 1,) * 2, bool)
    seen[reach, reach] = True
    taps = np.arange(size * size).reshape(size, size)
    for layer in range(layers):
        seen = ndimage.binary_dilation(seen, taps < size * size // 2 + (layer > 0))
    return seen


def _gradient(layers: int, size: int) -> np.ndarray:
    """The gradient of the centre of a square; the weights are positive, so no terms cancel."""
    reach = layers * (size // 2)
    x = Tensor(np.zeros((1, 1, 2 * reach + 1, 2 * reach + 1)), requires_grad=True)
    y, kernel = x, np.ones((1, 1, size, size))
    for layer in range(layers):
        y = conv2d(y, kernel, padding=size // 2, mask="B" if layer else "A")
    return grad(y[0, 0, reach, reach], x).data[0, 0]


@blind_spot.plot
def _(axes: Axes) -> None:
    layers = 8
    reach = layers
    first = np.full((2 * reach + 1,) * 2, np.nan)  # the depth at which a pixel becomes visible
    for depth in range(layers, 0, -1):
        inner = slice(reach - depth, reach + depth + 1)
        first[inner, inner][_reached(depth, 3)] = depth
    shades = axes.imshow(first[: reach + 1], cmap="viridis", vmin=1, vmax=layers)
    axes.figure.colorbar(shades, ax=axes, label="layers of 3x3 needed", shrink=0.6)
    axes.plot(reach, reach, "s", color="C3", markersize=5)
    axes.annotate("blind spot", (2 * reach - 0.5, reach - 2), ha="right", color="C3")
    axes.set(xticks=[], yticks=[])


@claim(
    r"\frac{\partial \ell_i}{\partial x_j} \neq 0 \Leftrightarrow j < i",
    source="van den Oord et al. 2016 (gated PixelCNN), section 2.2 and figure 2",
    given="an untrained gated network, deep enough for the 25 pixels of a 5x5 image",
    tolerance=1e-12,
    because="the patterns consist of zeros and ones",
    mistakes={
        "the blind spot of a plain stack": lambda up, right: _earlier(up, right) & (right <= up),
        "a rectangle, above and to the left": lambda up, right: _earlier(up, right) & (right <= 0),
        "the pixel itself too": lambda up, right: _earlier(up, right - 1),
    },
)
def two_stacks_see_everything(formula: Formula = _earlier) -> Routes:
    """A gated PixelCNN has no blind spot: a logit depends on every earlier pixel and no other."""
    size = 5
    places = list(np.ndindex(size, size))
    yield "raster order", [formula(*_offsets(row, column, size)) for row, column in places]
    model = _untrained("gated", size, blocks=4)
    images = np.random.default_rng(0).random((4, size, size))
    yield "non-zero gradients", [model.dependence(images, *place) > 0 for place in places]


@claim(
    r"r = 1 + \sum_l (k - 1) \, d_l",
    source="van den Oord et al. 2016 (WaveNet), section 2.1: 1024 for one block",
    given="kernels of k = 2 and dilations d of 1, 2, 4, ..., 512: one block, and three of them",
    tolerance=1e-12,
    because="samples are counted",
    mistakes={
        "without the sample itself": lambda dilations, size: (size - 1) * sum(dilations),
        "k instead of k - 1": lambda dilations, size: 1 + size * sum(dilations),
        "the sum of the blocks, 1024 each": lambda dilations, size: (
            size * 512 * dilations.count(512)
        ),
        "the dilations forgotten": lambda dilations, size: 1 + (size - 1) * len(dilations),
    },
)
def wavenet_receptive_field(
    formula: Formula = lambda dilations, size: 1 + (size - 1) * sum(dilations),
) -> Routes:
    """The receptive field of a stack of dilated convolutions: 1024 samples for a WaveNet block."""
    block = [2**i for i in range(10)]
    stacks = [block, 3 * block]
    yield "closed form", [formula(dilations, 2) for dilations in stacks]

    def reached(dilations: Sequence[int]) -> int:
        seen = {0}
        for d in dilations:
            seen |= {t - d for t in seen}
        return len(seen)

    yield "reachability", [reached(dilations) for dilations in stacks]

    def gradient(dilations: Sequence[int]) -> np.ndarray:
        x = Tensor(np.zeros((1, 1, 1, 4000)), requires_grad=True)
        y: Any = x
        for d in dilations:
            y = conv2d(y, np.full((1, 1, 1, 2), 0.5), dilation=(1, d))
        return grad(y[0, 0, 0, -1], x).data

    yield "non-zero gradients", [np.count_nonzero(gradient(stack)) for stack in stacks]


@claim(
    r"\mathrm{bits/dim} = \frac{-\log p(x)}{D \log 2}",
    source="van den Oord et al. 2016 (PixelRNN), section 5.1",
    given="2x2 pixels of four levels: an untrained PixelCNN and the uniform distribution",
    tolerance=1e-5,
    because="log p is a sum of four float32 numbers",
    mistakes={
        "nats": lambda nats, pixels: nats / pixels,
        "per image, not per pixel": lambda nats, pixels: nats / np.log(2),
        "multiplied by log 2": lambda nats, pixels: nats * np.log(2) / pixels,
    },
)
def bits_per_dim(formula: Formula = metrics.bits_per_dim) -> Routes:
    """Bits per dimension are nats divided by pixels and log 2; four equal levels need two bits."""
    model = _untrained("plain", size=2, levels=4)
    x = np.array([[0, 1, 3, 2]], np.float32) / 3
    uniform = 4 * np.log(4)
    yield "from nats per image", [formula(-model.log_prob(x).item(), 4), formula(uniform, 4)]
    logits = model.logits(x.reshape(-1, 1, 2, 2)).numpy().astype(float)[0].reshape(4, 4)
    p = special.softmax(logits, axis=0)[[0, 1, 3, 2], range(4)]  # the level of each pixel
    yield "mean of log2 over the pixels", [-np.log2(p).mean(), np.log2(4)]
