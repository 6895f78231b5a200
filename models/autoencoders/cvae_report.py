"""The report of a CVAE: as a VAE's, and the style apart from the class."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, Rng, to_device
from models import metrics, pictures
from models.autoencoders.cvae import CVAE
from models.autoencoders.vae_report import VAEReport
from models.data import in_form
from models.report import CLASSES_SHOWN, Row

STYLES = 4  # of test images, and as many of samples of z
SAMPLES = 1000  # of which the classes are read


class CVAEReport(VAEReport):
    model: CVAE
    sampler = "means of p(x|z, y)"

    @property
    def model_name(self) -> str:
        return f"CVAE ($\\beta$ = {self.model.settings.beta:g})"

    @property
    def names(self) -> dict[str, str]:
        own = {"negative_elbo": "-ELBO of p(x|y)", "kl": "KL(q(z|x,y)||p(z))"}
        return super().names | own | {"class_read_from_z": "class read from z"}

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        share = numbers["class_read_from_z"]
        remark = f"of the images, by a linear classifier; chance is {1 / self.model.classes:.2f}"
        return [*super().rows(numbers), Row(self.names["class_read_from_z"], share, remark)]

    def pictures(self, images: Array, rng: Rng) -> dict[str, Figure]:
        """Samples of each class, one style in every class, and the style of a test image."""
        share = f"{self.share_read(rng):.1%}"
        name = pictures.escape(f"{self.sampler}; {share} read as their class")
        return {
            "samples": self.samples(images, rng, name), "styles": self.styles(images, rng)
        }  # fmt: skip

    def share_read(self, rng: Rng) -> float:
        """The share of samples that a classifier reads as the class that was asked for."""
        labels = np.arange(SAMPLES) % self.model.classes
        samples = in_form(self.model.sample_means(SAMPLES, rng, labels), self.model.pixels)
        found = metrics.classifier_for(self.data).probabilities(samples)
        return float((found.argmax(1) == labels).mean())

    def styles(self, images: Array, rng: Rng) -> Figure:
        """Rows: a sample of z, or a test image's z. Columns: the classes it is decoded with."""
        model, data = self.model, self.data
        shown = min(model.classes, CLASSES_SHOWN)
        chosen = rng.permutation(len(images))[:STYLES]
        labels = np.asarray(data.test_labels)[chosen]
        z = np.concatenate(
            [model.codes(images[chosen], labels), rng.standard_normal((STYLES, model.latent))]
        )
        columns = np.tile(np.arange(shown), len(z))
        decoded = model.decode_codes(np.repeat(z, shown, axis=0), rng, columns)
        each = list(decoded.reshape(len(z), shown, *model.shape))
        white = np.full((1, *model.shape), 0.0 if data.ink else 1.0)
        given = to_device(images[chosen], "cpu").reshape(-1, 1, *model.shape)
        first = [*given, *[white] * STYLES]
        rows = [np.concatenate([image, white, row]) for image, row in zip(first, each)]
        names = ["style of"] * len(chosen) + ["z ~ N(0, I)"] * STYLES
        title = f"{self.title}\nmeans of p(x|z, y): one z in each row, one class in each column"
        heads = ["image", ""] + [pictures.escape(data.class_name(c)) for c in range(shown)]
        return pictures.rows(rows, title, names, columns=heads, ink=data.ink)
