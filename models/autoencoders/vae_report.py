"""The report of a VAE: its bound, its reconstructions, its samples, and its latent space."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, Rng, no_grad, to_device
from models import pictures
from models.autoencoders.vae import VAE
from models.data import Dataset
from models.outputs.interpolation import lerp, slerp
from models.pictures import Panel
from models.report import IMAGES_PER_ROW, Report, Row

ACTIVE_NATS = 0.01  # of KL, above which a dimension of z counts as active
DIMENSIONS_PRINTED = 8


class VAEReport(Report):
    model: VAE
    first, unit = "negative_elbo", ", nats per image"
    sampler = "means of p(x|z)"
    prior = "z ~ N(0, I)"

    @property
    def model_name(self) -> str:
        return f"VAE ($\\beta$ = {self.model.settings.beta:g})"

    @property
    def names(self) -> dict[str, str]:
        own = {"negative_elbo": "-ELBO", "reconstruction": "reconstruction"}
        return super().names | own | {"kl": "KL(q(z|x)||p(z))"}

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        names, elbo = self.names, numbers["negative_elbo"]
        kl = sorted(numbers["kl_of_dimension"], reverse=True)
        active = sum(one > ACTIVE_NATS for one in kl)
        largest = ", ".join(f"{one:.2f}" for one in kl[:DIMENSIONS_PRINTED])
        largest += ", ..." * (len(kl) > DIMENSIONS_PRINTED)
        remark = f"of {len(kl)}, with more than {ACTIVE_NATS} nats: {largest}"
        if not active:
            remark = "the posterior has collapsed: z carries no information about x"
        return [
            Row(names["negative_elbo"], elbo, self.bits_per_dim(elbo)),
            *(Row(f"  {names[key]}", numbers[key]) for key in ("reconstruction", "kl")),
            Row("  active dimensions of z", active, remark),
            Row(
                names["nll"],
                numbers["nll"],
                f"{self.model.importance_samples} importance samples",
            ),
        ]

    def panels(self) -> list[Panel]:
        lines = {"negative_elbo": self.baseline_line, "reconstruction": {}, "kl": {}}
        return [
            Panel(
                pictures.typeset(self.names[key]),
                "nats per image",
                {key: "train"},
                {key: "test"},
                line,
            )
            for key, line in lines.items()
        ]

    def pictures(self, images: Array, rng: Rng) -> dict[str, Figure]:
        """Reconstructions, samples, interpolations and the latent plane."""
        model, data = self.model, self.data
        chosen = rng.permutation(len(images))[:IMAGES_PER_ROW]  # the set may be sorted by class
        with no_grad():
            mu = model.encode(images)[0].numpy()
        given = to_device(images[chosen], "cpu").reshape(-1, *model.shape)
        rows = {
            "image": data.test[chosen] / (data.levels - 1),
            model.pixels: given,
            "mean of\np(x|z)": model.images(mu[chosen]),
        }
        if data.levels == 2 or model.pixels == "levels":
            del rows[model.pixels]  # the image itself
        reconstructions = f"{self.title}\ntest images and their reconstructions"
        return {
            "reconstructions": pictures.rows(
                list(rows.values()), reconstructions, list(rows), ink=data.ink
            ),
            "samples": self.samples(images, rng, f"samples: means of p(x|z), {self.prior}"),
            "interpolations": _interpolations(model, data, given, mu[chosen], self.title),
            "latent_plane": pictures.latent_plane(data, mu, model.images, self.title),
        }


def _interpolations(
    model: VAE, data: Dataset, images: np.ndarray, mu: np.ndarray, title: str
) -> Figure:
    """Three pairs of images, with the two ways from one to the other between them.

    The ways differ most between opposite codes, so of pairs the most opposite are taken.
    """
    cosine = mu @ mu.T / np.maximum(np.outer(*[np.linalg.norm(mu, axis=1)] * 2), 1e-12)
    pairs = np.argwhere(np.triu(np.ones_like(cosine), 1)) if len(mu) > 1 else np.zeros((1, 2), int)
    opposite = pairs[np.argsort(cosine[tuple(pairs.T)], kind="stable")][:3]
    rows, labels = [], []
    white = np.full((1, *model.shape), 0.0 if data.ink else 1.0)
    for i, j in opposite:
        for name, way in (("linear", lerp), ("spherical", slerp)):
            z = way(mu[i], mu[j], IMAGES_PER_ROW - 1)  # an odd number, so that one is half-way
            between = model.images(z)
            rows.append(np.concatenate([images[i, None], white, between, white, images[j, None]]))
            labels.append(f"{name}, |z| = {np.linalg.norm(z[IMAGES_PER_ROW // 2 - 1]):.1f}")
    return pictures.rows(
        rows,
        f"{title}\ndecoded between the posterior means of two test images; |z| is half-way",
        labels,
        ink=data.ink,
    )
