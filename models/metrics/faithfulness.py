"""How faithful reconstructions are. Each number alone misleads: a blur has a small error."""

import numpy as np

from models.data import Dataset, Labels
from models.metrics.classifier import classifier_for


def faithfulness(
    data: Dataset, images: np.ndarray, found: np.ndarray, labels: Labels = None
) -> dict[str, float]:
    """Of images (n, *shape) in [0, 1] and their reconstructions.

    - squared_error: summed over pixels, a mean over the images;
    - sharpness: the squared differences of neighbours in the reconstructions, as a multiple of
      those in the images. It is 1 if they are as sharp, less if they are blurred;
    - same_class, with the images' labels: the share of reconstructions that the data's classifier
      takes for the class of their image.
    """
    error = ((images - found) ** 2).reshape(len(images), -1).sum(1).mean()
    sharpness = _roughness(found) / max(_roughness(images), 1e-12)
    numbers = {"squared_error": float(error), "sharpness": float(sharpness)}
    if labels is not None and data.train_labels is not None:
        predicted = classifier_for(data).probabilities(found).argmax(1)
        numbers["same_class"] = float((predicted == labels).mean())
    return numbers


def _roughness(images: np.ndarray) -> float:
    """The squared differences of vertical and of horizontal neighbours, summed."""
    return sum(float((np.diff(images, axis=axis) ** 2).sum()) for axis in (1, 2))
