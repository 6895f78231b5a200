"""The report of an M2: as a CVAE's, with the classes that q(y|x) finds."""

from collections.abc import Mapping
from typing import Any

from models.autoencoders.cvae_report import CVAEReport
from models.autoencoders.m2 import M2
from models.pictures import Panel, typeset
from models.report import Row


class M2Report(CVAEReport):
    model: M2
    first, unit = "accuracy", ""

    @property
    def model_name(self) -> str:
        alone = "" if self.model.settings.unlabelled else ", no other images"
        return f"M2 ({len(self.model.known.train):,} labels{alone})"

    @property
    def names(self) -> dict[str, str]:
        own = {"accuracy": "accuracy of q(y|x)", "unlabelled": "-log p(x), at most U(x)"}
        return super().names | own

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        remark = f"of the images; {len(self.model.known.train):,} labels were known"
        names, unlabelled = self.names, numbers["unlabelled"]
        return [
            Row(names["accuracy"], numbers["accuracy"], remark),
            Row(names["unlabelled"], unlabelled, self.bits_per_dim(unlabelled)),
            *super().rows(numbers),
        ]

    def panels(self) -> list[Panel]:
        """U(x) of all images, -ELBO of p(x|y) of the labelled ones and the test's, and accuracy."""
        line = self.baseline_line
        u, elbo = {"unlabelled": "train"}, {"negative_elbo": "labelled"}
        return [
            Panel("U(x)", "nats per image", u, {"unlabelled": "test"}, line),
            Panel(
                typeset(self.names["negative_elbo"]),
                "nats per image",
                elbo,
                {"negative_elbo": "test"},
                line,
            ),
            Panel(self.names["accuracy"], "", {}, {"accuracy": "test"}),
        ]
