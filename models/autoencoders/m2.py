"""Semi-supervised learning by a generative model, called M2 (Kingma, Rezende, Mohamed & Welling
2014, "Semi-supervised Learning with Deep Generative Models").

A CVAE in which the class y is a second latent variable, with p(y) = 1/classes. A few images come
with their class. For them it is known, and the bound is the CVAE's:

    log p(x, y) >= E_q(z|x,y) [log p(x|z, y) + log p(y) + log p(z) - log q(z|x, y)] = -L(x, y)
                                                                                           (eq. 6)
For all others q(y|x), a classifier, says what they may be, and each class counts by its share:

    log p(x) >= sum_y q(y|x) (-L(x, y)) + H(q(y|x)) = -U(x)                                (eq. 7)

The labelled images train q(y|x) too: alpha weighs their -log q(y|x), which is not in the bounds.
Everything is in nats per image. With N images, J^alpha / N is what is minimised, and our alpha is
the paper's divided by N; it takes 0.1 N.
"""

import copy
import dataclasses
import math
from typing import Any, Self

import numpy as np

from autograd import Rng, Tensor, drawn, nn, no_grad
from autograd.ops import cross_entropy, exp, log_softmax
from models.autoencoders.cvae import CVAE
from models.autoencoders.m2_settings import DEFAULTS, Settings
from models.autoencoders.networks import encoder
from models.data import Dataset, Labels
from models.errors import UsageError
from models.model import Loss, Numbers


class M2(CVAE):
    """A CVAE, and q(y|x), a network like its encoder."""

    settings_type, defaults = Settings, DEFAULTS
    known: Dataset  # its training images are those whose labels are known; of the seed, not saved
    share = 1.0  # of them among the training images

    def build_networks(self, rng: Rng) -> None:
        super().build_networks(rng)
        features, width = encoder(self.settings, self.shape, rng)
        self.classifier = nn.Sequential(features, nn.Linear(width, self.classes, rng))

    @classmethod
    def for_data(cls, settings: Settings, data: Dataset, rng: Rng) -> Self:
        known = with_labels(data, settings.labelled, rng)  # first: the same for other networks
        model = super().for_data(settings, data, rng)
        model.known = known
        model.share = len(known.train) / len(data.train)
        return model

    def told_each(self) -> "M2":
        """This model, told each class of every image: what it gives is (classes, N, ...)."""
        told = copy.copy(self)
        told.y = self.sent(lambda: np.eye(self.classes))[:, None]
        return told

    def unlabelled_bound(self, x: Any, rng: Rng, beta: float = 1.0) -> Tensor:
        """U(x) in nats for images (N, pixels), (N,): with beta = 1 at least -log p(x)."""
        reconstruction, kl = self.told_each().terms(x, rng)  # encoder(x) is computed once
        labelled = reconstruction + beta * kl + math.log(self.classes)  # L(x, y)          (eq. 6)
        log_q = log_softmax(self.classifier(x))
        return (exp(log_q) * (labelled.T + log_q)).sum(axis=-1)  # U(x)                    (eq. 7)

    def loss(self, x: Any, rng: Rng, epoch: float = math.inf, labels: Labels = None) -> Loss:
        """J^alpha / N, of the images x without labels and as many as there are with one.

        `labels`, of the images x, are not used.
        """
        self.check_pixels(x)
        known, y = self.batch_of_known(rng)
        given_y, parts = super().loss(known, rng, epoch, y)  # at least -log p(x|y)
        loss = given_y + math.log(self.classes)  # L(x, y)                                 (eq. 6)
        if self.settings.unlabelled and self.share < 1:
            unlabelled = self.unlabelled_bound(x, rng, self.beta_at(epoch)).mean()
            loss = self.share * loss + (1 - self.share) * unlabelled  # J / N              (eq. 8)
            parts["unlabelled"] = unlabelled.data
        classification = cross_entropy(self.classifier(known), self.sent(lambda: y, int)).mean()
        parts["classification"] = classification.data
        return loss + self.settings.alpha * classification, parts  # J^alpha / N           (eq. 9)

    def batch_of_known(self, rng: Rng) -> tuple[Any, np.ndarray]:
        """At most `batch` labelled images, (n, pixels), and their classes, (n,)."""
        known, labels = self.known.train, np.asarray(self.known.train_labels)
        chosen = drawn(lambda: rng.permutation(len(known))[: self.settings.batch])
        x = self.sent(lambda: self.known.observe(known[chosen], self.pixels, rng))
        return x, drawn(lambda: labels[chosen])

    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """As a CVAE's, of p(x|y); "unlabelled", the bound U(x) on -log p(x); and "accuracy", 1
        where the likeliest class of q(y|x) is the image's, else 0.
        """
        numbers = super().evaluate(x, rng, labels, thorough)
        with no_grad():
            numbers["unlabelled"] = self.unlabelled_bound(x, rng).numpy()
            found = self.classifier(x).numpy().argmax(axis=1)
        numbers["accuracy"] = (found == self.classes_of(len(x), labels)).astype(float)
        return numbers


def with_labels(data: Dataset, count: int, rng: Rng) -> Dataset:
    """`data` with so many of its training images, as evenly over the classes as can be; 0: all.

    Raises UsageError if there are not as many, or if a class would have none.
    """
    if not count or not data.classes:  # without classes no model is made
        return data
    if not data.classes <= count <= len(data.train):
        raise UsageError(
            f"labelled={count:,}: {data.name} has {data.classes:,} classes and {len(data.train):,} "
            "training images; take at least one of each class, or 0 for all"
        )
    labels = np.asarray(data.train_labels)
    order = rng.permutation(len(labels))
    turn = np.empty(len(labels), int)  # 0 for the first image of each class in this order, then 1
    for c in range(data.classes):
        of_class = order[labels[order] == c]
        turn[of_class] = np.arange(len(of_class))
    chosen = np.sort(order[np.argsort(turn[order], kind="stable")][:count])
    return dataclasses.replace(
        data, train=data.train[chosen], train_labels=labels[chosen], known_checksum=""
    )
