"""The report of an adversarial autoencoder: the codes of images over the prior."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, Rng
from models import pictures
from models.adversarial.aae import AAE
from models.adversarial.encoder_report import EncoderReport
from models.adversarial.priors import roll
from models.pictures import Panel
from models.report import Row

PRIOR_POINTS = 2000  # samples of the prior below the codes
ALONG = (4, 15)  # rows and columns of images along the roll


class AAEReport(EncoderReport):
    model: AAE
    real, fake, player = "z", "E(x)", "E"

    @property
    def model_name(self) -> str:
        prior = self.model.settings.prior
        return f"{super().model_name}, {'Gaussian' if prior == 'gaussian' else prior} prior"

    @property
    def names(self) -> dict[str, str]:
        return super().names | {"prior_distance": "distance of codes from p(z)"}

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        distance = Row(self.names["prior_distance"], numbers["prior_distance"], "0 if matched")
        error, *game = super().rows(numbers)
        return [error, distance, *game]

    def panels(self) -> list[Panel]:
        distance = {"prior_distance": "test"}
        return [
            *super().panels(),
            Panel("codes and prior", "energy distance", test=distance, lines={"0": 0.0}),
        ]

    def prior_samples(self, rng: Rng) -> np.ndarray:
        return self.model.sample_codes(PRIOR_POINTS, rng)

    def pictures(self, images: Array, rng: Rng) -> dict[str, Figure]:
        found = super().pictures(images, rng)
        if self.model.settings.prior == "swiss-roll":
            rows, columns = ALONG
            z = roll((np.arange(rows * columns) + 0.5) / (rows * columns))
            made = np.split(self.decoded(z), rows)
            title = f"{self.title}{self.of_class}\ndecoded along the roll, from its centre outwards"
            found["along_the_roll"] = pictures.rows(made, title, ink=self.data.ink)
        return found
