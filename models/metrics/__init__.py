"""Numbers that say how good samples are.

scores         FID, inception score, precision and recall, the nearest training images
distance       of two sets of points, such as codes
faithfulness   squared error, sharpness and class of reconstructions
features       whose features the first three use: a classifier's, an autoencoder's, or given ones
encoder        the small network of both, its training and its cache
classifier     with the classes of the data; `autoencoder`, where there are none
augmentation   what their training does to images
"""

from models.metrics.autoencoder import autoencoder_for
from models.metrics.classifier import Classifier, classifier_for
from models.metrics.distance import energy_distance
from models.metrics.faithfulness import faithfulness
from models.metrics.features import Features, features_for
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
    "Classifier", "Features", "autoencoder_for", "bits_per_dim", "classifier_for",
    "energy_distance", "faithfulness", "features_for", "fid", "inception_score", "interval",
    "nearest", "precision_recall", "quality",
]  # fmt: skip
