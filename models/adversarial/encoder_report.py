"""The report of a GAN with an encoder: the game, the reconstructions, and the plane of codes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, Rng, to_device
from models import pictures
from models.adversarial.encoder_gan import EncoderGAN
from models.adversarial.gan_report import GANReport
from models.pictures import Panel
from models.report import IMAGES_PER_ROW, Row


class EncoderReport(GANReport):
    model: EncoderGAN
    first, unit = "squared_error", " per image"
    real, fake, player = "x, E(x)", "G(z), z", "G and E"

    @property
    def model_name(self) -> str:
        return f"{self.conditional}{type(self.model).__name__} ({self.loss})"

    @property
    def names(self) -> dict[str, str]:
        return super().names | {"squared_error": "squared error of G(E(x))"}

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        pixels = numbers["squared_error"] / np.prod(self.model.shape)
        error = Row(self.names["squared_error"], numbers["squared_error"], f"{pixels:.4f} a pixel")
        return [error, *super().rows(numbers)]

    def panels(self) -> list[Panel]:
        error = Panel(self.names["squared_error"], "of an image", test={"squared_error": "test"})
        return [*super().panels(), error]

    def pictures(self, images: Array, rng: Rng) -> dict[str, Figure]:
        """Reconstructions and the plane of codes, beside a GAN's pictures."""
        model, data = self.model, self.data
        labels = data.test_labels if model.classes else None
        codes = model.codes(images, labels)
        chosen = rng.permutation(len(images))[:IMAGES_PER_ROW]  # the set may be sorted by class
        some = None if labels is None else labels[chosen]
        rows = {
            "image": to_device(images[chosen], "cpu").reshape(-1, *model.shape),
            "G(E(x))": model.decode_codes(codes[chosen], rng, some),
        }
        title = f"{self.title}\ntest images and their reconstructions"
        return {
            "reconstructions": pictures.rows(list(rows.values()), title, list(rows), ink=data.ink),
            "latent_plane": self.latent_plane(codes, rng),
            **super().pictures(images, rng),
        }

    def latent_plane(self, codes: np.ndarray, rng: Rng) -> Figure:
        """Where the codes (N, latent) of the test images lie, and what is decoded there."""
        title, names = self.title + self.of_class, ("codes E(x)", "E(x)")
        return pictures.latent_plane(
            self.data, codes, self.decoded, title, *names, self.prior_samples(rng)
        )

    def decoded(self, z: np.ndarray) -> np.ndarray:
        """G(z) of codes (n, latent); if G is conditional, all of one class."""
        labels = np.zeros(len(z), int) if self.model.classes else None
        return self.model.decode_codes(z, np.random.default_rng(0), labels)

    @property
    def of_class(self) -> str:
        """That class, in a title."""
        name = pictures.escape(self.data.class_name(0))
        return f", decoded as class {name}" * bool(self.model.classes)

    def prior_samples(self, rng: Rng) -> np.ndarray | None:
        """Samples of a prior that is not N(0, I), to be plotted."""
        return None
