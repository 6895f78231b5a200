"""Numbers that say how good samples are.

scores        FID, inception score, precision and recall, the nearest training images
classifier    the small network whose features the first three use
"""

from models.metrics.classifier import Classifier, classifier_for
from models.metrics.scores import (
    bits_per_dim,
    fid,
    inception_score,
    interval,
    nearest,
    precision_recall,
    quality,
)

__all__ = [
    "Classifier", "bits_per_dim", "classifier_for", "fid", "inception_score", "interval", "nearest",
    "precision_recall", "quality",
]  # fmt: skip
