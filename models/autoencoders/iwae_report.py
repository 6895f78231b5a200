"""The report of an IWAE: as a VAE's, with L_k, the active units, and how the bound rises with k."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, Rng
from models import pictures
from models.autoencoders.iwae import IWAE
from models.autoencoders.vae_report import VAEReport
from models.pictures import Panel
from models.report import Row

ACTIVE_VARIANCE = 0.01  # of E[z_i|x] over x, above which z_i is active (Burda et al. 2016, 5.2)
IMAGES = 200  # whose bounds are plotted
MOST_SAMPLES = 2**10


class IWAEReport(VAEReport):
    model: IWAE
    first = "negative_bound"

    @property
    def model_name(self) -> str:
        return f"IWAE ($k$ = {self.model.settings.k})"

    @property
    def names(self) -> dict[str, str]:
        return super().names | {"negative_bound": f"-L_{self.model.settings.k}"}

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        names, bound = self.names, numbers["negative_bound"]
        squares = np.array(numbers["posterior_mean_squared"])
        variance = np.sort(squares - np.array(numbers["posterior_mean"]) ** 2)[::-1]
        listed = ", ".join(f"{one:.2f}" for one in variance[:8]) + ", ..." * (len(variance) > 8)
        return [
            Row(names["negative_bound"], bound, self.bits_per_dim(bound)),
            Row(names["negative_elbo"], numbers["negative_elbo"]),
            *(Row(f"  {names[key]}", numbers[key]) for key in ("reconstruction", "kl")),
            Row(
                "  active units of z",
                int((variance > ACTIVE_VARIANCE).sum()),
                f"of {len(variance)}; variances of E[z|x] over x: {listed}",
            ),
            Row(
                names["nll"],
                numbers["nll"],
                f"{self.model.importance_samples} importance samples",
            ),
        ]

    def panels(self) -> list[Panel]:
        bound = f"$-L_{{{self.model.settings.k}}}$"
        return [
            Panel(
                title, "nats per image", {key: "train"} if train else {}, {key: "test"},
                self.baseline_line if train else {},
            )
            for key, title, train in (
                ("negative_bound", bound, True), ("negative_elbo", "$-$ELBO", False),
                ("kl", self.names["kl"], False),
            )
        ]  # fmt: skip

    def pictures(self, images: Array, rng: Rng) -> dict[str, Figure]:
        """As of a VAE, and the bound against the number of importance samples."""
        return super().pictures(images, rng) | {"bound": self.bound(images[:IMAGES], rng)}

    def bound(self, images: Array, rng: Rng) -> Figure:
        """-L_k of test images (N, pixels) for k = 1, 2, 4, ..., with the trained one marked."""
        ks = 2 ** np.arange(int(np.log2(MOST_SAMPLES)) + 1)
        times = np.maximum(1, 64 // ks)  # a bound of few samples is noisy
        mean = [
            -np.mean([self.model.log_prob(images, rng, k) for _ in range(n)])
            for k, n in zip(ks.tolist(), times)
        ]
        figure = pictures.Picture(figsize=(5.2, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.semilogx(ks, mean, "o-", base=2, color=pictures.COLORS[0], label="$-L_k$")
        k = self.model.settings.k
        axes.axvline(k, color=pictures.GREY, linestyle="--", label=f"trained with $k$ = {k}")
        axes.set_xticks(ks[::2], [str(k) for k in ks[::2]])
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("$k$, importance samples")
        axes.set_ylabel("nats per image")
        name = f"{self.title}\n$-L_k$ of {len(images)} test images; at $k$ = 1 it is $-$ELBO"
        axes.set_title(name, fontsize=11, loc="left")
        axes.legend(frameon=False)
        return figure
