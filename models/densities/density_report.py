"""The report of a density: its training curve says what lies between it and the nats of levels."""

import math

from models.pictures import Panel
from models.report import Report


class DensityReport(Report):
    @property
    def loss_curve(self) -> Panel:
        """-log of the density; a level of an image is 1 / levels wide, in each of its pixels."""
        label, levels = "train", self.model.levels
        if levels:
            pixels = math.prod(self.model.shape)
            label += f"\n(of levels: + {pixels} log {levels} = {pixels * math.log(levels):.2f})"
        return Panel("loss: $-$log of the density", "nats", {"loss": label})
