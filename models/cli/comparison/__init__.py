"""Trained models side by side: a page with their samples, curves and numbers, and a picture of it.

Nats can be compared only where the pixels have the same form. FID, inception score, precision and
recall can be compared only with the same classifier, which the page names. Of points of the plane
the modes that they cover and the share of good ones are counted instead.

    entry       a model, its numbers, and how good its samples are
    table       a row for each model, and what the numbers mean
    overview    the picture, a column for each model
    page        the page; `write` makes both, `figure` the picture alone
"""

from models.cli.comparison.entry import examine
from models.cli.comparison.page import figure, write

__all__ = ["examine", "figure", "write"]
