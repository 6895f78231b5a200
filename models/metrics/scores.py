"""How good samples are, as far as numbers can say. Each number alone misleads:

- FID: how far the samples' features are from real images', in mean and covariance;
- inception score: whether each sample is surely of some class, and all classes occur;
- precision and recall: the share of samples that look real, the share of real images reached;
- the nearest training images: whether samples are copies of them.

All but the last are computed from the features of a network (`models.metrics.features`). They can
be compared only where its fingerprint is the same, and FID only at equal numbers of images.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy  # imports its parts at their first use

from autograd import Rng
from models.data import Dataset, baseline, batches
from models.errors import UsageError
from models.metrics.features import Features

ROWS_PER_BATCH = 1000  # of a matrix of distances
MIN_IMAGES = 4  # precision and recall need a third neighbour
FLOORS = 5  # draws of training images, at most: a single one is as uncertain as an FID is


def bits_per_dim(nats: float, pixels: int) -> float:
    """Nats per image in bits per pixel."""
    return nats / (pixels * math.log(2))


def fid(a: np.ndarray, b: np.ndarray) -> float:
    """The Frechet distance of two sets of features (n, F) and (m, F), taken as Gaussians.

        |m - m'|^2 + Tr(C + C' - 2 (C C')^1/2)                      (Heusel et al. 2017, eq. 6)

    At least 0, without an upper bound. Its bias is positive and grows as the images get fewer, so
    compare it only at equal numbers of them (see `quality`). Raises UsageError for fewer than two
    images of either.
    """
    a, b = _features(a, b, least=2)
    # Centred features / sqrt(n - 1) = Q R give C = R'R without forming it. The eigenvalues of
    # C C' = R'R S'S are those of (R S')(R S')', whose roots are the singular values of R S':
    # real and not negative, where a general matrix root may come out complex.
    mean_a, mean_b = a.mean(0), b.mean(0)
    _, root_a = np.linalg.qr((a - mean_a) / math.sqrt(len(a) - 1))
    _, root_b = np.linalg.qr((b - mean_b) / math.sqrt(len(b) - 1))
    cross = np.linalg.norm(root_a @ root_b.T, "nuc")
    trace = (root_a**2).sum() + (root_b**2).sum() - 2 * cross
    return float(((mean_a - mean_b) ** 2).sum() + max(trace, 0.0))


def inception_score(probabilities: np.ndarray) -> float:
    """exp E_x KL(p(y|x) || p(y)) for p(y|x) (n, classes) (Salimans et al. 2016, section 4).

    It is 1 if the classifier sees no difference between samples. It is the number of classes (10
    for digits) if every sample is surely of one class and the classes are equally frequent. Raises
    UsageError for rows that are not probabilities.
    """
    p = _rows(probabilities, "probabilities", least=1)
    sums = p.sum(1)
    if p.min() < 0 or abs(sums - 1).max() > 1e-3:
        raise UsageError(
            f"probabilities from {p.min():.3g} to {p.max():.3g}, whose rows sum to "
            f"{sums.min():.3g} to {sums.max():.3g}: they must be 0 to 1 and sum to 1; for logits, "
            "give softmax(logits)"
        )
    log = np.log(np.maximum(p, np.finfo(np.float64).tiny))  # 0 log 0 = 0
    marginal = np.log(np.maximum(p.mean(0), np.finfo(np.float64).tiny))
    return float(np.exp((p * (log - marginal)).sum(1).mean()))


def precision_recall(real: np.ndarray, fake: np.ndarray, k: int = 3) -> tuple[float, float]:
    """The share of fakes among the real, and of the real among fakes (Kynkaanniemi et al. 2019).

    Features (n, F) are among a set if one of its members is at least as close to them as to its
    own k-th nearest neighbour in the set (eq. 1). Raises UsageError for k or fewer images.
    """
    if k < 1:
        raise UsageError(f"k={k}: neighbours are counted from 1")
    real, fake = _features(real, fake, least=k + 1)
    return _share_among(fake, real, k), _share_among(real, fake, k)


def _share_among(points: np.ndarray, members: np.ndarray, k: int) -> float:
    """The share of points within the k-th neighbour's distance of any member."""
    inside = np.zeros(len(points), bool)
    for part in batches(len(members), ROWS_PER_BATCH):
        batch = members[part]
        # The nearest to a member is itself, so the k-th neighbour is at place k from 0.
        radius = np.partition(scipy.spatial.distance.cdist(batch, members), k, axis=1)[:, k]
        inside |= (scipy.spatial.distance.cdist(batch, points) <= radius[:, None]).any(0)
    return float(inside.mean())


def _features(a: np.ndarray, b: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    a, b = _rows(a, "features", least), _rows(b, "features", least)
    if a.shape[1] != b.shape[1]:
        raise UsageError(f"features of {a.shape} and {b.shape}: both must be (n, F), with one F")
    return a, b


def _rows(values: np.ndarray, name: str, least: int) -> np.ndarray:
    """As float64. Raises UsageError unless it is (n, F) with `least` rows or more, all finite."""
    found = np.asarray(values, np.float64)
    if found.ndim != 2 or found.shape[1] == 0:
        raise UsageError(f"{name} of shape {found.shape}: they must be (n, F)")
    if len(found) < least:
        raise UsageError(f"{name} of {len(found)} images: at least {least} are needed")
    if len(wrong := np.argwhere(~np.isfinite(found))):
        row, column = wrong[0]
        raise UsageError(
            f"{name}: {found[row, column]} in row {row}; {len(wrong):,} of {found.size:,} numbers "
            "are not finite, so nothing can be measured with them"
        )
    return found


def interval(
    statistic: Callable[..., float], *arrays: np.ndarray, rng: Rng, resamples: int = 200
) -> tuple[float, float]:
    """A 95% bootstrap interval of `statistic(*arrays)`.

    The rows of every array are resampled with replacement, independently of the other arrays. The
    interval is from the 2.5th to the 97.5th percentile, moved so that its median is the statistic:
    resampling adds a second upward bias to FID, and moving removes it. The bias of FID itself
    stays, as it does in the floor and the ceiling of `quality`.
    """
    if resamples < 2:
        raise UsageError(f"resamples={resamples}: an interval needs at least 2")
    values = [
        statistic(*(a[rng.integers(len(a), size=len(a))] for a in arrays)) for _ in range(resamples)
    ]
    low, middle, high = np.percentile(values, [2.5, 50, 97.5])
    centre = statistic(*arrays)
    return float(centre + low - middle), float(centre + high - middle)


def quality(
    samples: np.ndarray,
    data: Dataset,
    pixels: str,
    features: Features,
    rng: Rng,
    resamples: int = 200,
) -> dict[str, Any]:
    """All metrics of samples (n, *shape) in [0, 1]: one row of a table of models.

    The samples are compared with test images in the form `pixels` (one of models.data.PIXELS),
    which should be that of the samples. (Compared with training images, a model that copies them
    would win.) FID depends on the number of images, so equally many of each are used, `images`, and
    two numbers show what to expect at that many:

    - floor: training against test images, the mean of at most FLOORS draws without a common image,
      which no model can be expected to beat by much;
    - ceiling: independent pixels (`models.data.baseline`), which every model should beat.

    Intervals are 95% bootstrap ones. The same seed gives the same real images, so all rows of a
    table have the same floor and ceiling. The inception score, "is", is there only where the
    features have classes. Raises UsageError for fewer than 4 samples.
    """
    n = min(len(samples), len(data.test), len(data.train))
    if n < MIN_IMAGES:
        raise UsageError(f"{n} images: at least {MIN_IMAGES} are needed to measure samples")

    def real(images: np.ndarray) -> np.ndarray:
        observed = data.observe(images, pixels, rng)
        return features.features(observed.reshape(n, *data.image_shape))

    test = real(data.test[rng.permutation(len(data.test))[:n]])
    order = rng.permutation(len(data.train))
    draws = order[: len(order) // n * n].reshape(-1, n)[:FLOORS]
    floors = [fid(real(data.train[draw]), test) for draw in draws]
    independent = features.features(baseline.sample(data, pixels, n, rng))
    samples = samples[rng.permutation(len(samples))[:n]]
    fake, probabilities = features.features(samples), features.probabilities(samples)
    precision, recall = precision_recall(test, fake)
    low, high = interval(fid, fake, test, rng=rng, resamples=resamples)
    numbers = {
        "fid": fid(fake, test),
        "fid_interval": (max(low, 0.0), high),
        "floor": float(np.mean(floors)),
        "ceiling": fid(independent, test),
        "precision": precision,
        "recall": recall,
        "images": n,
        "features": features.source,
        "fingerprint": features.fingerprint,
    }
    if probabilities is not None:
        numbers["is"] = inception_score(probabilities)
        numbers["is_interval"] = interval(
            inception_score, probabilities, rng=rng, resamples=resamples
        )
    return numbers


def nearest(train: np.ndarray, samples: np.ndarray, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The k training images nearest to each sample in pixels: indices and distances, (n, k).

    Distances are Euclidean, nearest first; 0 is a copy. Images are (.., height, width) of one size,
    in one unit. Raises ValueError for unequal sizes, UsageError for k beyond the training images
    and for pixels that are not finite.
    """
    if train.shape[1:] != samples.shape[1:]:
        raise ValueError(f"images of unequal size: {train.shape[1:]} and {samples.shape[1:]}")
    if not 1 <= k <= len(train):
        raise UsageError(f"k={k}: there are {len(train)} training images")
    x, y = (_rows(a.reshape(len(a), -1), "pixels", least=0) for a in (train, samples))
    found = np.empty((len(y), k), np.intp)
    for part in batches(len(y), ROWS_PER_BATCH):
        # |x - y|^2 without |y|^2, which changes no order
        squares = (x * x).sum(1) - 2 * y[part] @ x.T
        found[part] = np.argpartition(squares, k - 1, axis=1)[:, :k]
    distances = np.linalg.norm(x[found] - y[:, None], axis=-1)  # exactly 0 for a copy
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(found, order, 1), np.take_along_axis(distances, order, 1)
