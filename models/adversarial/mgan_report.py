"""The report of an MGAN: which generator makes what."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, Rng
from models import pictures
from models.adversarial.gan_report import GANReport
from models.adversarial.mgan import MGAN
from models.data import Points
from models.pictures import Panel
from models.report import IMAGES_PER_ROW, Row

GENERATORS_SHOWN = 12
POINTS_SHOWN = 300  # of each


class MGANReport(GANReport):
    model: MGAN

    @property
    def model_name(self) -> str:
        s = self.model.settings
        return (
            f"{self.conditional}MGAN ({s.generators} generators, $\\beta$ = {s.beta:g}, {s.loss})"
        )

    @property
    def names(self) -> dict[str, str]:
        return super().names | {
            "accuracy": "samples whose generator C knows",
            "information": "JSD of the generators, at least",
        }

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        k = self.model.settings.generators
        log_k = f"log {k} = {math.log(k):.3f} where no two make the same"
        return [
            *super().rows(numbers),
            Row(self.names["accuracy"], numbers["accuracy"], f"1/{k} by chance"),
            Row(self.names["information"], numbers["information"], log_k),
        ]

    def panels(self) -> list[Panel]:
        log_k = {f"log {self.model.settings.generators}": math.log(self.model.settings.generators)}
        classifier = Panel("loss of C", "nats", {"cross_entropy": "train"}, lines=log_k)
        return [*super().panels(), classifier]

    def pictures(self, images: Array, rng: Rng) -> dict[str, Figure]:
        """As of a GAN, and samples of each generator, all of the same z."""
        return super().pictures(images, rng) | {"generators": self.generators(rng)}

    def generators(self, rng: Rng) -> Figure:
        """Samples of each generator: a row of images, or a panel of points."""
        model, data = self.model, self.data
        count = model.settings.generators
        n = POINTS_SHOWN if isinstance(data, Points) else IMAGES_PER_ROW
        z = rng.standard_normal((n, model.settings.latent), dtype=np.float32)
        one_hot = np.eye(count, dtype=np.float32)[: min(count, GENERATORS_SHOWN)]
        codes = [np.concatenate([z, np.tile(k, (n, 1))], axis=1) for k in one_hot]
        labels = np.zeros(n, int) if model.classes else None
        made = {
            f"$G_{{{i}}}$": model.decode_codes(code, rng, labels)
            for i, code in enumerate(codes, start=1)
        }
        title = f"{self.title}\nsamples of each generator, of the same z"
        if isinstance(data, Points):
            return pictures.scatter(data, made, title)
        title += f", of class {pictures.escape(data.class_name(0))}" * bool(model.classes)
        return pictures.rows(list(made.values()), title, list(made), ink=data.ink)
