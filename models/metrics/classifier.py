"""A small classifier of a data set's own classes, to measure samples with."""

import hashlib
import math
from pathlib import Path

import numpy as np

from autograd import Tensor, cross_entropy, nn, no_grad, softmax
from models.data import Dataset, Labels, Shape, load
from models.errors import Failure
from models.metrics.encoder import Encoder, default_cache, train_or_read

LABELLED = {"binarized-mnist": "mnist"}  # data without labels: the same images with labels


class Classifier(Encoder):
    """The encoder, and the logits of the classes."""

    source = "chainrule's classifier"

    def __init__(self, shape: Shape, classes: int, seed: int):
        rng = np.random.default_rng(seed)
        super().__init__(shape, seed, rng)
        self.accuracy = math.nan
        self.output = nn.Linear(self.hidden.weight.shape[0], classes, rng)

    def forward(self, x: np.ndarray) -> Tensor:
        """Images (N, *shape) to the logits (N, classes)."""
        return self.output(self.encode(x))

    def loss(self, x: np.ndarray, labels: Labels) -> Tensor:
        """The cross-entropy, in nats."""
        return cross_entropy(self(x), labels).mean()

    @no_grad()
    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """p(y|x), (n, classes) float64, for images (n, *shape) in [0, 1]."""
        logits = [self(x).numpy() for x in self.parts(images)]
        return softmax(np.concatenate(logits, dtype=float))


def classifier_for(
    data: Dataset,
    seed: int = 0,
    cache: str | Path | None = None,
    data_dir: str | Path | None = None,
) -> Classifier:
    """The classifier of a data set, read from `cache` (by default the user's), else trained.

    Training takes 4 seconds for the digits and 40 for MNIST. The same seed gives the same weights
    on the same machine. `binarized-mnist` has no labels, so the classifier of `mnist` is used; its
    files are looked for in `data_dir`. Raises Failure for data without labels, or if `mnist` cannot
    be read.
    """
    if data.name in LABELLED:
        data = load(LABELLED[data.name], data_dir)
    if data.train_labels is None or data.test_labels is None or data.train.ndim < 3:
        raise Failure(f"{data.name} has no labelled images, so no classifier can be trained on it")
    classifier = Classifier(data.image_shape, data.classes, seed)
    labels = hashlib.sha256(data.train_labels.astype(np.int64).tobytes()).hexdigest()
    train_or_read(classifier, data, "", f"{labels} ", default_cache(cache))
    test = data.observe(data.test, "levels", np.random.default_rng()).reshape(data.test.shape)
    predicted = classifier.probabilities(test).argmax(1)
    classifier.accuracy = float((predicted == data.test_labels).mean())
    return classifier
