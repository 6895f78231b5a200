"""Which features measure the samples of a data set: its classifier's, an autoencoder's, or given.

A classifier of the data's own labels comes first. Without labels, or where they say too little,
an autoencoder of the images has features too. Or a person brings a function of images.
"""

import hashlib
import os
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from models.data import Dataset, Points
from models.errors import Failure, UsageError
from models.metrics.autoencoder import autoencoder_for
from models.metrics.classifier import LABELLED, classifier_for

MIN_PER_CLASS = 5  # training images, on average: fewer teach a classifier nothing about a class


class Features(Protocol):
    """What measures images (n, *shape) in [0, 1]: a trained network, or a function that is given.

    `source` says in words whose features they are, and `fingerprint` identifies them: both are
    printed beside every number. `probabilities` are None where no classes are known.
    """

    @property
    def source(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    def features(self, images: np.ndarray) -> np.ndarray: ...

    def probabilities(self, images: np.ndarray) -> np.ndarray | None: ...


def features_for(
    data: Dataset,
    given: Callable[[np.ndarray], np.ndarray] | str | None = None,
    cache: str | Path | None = None,
    data_dir: str | Path | None = None,
) -> Features:
    """The features that measure samples of `data`.

    `given` is a function of images (n, *shape) in [0, 1] to (n, F), or "module:function", which is
    looked for in the current folder too. Without it they are those of a classifier, if there are
    two classes or more with MIN_PER_CLASS training images on average, or else of an autoencoder;
    either is trained once (`cache`, `data_dir`: see `classifier_for`). Raises UsageError for
    points, and for a function that cannot be found.
    """
    if isinstance(data, Points):
        raise UsageError(f"{data.name} has points of the plane: these numbers are of images")
    if given is not None:
        return Given(given, data)
    enough = data.classes >= 2 and len(data.train) >= MIN_PER_CLASS * data.classes
    if enough or data.name in LABELLED:
        return classifier_for(data, cache=cache, data_dir=data_dir)
    return autoencoder_for(data, cache=cache)


class Given:
    """Features by a person's own function; raises Failure where it fails."""

    def __init__(self, function: Callable[[np.ndarray], np.ndarray] | str, data: Dataset):
        self.function = _found(function) if isinstance(function, str) else function
        name = getattr(function, "__qualname__", str(function))
        self.source = f"the function {name}"
        # Of noise, so that it does not depend on the data, and another network has another one.
        noise = np.random.default_rng(0).random((8, *data.image_shape), np.float32)
        digest = hashlib.sha256(self.features(noise).tobytes()).hexdigest()
        self.fingerprint = f"of noise {digest[:12]}"

    def features(self, images: np.ndarray) -> np.ndarray:
        """Images (n, *shape) in [0, 1] to (n, F), float64."""
        try:
            found = np.asarray(self.function(np.asarray(images, np.float32)), np.float64)
        except Exception as error:
            raise Failure(f"{self.source} failed: {type(error).__name__}: {error}") from error
        if found.ndim != 2 or len(found) != len(images):
            raise Failure(
                f"{self.source} returned {found.shape} for images {images.shape}: it is to return "
                f"({len(images)}, F), a row for each"
            )
        return found

    def probabilities(self, images: np.ndarray) -> None:
        """None: no classes are known."""
        return None


def _found(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """The function of "module:function". Raises UsageError if there is none."""
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)
    try:
        if ":" not in name:
            raise ValueError("a module and a function, with a colon between them, are needed")
        function = pkgutil.resolve_name(name)
    except Exception as error:  # also one of the module itself
        raise UsageError(
            f"--features {name}: {error}; name a function of images as module:function"
        ) from error
    if not callable(function):
        raise UsageError(f"--features {name} is no function")
    return function
