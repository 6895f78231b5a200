"""Data to learn from, and the forms in which a model gets them.

dataset    Dataset: images of whole levels; the four forms of their pixels
mnist      MNIST, Fashion-MNIST and Larochelle's binary MNIST: files, checksums, downloads
patches    patches of two photographs, in colour
ring       Points: Gaussians on a ring in the plane, and how many of them samples cover
load       every data set by its name
baseline   the factorised model, which every other should beat
"""

from models.data.dataset import (
    PIXELS,
    Dataset,
    Labels,
    Shape,
    batches,
    channels_of,
    flat,
    in_form,
    planes,
)
from models.data.load import DATASETS, PICTURES, load
from models.data.ring import Points

__all__ = [
    "DATASETS",
    "PICTURES",
    "PIXELS",
    "Dataset",
    "Labels",
    "Points",
    "Shape",
    "batches",
    "channels_of",
    "flat",
    "in_form",
    "load",
    "planes",
]
