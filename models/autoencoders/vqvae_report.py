"""The report of a VQ-VAE: both stages in nats, and how its codebook is used."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from autograd import Array, Rng, no_grad, to_device
from models import pictures
from models.autoencoders.vqvae import VQVAE, perplexity
from models.pictures import Panel
from models.report import Report, Row

SHOWN = 8  # images beside the histogram


class VQVAEReport(Report):
    model: VQVAE
    sampler = "means of p(x|z)"

    @property
    def model_name(self) -> str:
        s = self.model.settings
        height, width = self.model.grid
        return f"VQ-VAE ({height} x {width} of {s.codes} codes)"

    @property
    def names(self) -> dict[str, str]:
        return super().names | {"prior": "-log p(codes)", "reconstruction": "-log p(x|codes)"}

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        nll, shares = numbers["nll"], np.asarray(numbers["shares"])
        used, codes = int((shares > 0).sum()), len(shares)
        names = self.names
        rows = [Row(names["nll"], nll, f"{self.bits_per_dim(nll)}, the sum of both stages")]
        rows += [
            Row(f"  {names[stage]}", numbers[stage], self.bits_per_dim(numbers[stage]))
            for stage in ("prior", "reconstruction")
        ]
        spread = Row("  perplexity of the codes", perplexity(shares), f"{codes} if all are alike")
        return [*rows, Row("  codes used", used, f"of {codes}, by test images"), spread]

    def panels(self) -> list[Panel]:
        nats = "nats per image"
        return [
            Panel(
                pictures.typeset(self.names["nll"]), nats, {}, {"nll": "test"}, self.baseline_line
            ),
            Panel(
                "both stages",
                nats,
                {"reconstruction": "first, $-\\log p(x|z)$", "prior": "second, $-\\log p(z)$"},
            ),
            Panel("perplexity of the codes", "codes", {"perplexity": "train, of a batch"}),
        ]

    def pictures(self, images: Array, rng: Rng) -> dict[str, Figure]:
        """Samples, and the codebook: its histogram beside images with their codes."""
        samples = self.samples(images, rng, f"samples: {self.sampler}, z by the PixelCNN")
        return {"samples": samples, "codes": self.codes(images, rng)}

    @no_grad()
    def codes(self, images: Array, rng: Rng) -> Figure:
        """The share of each code, most used first, and the grids of codes of some images.

        A code has the same color in both.
        """
        model = self.model
        _, k = model.quantise(images)
        shares = model.shares(k).mean(0)
        order = np.argsort(-shares, kind="stable")
        chosen = rng.permutation(len(images))[:SHOWN]
        given = to_device(images[chosen], "cpu").reshape(-1, *model.shape)
        decoded = model.images(model.vectors(k[chosen]).data)
        rank = np.argsort(order)[to_device(k[chosen], "cpu")].reshape(-1, *model.grid)
        colors = colormaps["turbo"]((np.arange(len(shares)) + 0.5) / len(shares))[:, :3]
        figure = pictures.Picture(figsize=(pictures.WIDTH, 2.8), layout="constrained")
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1, 2))[0]
        axes = left.subplots()
        axes.bar(range(len(shares)), shares[order], color=colors, width=1.0)
        axes.axhline(1 / len(shares), color=pictures.GREY, linestyle="--", linewidth=1)
        used = f"{(shares > 0).sum()} of {len(shares)} used, perplexity {perplexity(shares):.1f}"
        axes.set(xticks=[], xlabel=f"codes, most used first\n{used}", ylabel="share of all places")
        axes.spines[["top", "right"]].set_visible(False)
        grid = right.subplots(3, len(chosen), squeeze=False)
        style: dict[str, Any] = {"cmap": pictures.gray(self.data.ink), "vmin": 0, "vmax": 1}
        for column, row in enumerate(zip(given, colors[rank], decoded)):
            for axis, image in zip(grid[:, column], row):
                axis.imshow(image, interpolation="nearest", **style)
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(False)
        for axis, name in zip(grid[:, 0], ("test\nimage", "codes", "mean of\np(x|z)")):
            axis.set_ylabel(name, rotation=0, ha="right", va="center")
        what = "how often each code is used (dashed: all alike), and the codes of test images"
        figure.suptitle(f"{self.title}\n{what}", fontsize=11)
        return figure
