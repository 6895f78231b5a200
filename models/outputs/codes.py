"""Codes of images and images of codes, for the models that have an encoder or a decoder."""

from typing import Any

import numpy as np

from models.data import batches
from models.errors import UsageError
from models.outputs.given import BATCH, ModelWithData, classes_of, observed
from models.outputs.interpolation import WAYS
from models.outputs.sampling import check_count, classes_in_turn


def encode(run: ModelWithData, images: Any = None, labels: Any = None, seed: int = 0) -> np.ndarray:
    """The codes (N, latent) of images (N, *shape), of the test images by default.

    Images are floats in [0, 1], or levels as integers. A conditional model needs `labels`: a class
    for all of them, by its number or its name, or (N,) numbers. `seed` is of the noise in pixels
    that are dynamic or dequantised. Raises UsageError for images that are none, and for a model
    without an encoder.
    """
    parts = observed(run, images, labels, np.random.default_rng(seed))
    return np.concatenate([run.model.codes(x, classes) for x, classes in parts])


def decode(run: ModelWithData, codes: Any, labels: Any = None, seed: int = 0) -> np.ndarray:
    """The images (n, *shape) in [0, 1] of codes (n, latent). `labels` are as in `encode`.

    Raises UsageError for codes of another shape, and for a model without a decoder.
    """
    z, latent = np.asarray(codes), run.model.latent
    if z.ndim != 2 or z.shape[1] != latent or not len(z):
        raise UsageError(f"codes of shape {z.shape}: this {run.model.name} has (n, {latent})")
    with np.errstate(over="ignore"):
        finite = z.dtype.kind in "iuf" and bool(np.isfinite(z.astype(np.float32)).all())
    if not finite:
        raise UsageError(f"codes of {z.dtype}: they must be finite numbers")
    classes, rng = classes_of(run, len(z), labels), np.random.default_rng(seed)
    return np.concatenate(
        [
            run.model.decode_codes(
                z[part].astype(np.float32), rng, None if classes is None else classes[part]
            )
            for part in batches(len(z), BATCH)
        ]
    )


def reconstruct(
    run: ModelWithData, images: Any = None, labels: Any = None, seed: int = 0
) -> np.ndarray:
    """Images (N, *shape) encoded and decoded: (N, *shape) in [0, 1]. As `encode` otherwise."""
    if images is None and labels is None and run.model.classes:
        labels = run.data.test_labels
    return decode(run, encode(run, images, labels, seed), labels, seed)


def interpolate(
    run: ModelWithData,
    a: Any = None,
    b: Any = None,
    steps: int = 9,
    way: str = "slerp",
    labels: Any = None,
    seed: int = 0,
    n: int = 1,
) -> np.ndarray:
    """From each of the images a to that of the images b, by their codes: (n, steps, *shape).

    Both are (n, *shape), as in `encode`; without them the ends are 2n samples of the prior. The
    `way` is the great arc, "slerp", or the straight line, "lerp". `labels` are the classes of the
    n ways. Raises UsageError for a model without codes.
    """
    if way not in WAYS:
        raise UsageError(f"way={way}: choose one of {', '.join(WAYS)}")
    if not isinstance(steps, int) or steps < 2:
        raise UsageError(f"steps={steps}: a whole number from 2, since the two ends are 2 already")
    check_count(n)
    if (a is None) != (b is None) or (a is not None and len(a) != len(b)):
        raise UsageError("name as many images to begin with as to end with, or none at all")
    if a is None:
        ends = run.model.sample_codes(2 * n, np.random.default_rng(seed)).reshape(2, n, -1)
        classes = classes_in_turn(run, n, labels)
    else:
        ends = np.stack([encode(run, images, labels, seed) for images in (a, b)])
        classes = classes_of(run, len(a), labels)
    z = np.concatenate([WAYS[way](*pair, steps) for pair in zip(*ends)])
    images = decode(run, z, None if classes is None else classes.repeat(steps), seed)
    return images.reshape(-1, steps, *run.model.shape)
