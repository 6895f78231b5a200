"""The report of an autoencoder: its errors beside PCA's, its reconstructions, its first layer."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, Rng, to_device
from models import pictures
from models.autoencoders.autoencoder import Autoencoder
from models.pictures import Panel
from models.report import IMAGES_PER_ROW, Report, Row

MAX_FILTERS = 60  # units of the first layer whose weights are plotted
PENALTIES = {"sparse": "$|z|_1$", "contractive": r"$|\partial z/\partial x|_F^2$"}


class AutoencoderReport(Report):
    model: Autoencoder
    first, unit = "squared_error", " per image"
    sampler = "from a Gaussian fitted to the training codes"

    @property
    def model_name(self) -> str:
        return f"autoencoder ({self.model.settings.kind})"

    @property
    def names(self) -> dict[str, str]:
        of_hidden = " of hidden pixels" * (self.model.settings.kind == "masked")
        return super().names | {
            "squared_error": f"squared error{of_hidden}",
            "denoised": "after noise",
            "noise": "of the noise",
            "pca": f"PCA, {self.model.settings.latent} dimensions",
            "mean_image": "the mean image",
        }

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        pixels, masked = math.prod(self.model.shape), self.model.settings.kind == "masked"
        if masked:
            pixels = int(self.model.hide(1, np.random.default_rng()).sum())
        names = self.names
        names["denoised"] = f"  {names['denoised']}, which has {numbers.get('noise', 0):.2f}"
        whole = () if masked else ("pca", "mean_image")  # errors of whole images
        return [
            Row(names[key], numbers[key], f"{numbers[key] / pixels:.4f} a pixel")
            for key in ("squared_error", "denoised", *whole)
            if key in numbers
        ]

    def panels(self) -> list[Panel]:
        """Squared errors, of which the factorised model's nats are no measure."""
        kind, unit = self.model.settings.kind, "summed over pixels"
        error, train, lines = {"squared_error": "test"}, {"squared_error": "train"}, {}
        if kind != "masked" and self.model.train_images is not None:
            pca = self.model.pca_error(
                self.model.train_images.astype(np.float64), self.model.settings.latent
            ).mean()
            lines = {f"PCA, {self.model.settings.latent} dimensions, train: {pca:.2f}": float(pca)}
        if kind == "denoising":
            return [
                Panel("squared error of whole images", unit, test=error, lines=lines),
                Panel("after noise", unit, train, {"denoised": "test"}),
            ]
        of = "hidden pixels" if kind == "masked" else "images"
        panels = [Panel(f"squared error of {of}", unit, train, error, lines)]
        if kind in PENALTIES:
            panels.append(Panel("penalty", PENALTIES[kind], {"penalty": "train"}))
        return panels

    def pictures(self, images: Array, rng: Rng) -> dict[str, Figure]:
        model = self.model
        some = images[rng.permutation(len(images))[:IMAGES_PER_ROW]]
        given, counts = model.corrupt(some, rng)
        restored = some * (1 - counts) + model.restore(given) * counts
        by_name = {"image": some, "given": given, "restored": restored}
        if given is some:
            del by_name["given"]
        rows = [to_device(r, "cpu").clip(0, 1).reshape(-1, *model.shape) for r in by_name.values()]
        weights = model.encoder[0].weight.numpy()[:MAX_FILTERS]
        scale = np.abs(weights).max(axis=1, keepdims=True) + 1e-12
        reconstructions = f"{self.title}\ntest images and their reconstructions"
        ink = self.data.ink
        signs = "white $-$, grey 0, black +" if ink else "dark $-$, grey 0, bright +"
        return {
            "reconstructions": pictures.rows(rows, reconstructions, list(by_name), ink=ink),
            "samples": self.samples(images, rng, f"samples, {self.sampler}"),
            "filters": pictures.rows(
                np.array_split((0.5 + 0.5 * weights / scale).reshape(-1, *model.shape), 5),
                f"{self.title}\nweights of the first layer, by unit: {signs}",
                ink=ink,
            ),
        }
