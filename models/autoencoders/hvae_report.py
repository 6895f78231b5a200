"""The report of a hierarchical VAE: the KL of each layer, and what each layer holds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, Rng, no_grad, to_device
from models import pictures
from models.autoencoders.hvae import HVAE
from models.autoencoders.vae_report import ACTIVE_NATS, VAEReport
from models.pictures import Panel
from models.report import IMAGES_PER_ROW, Row

KEPT = 6  # images whose z2 is kept


class HVAEReport(VAEReport):
    model: HVAE
    prior = "z1 ~ p(z1|z2), z2 ~ N(0, I)"

    @property
    def model_name(self) -> str:
        return f"hierarchical VAE ({self.model.settings.inference})"

    @property
    def names(self) -> dict[str, str]:
        return super().names | {"kl_1": "KL of z1 (given z2)", "kl_2": "KL of z2"}

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        latent = self.model.settings.latent
        by_dimension = np.split(np.asarray(numbers["kl_of_dimension"]), [latent])
        remarks = []
        for kl in by_dimension:
            active = int((kl > ACTIVE_NATS).sum())
            collapsed = "" if active else ": the layer has collapsed"
            remarks.append(f"{active} of {len(kl)} dimensions above {ACTIVE_NATS} nats{collapsed}")
        names, elbo = self.names, numbers["negative_elbo"]
        return [
            Row(names["negative_elbo"], elbo, self.bits_per_dim(elbo)),
            Row(f"  {names['reconstruction']}", numbers["reconstruction"]),
            Row(f"  {names['kl_1']}", numbers["kl_1"], remarks[0]),
            Row(f"  {names['kl_2']}", numbers["kl_2"], remarks[1]),
            Row(
                names["nll"],
                numbers["nll"],
                f"{self.model.importance_samples} importance samples",
            ),
        ]

    def panels(self) -> list[Panel]:
        *others, _ = super().panels()
        train, test = (
            {f"kl_{i}": f"$z_{i}$, {which}" for i in (1, 2)} for which in ("train", "test")
        )
        return [*others, Panel("KL of each layer", "nats per image", train, test)]

    def pictures(self, images: Array, rng: Rng) -> dict[str, Figure]:
        """A VAE's, with the plane of z2, and what changes while z2 is kept."""
        model = self.model
        with no_grad():
            z2 = model.infer(images, 0.0, 0.0)[1].z.numpy()
            title = f"{self.title}\nthe upper layer, z2"
            plane = pictures.latent_plane(self.data, z2, self._decoded, title)
        return super().pictures(images, rng) | {
            "latent_plane": plane,
            "layers": self.layers(images, z2, rng),
        }

    @no_grad()
    def _decoded(self, z2: np.ndarray) -> np.ndarray:
        """The mean of p(x|z1) at the mean of p(z1|z2): (n, upper_latent) to (n, *shape)."""
        return self.model.images(self.model.prior(self.model.array(z2))[0].data)

    def layers(self, images: Array, z2: np.ndarray, rng: Rng) -> Figure:
        """In each row an image, and images whose z2 is that of the first and whose z1 is new."""
        model, rows = self.model, []
        for i in rng.permutation(len(images))[:KEPT]:
            given = to_device(images[i], "cpu").reshape(1, *model.shape)
            kept = model.array(z2[i : i + 1].repeat(IMAGES_PER_ROW - 2, axis=0))
            z1 = model.encode(images[i : i + 1])[0].data
            new = model.images(model.sample_lower(kept, rng))
            rows.append(np.concatenate([given, model.images(z1), new]))
        columns = [""] * IMAGES_PER_ROW
        columns[:2] = "image", "its\nz1"
        columns[IMAGES_PER_ROW // 2] = "its z2, new z1"
        title = f"{self.title}\nthe z2 of a test image is kept, and z1 is sampled from p(z1|z2)"
        return pictures.rows(rows, title, columns=columns, ink=self.data.ink)
