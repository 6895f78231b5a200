"""Data to learn from, and the forms in which a model gets them.

dataset    Dataset: images of whole levels; the four forms of their pixels
mnist      MNIST, Fashion-MNIST and Larochelle's binary MNIST
colour_sets  CIFAR-10 and SVHN
sources    the files of both: checksums, downloads
patches    patches of two photographs, in colour
ring       Points: Gaussians on a ring in the plane, and how many of them samples cover
own        a person's own pictures: a folder, a .npz or a .npy
    reading     how they are read: size, colour and so on
    listing     the files
    collection  the pictures in them, each of its own size
    picture     a file as Pillow reads it
    store       what was decoded, in the user's cache
load       every data set by its name
baseline   the factorised model, which every other should beat
"""

from models.data.dataset import (
    MANY,
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
from models.data.load import DATASETS, PICTURES, load, resolved
from models.data.own import Images, read_images
from models.data.reading import AS_IT_IS, Reading
from models.data.ring import Points

__all__ = [
    "AS_IT_IS",
    "DATASETS",
    "MANY",
    "PICTURES",
    "PIXELS",
    "Dataset",
    "Images",
    "Labels",
    "Points",
    "Reading",
    "Shape",
    "batches",
    "channels_of",
    "flat",
    "in_form",
    "load",
    "planes",
    "read_images",
    "resolved",
]
