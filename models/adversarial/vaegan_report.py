"""The report of a VAE-GAN: the three losses of its algorithm, beside a GAN's with an encoder."""

from collections.abc import Mapping
from typing import Any

from models.adversarial.encoder_report import EncoderReport
from models.adversarial.vaegan import VAEGAN
from models.pictures import Panel
from models.report import Row


class VAEGANReport(EncoderReport):
    model: VAEGAN
    real, fake, player = "x", "G(z)", "G"

    @property
    def model_name(self) -> str:
        return super().model_name.replace("VAEGAN", "VAE-GAN")

    @property
    def names(self) -> dict[str, str]:
        return super().names | {"kl": "L_prior", "feature_error": "L_llike"}

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        names, (error, *game) = self.names, super().rows(numbers)
        return [
            error,
            Row(f"{names['kl']}, the KL to p(z)", numbers["kl"], "nats"),
            Row(
                f"{names['feature_error']}, without its constant",
                numbers["feature_error"],
                "in D's features, nats",
            ),
            *game,
        ]

    def panels(self) -> list[Panel]:
        both = {"kl": "$L_{prior}$", "feature_error": "$L_{llike}$"}
        return [*super().panels(), Panel("loss of the encoder", "nats", test=both)]
