"""The likelihood of each image, to find outliers by, and the class that makes it likeliest."""

import math
from typing import Any

import numpy as np
import scipy  # imports its parts at their first use

from autograd import Array
from models.errors import UsageError
from models.outputs.given import ModelWithData, observed
from models.outputs.image_files import png


def score(run: ModelWithData, images: Any = None, labels: Any = None, seed: int = 0) -> np.ndarray:
    """-log p(x) of each image, in nats, (N,), or the bound on it that the model has.

    Of a conditional model it is -log p(x|c) where the classes are given, else that of the mixture
    of its classes. Images and labels are as in `encode`, and `run.model.nll_is_exact` says which
    it is. Raises UsageError for a model without a likelihood.
    """
    _refuse_without_likelihood(run)
    rng, found = np.random.default_rng(seed), []
    for x, classes in observed(run, images, labels, rng, needed=False):
        if run.model.classes and classes is None:
            found.append(-scipy.special.logsumexp(_log_joint(run, x, seed), axis=1))
        else:
            found.append(run.model.evaluate(x, rng, classes, thorough=True)["nll"])
    return np.concatenate(found)


def log_posterior(run: ModelWithData, images: Any = None, seed: int = 0) -> np.ndarray:
    """log p(c|x) of each class, (N, classes), by Bayes: log p(x|c) + log p(c) - log p(x).

    p(c) is the share of the class among the training images. A bound in the place of log p(x|c)
    makes it an approximation. Raises UsageError for a model without classes or likelihood.
    """
    _refuse_without_likelihood(run)
    if not run.model.classes:
        run.model.classes_of(1, np.zeros(1, int))  # raises, and says why
    parts = observed(run, images, None, np.random.default_rng(seed), needed=False)
    log_softmax = scipy.special.log_softmax
    return np.concatenate([log_softmax(_log_joint(run, x, seed), axis=1) for x, _ in parts])


def classify(run: ModelWithData, images: Any = None, seed: int = 0) -> np.ndarray:
    """The likeliest class of each image, (N,). As `log_posterior` otherwise."""
    return log_posterior(run, images, seed).argmax(axis=1)


def _log_joint(run: ModelWithData, x: Array, seed: int) -> np.ndarray:
    """log p(x|c) + log p(c), (N, classes): each class with the same noise, so that it cancels."""
    model, n = run.model, len(x)
    counts = 1 + np.bincount(np.asarray(run.data.train_labels), minlength=model.classes)
    nll = [
        model.evaluate(x, np.random.default_rng(seed), np.full(n, c), thorough=True)["nll"]
        for c in range(model.classes)
    ]
    return np.log(counts / counts.sum()) - np.stack(nll, axis=1)


def _refuse_without_likelihood(run: ModelWithData) -> None:
    if not run.model.likelihood:
        raise UsageError(f"this {run.model.name} has no likelihood, so its images have no score")


def bits_per_dim(run: ModelWithData, nats: np.ndarray) -> np.ndarray:
    """Nats of an image as bits for each of its numbers."""
    return nats / math.log(2) / math.prod(run.model.shape)


def auroc(inside: np.ndarray, outside: np.ndarray) -> float:
    """How often one outside has a higher score than one inside: 1/2 is chance (Hanley 1982)."""
    from sklearn.metrics import roc_auc_score

    which = np.repeat([0, 1], [len(inside), len(outside)])
    return float(roc_auc_score(which, np.concatenate([inside, outside])))


def complexity(images: np.ndarray) -> float:
    """Bytes of an image as a PNG file, the mean of images uint8 (N, *shape).

    Simple images are likely, whatever they show (Serra et al. 2020, "Input complexity and
    out-of-distribution detection with likelihood-based generative models").
    """
    return float(np.mean([len(png(image)) for image in images]))
