"""A small network from images to features, trained once for a data set and kept in a cache.

FID and the inception score are defined with a network trained on ImageNet, which is of no use for
digits of 8 x 8 pixels. This one is trained on the images of the data set itself. Numbers from
different networks cannot be compared, so each is printed with the `fingerprint` of its network.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from autograd import Tensor, nn, no_grad, optim, relu
from models.data import Dataset, Labels, Shape, batches, channels_of, planes
from models.errors import Failure
from models.files import read_arrays, write_arrays
from models.metrics.augmentation import in_random_form, warped
from models.progress import bar

FEATURES = 32  # few, so that the covariance of a few hundred images is well estimated
RECIPE = "1"  # increase it when the data or the training change: older caches are then ignored
BATCH, LEARNING_RATE, MIN_STEPS, EPOCHS = 100, 6e-3, 900, 4
LARGE = 28 * 28  # numbers of an image: of more, a third of the least steps has to do
EVALUATION_BATCH = 500


class Encoder(nn.Module):
    """Two convolutions and a layer of FEATURES; what its training adds to it says what they are.

    For images (height, width) or (height, width, 3), of any size.
    """

    source: str = ""  # of the features, in words to print beside a number

    def __init__(self, shape: Shape, seed: int, rng: np.random.Generator):
        self.shape, self.seed = shape, seed
        sides = shape[:2]
        stride = 1 if max(sides) <= 8 else 2
        self.conv1 = nn.Conv2d(channels_of(shape), 16, 3, rng, stride=stride, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, rng, stride=2, padding=1)
        height, width = (-(-side // (2 * stride)) for side in sides)  # halved, rounded up
        self.hidden = nn.Linear(32 * height * width, FEATURES, rng)

    def encode(self, x: np.ndarray) -> Tensor:
        """Images (N, *shape) to the features (N, FEATURES)."""
        h = relu(
            self.conv2(
                relu(self.conv1(planes(x.reshape(len(x), math.prod(self.shape)), self.shape)))
            )
        )
        return relu(self.hidden(h.reshape(len(x), self.hidden.weight.shape[1])))

    def loss(self, x: np.ndarray, labels: Labels) -> Tensor:
        """What its training minimises, a mean over images (N, *shape) with their labels (N,)."""
        raise NotImplementedError(f"{type(self).__name__} has no `loss`")

    def features(self, images: np.ndarray) -> np.ndarray:
        """Images (n, *shape) in [0, 1] to (n, FEATURES), float64.

        Raises ValueError for images of another size or range.
        """
        with no_grad():
            return np.concatenate([self.encode(x).numpy() for x in self.parts(images)], dtype=float)

    def probabilities(self, images: np.ndarray) -> np.ndarray | None:
        """p(y|x), (n, classes) float64, for images (n, *shape); None of an unlabelled class."""
        return None

    def parts(self, images: np.ndarray) -> list[np.ndarray]:
        """Batches of the images, one at least, as float32. Raises ValueError as `features`."""
        images = np.asarray(images, np.float32)
        if images.shape[1:] != self.shape:
            raise ValueError(f"images of {images.shape[1:]}: this network is for {self.shape}")
        if images.size and not 0 <= images.min() <= images.max() <= 1:
            raise ValueError(f"pixels {images.min():g} to {images.max():g}: they must be in [0, 1]")
        return [images[part] for part in batches(max(len(images), 1), EVALUATION_BATCH)]

    @property
    def fingerprint(self) -> str:
        """Identifies the network; to print beside every number that it gives."""
        return f"seed {self.seed}, weights {_digest(self.state())[:12]}"


def train_or_read(network: Encoder, data: Dataset, kind: str, about: str, cache: Path) -> None:
    """Give the network the weights that `cache` has of this training, or else train it.

    `kind` is in the name of the file; `about` says on what it was trained, beside the data.
    """
    name = re.sub(r"[^\w.-]+", "-", data.name)[:40]
    path = cache / f"{name}-{data.checksum[:12]}-{kind}seed-{network.seed}.safetensors"
    trained_on = f"{data.name} {data.checksum} {about}seed {network.seed} recipe {RECIPE}"
    if _read(network, path, trained_on):
        return
    train(network, data)
    with suppress(Failure, OSError):  # without a cache it is trained again next time
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"trained_on": trained_on, "sha256": _digest(network.state())}
        write_arrays(path, network.state(), metadata)


def _read(network: Encoder, path: Path, trained_on: str) -> bool:
    """Load the weights, if `path` has those of this training undamaged; returns whether it does."""
    with suppress(Failure, ValueError):  # missing, damaged, or of another network
        weights, about = read_arrays(path)
        if about.get("trained_on") == trained_on and about.get("sha256") == _digest(weights):
            network.load_state(weights)
            return True
    return False


def _digest(weights: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of arrays, in the order of their names."""
    return hashlib.sha256(b"".join(weights[name].tobytes() for name in sorted(weights))).hexdigest()


def train(network: Encoder, data: Dataset) -> None:
    """Adam on the loss of training images, each warped a little, in a random form."""
    rng = np.random.default_rng([network.seed, 1])
    least = MIN_STEPS if data.train[0].size <= LARGE else MIN_STEPS // 3
    steps = max(least, EPOCHS * len(data.train) // BATCH)
    adam = optim.Adam(network.parameters(), optim.cosine_schedule(LEARNING_RATE, 0, steps))
    kind = type(network).__name__.lower()
    with bar(f"training the {kind} that measures {data.name}", steps, "step") as progress:
        for _ in range(steps):
            chosen = rng.integers(len(data.train), size=BATCH)
            images = data.train[chosen] / np.float32(data.levels - 1)
            x = in_random_form(warped(images, rng, data.ink), rng)
            labels = None if data.train_labels is None else data.train_labels[chosen]
            loss = network.loss(x, labels)
            network.zero_grad()
            loss.backward()
            adam.step()
            progress.update()


def default_cache(cache: str | Path | None) -> Path:
    """`cache`, or else the user's."""
    if cache is None:
        import pooch

        return Path(pooch.os_cache("chainrule")) / "classifiers"
    return Path(cache)
