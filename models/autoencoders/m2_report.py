"""The report of an M2: as a CVAE's, with the classes that q(y|x) finds."""

from collections.abc import Mapping
from typing import Any

from models.autoencoders.cvae_report import CVAEReport
from models.autoencoders.m2 import M2
from models.pictures import Panel
from models.report import Row


class M2Report(CVAEReport):
    model: M2
    headline = ("accuracy", "accuracy of q(y|x)")

    @property
    def model_name(self) -> str:
        alone = "" if self.model.settings.unlabelled else ", no other images"
        return f"M2 ({len(self.model.known.train):,} labels{alone})"

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        remark = f"of the images; {len(self.model.known.train):,} labels were known"
        unlabelled = numbers["unlabelled"]
        return [
            Row("accuracy of q(y|x)", numbers["accuracy"], remark),
            Row("-log p(x), at most U(x)", unlabelled, self.bits_per_dim(unlabelled)),
            *super().rows(numbers),
        ]

    def panels(self) -> list[Panel]:
        """U(x) of all images, -ELBO of p(x|y) of the labelled ones and the test's, and accuracy."""
        line = self.baseline_line
        u, elbo = {"unlabelled": "train"}, {"negative_elbo": "labelled"}
        return [
            Panel("U(x)", "nats per image", u, {"unlabelled": "test"}, line),
            Panel("$-$ELBO of p(x|y)", "nats per image", elbo, {"negative_elbo": "test"}, line),
            Panel("accuracy of q(y|x)", "", {}, {"accuracy": "test"}),
        ]
