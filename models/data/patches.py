"""Patches of the two photographs that scikit-learn ships: a set in colour that needs no network."""

import numpy as np

from models.data.dataset import Dataset

PHOTOGRAPHS = ("china", "flower")
TEST = 400  # patches


def patches(size: int = 16, seed: int = 0) -> Dataset:
    """2,080 patches of size x size pixels, 256 levels of R, G and B, which do not overlap.

    The class is the photograph: a temple in China, or a dahlia.
    """
    from sklearn.datasets import load_sample_image

    photographs = [load_sample_image(f"{name}.jpg") for name in PHOTOGRAPHS]  # 427 x 640
    cut = [_cut(photograph, size) for photograph in photographs]
    order = np.random.default_rng(seed).permutation(sum(map(len, cut)))
    images = np.concatenate(cut)[order]
    labels = np.repeat(np.arange(len(cut)), list(map(len, cut)))[order]
    parts = images[TEST:], images[:TEST], labels[TEST:], labels[:TEST]
    return Dataset("patches", 256, *parts, PHOTOGRAPHS)


def _cut(photograph: np.ndarray, size: int) -> np.ndarray:
    """(height, width, 3) to (N, size, size, 3), without what is left at two of the edges."""
    rows, columns = (side // size for side in photograph.shape[:2])
    blocks = photograph[: rows * size, : columns * size].reshape(rows, size, columns, size, 3)
    return blocks.swapaxes(1, 2).reshape(-1, size, size, 3)
