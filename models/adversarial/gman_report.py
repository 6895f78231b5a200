"""The report of a GMAN: the weights that its generator gives to the discriminators."""

import math

from models.adversarial.gan_report import GANReport
from models.adversarial.gman import GMAN
from models.adversarial.losses import LOSSES
from models.pictures import Panel


class GMANReport(GANReport):
    model: GMAN

    @property
    def model_name(self) -> str:
        s = self.model.settings
        temperature = f"$\\lambda$ = {s.inverse_temperature:g}"
        return (
            f"{self.conditional}GMAN ({s.discriminators} discriminators, {temperature}, {s.loss})"
        )

    def panels(self) -> list[Panel]:
        """The loss of G is F, which has the terms of the data too."""
        s = self.model.settings
        unit = "units of the critic f" if LOSSES[s.loss].has_critic else "nats"
        level = ("$-$log 4", -math.log(4)) if s.loss == "minimax" else ("0", 0.0)
        equilibrium = {f"{level[0]}, where no D can tell": level[1]}
        weights = {f"1/{s.discriminators}, all the same": 1 / s.discriminators, "1, one alone": 1.0}
        return [
            Panel("loss of D, their mean", unit, {"discriminator_loss": "train"}),
            Panel("F(V), the loss of G", unit, {"generator_loss": "train"}, lines=equilibrium),
            Panel("largest weight of a D", "", {"largest_weight": "train"}, lines=weights),
        ]
