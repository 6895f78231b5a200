"""Training images, changed a little at random, so that few of them teach a network more."""

import numpy as np

from autograd import Rng


def in_random_form(images: np.ndarray, rng: Rng) -> np.ndarray:
    """Each image at random: as it is, thresholded at 1/2, or with a Bernoulli sample at each pixel.

    Samples of generative models have any of these forms. A network trained on one form alone
    would measure how far its input is from that form, and not how good a digit it is.
    """
    form = rng.integers(3, size=(len(images), *(1,) * (images.ndim - 1)))
    threshold = np.where(form == 1, 0.5, rng.random(images.shape, np.float32))
    return np.where(form == 0, images, images > threshold).astype(np.float32)


def warped(images: np.ndarray, rng: Rng, ink: bool = True) -> np.ndarray:
    """Images (n, height, width[, 3]), each under a random affine map, interpolated bilinearly.

    x -> A x + t about the middle, with elements of A - I up to 0.15 and of t up to a pixel. What
    comes from outside is paper where the images are `ink`, and else like the nearest pixel. With
    this, 1,500 training digits give an accuracy of 96 % on the test digits, which other people
    wrote; without, 92 %.
    """
    n, height, width = images.shape[:3]
    size = np.array([[[height]], [[width]]], np.float32)
    turn = (np.eye(2) + rng.uniform(-0.15, 0.15, (n, 2, 2))).astype(np.float32)
    shift = rng.uniform(-1, 1, (n, 2, 1)).astype(np.float32)
    grid = np.indices((height, width), np.float32).reshape(2, -1) - (size[:, 0] - 1) / 2
    places = (turn @ grid + shift).transpose(1, 0, 2) + (size - 1) / 2  # (2, n, pixels)
    places = np.clip(places, -1, size) + 1  # in the image with a frame
    corner = np.floor(places)
    down, right = (places - corner)[..., None]  # for every channel
    down_to, right_to = corner.astype(np.int64)
    frame = ((0, 0), (1, 2), (1, 2), (0, 0))
    channels = images.reshape(n, height, width, -1)
    framed = np.pad(channels, frame, "constant" if ink else "edge")
    framed = framed.reshape(-1, framed.shape[-1])
    row = width + 3
    at = (np.arange(n)[:, None] * (height + 3) + down_to) * row + right_to
    top, bottom = (
        framed[at + below] * (1 - right) + framed[at + below + 1] * right for below in (0, row)
    )
    return (top * (1 - down) + bottom * down).reshape(images.shape)
