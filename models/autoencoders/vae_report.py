"""The report of a VAE: its bound, its reconstructions, its samples, and its latent space."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from autograd import Array, Rng, no_grad, to_device
from models import pictures
from models.autoencoders.vae import VAE
from models.data import Dataset
from models.outputs.interpolation import lerp, slerp
from models.pictures import Panel
from models.report import IMAGES_PER_ROW, Report, Row

ACTIVE_NATS = 0.01  # of KL, above which a dimension of z counts as active
DIMENSIONS_PRINTED = 8
GRID = 15  # decoded images in each direction of the plane
MAX_POINTS = 1500  # of the plane: more would hide each other
PRIOR = 0.95  # of N(0, I) in the plane is within the circle
RADIUS = math.sqrt(-2 * math.log(1 - PRIOR))


class VAEReport(Report):
    model: VAE
    headline = ("negative_elbo", "-ELBO, nats per image")
    sampler = "means of p(x|z)"

    @property
    def model_name(self) -> str:
        return f"VAE ($\\beta$ = {self.model.settings.beta:g})"

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        elbo = numbers["negative_elbo"]
        kl = sorted(numbers["kl_of_dimension"], reverse=True)
        active = sum(one > ACTIVE_NATS for one in kl)
        largest = ", ".join(f"{one:.2f}" for one in kl[:DIMENSIONS_PRINTED])
        largest += ", ..." * (len(kl) > DIMENSIONS_PRINTED)
        remark = f"of {len(kl)}, with more than {ACTIVE_NATS} nats: {largest}"
        if not active:
            remark = "the posterior has collapsed: z carries no information about x"
        return [
            Row("-ELBO", elbo, self.bits_per_dim(elbo)),
            Row("  reconstruction", numbers["reconstruction"]),
            Row("  KL(q(z|x)||p(z))", numbers["kl"]),
            Row("  active dimensions of z", active, remark),
            Row(
                "-log p(x), at most",
                numbers["nll"],
                f"{self.model.importance_samples} importance samples",
            ),
        ]

    def panels(self) -> list[Panel]:
        titles = {"negative_elbo": "$-$ELBO", "reconstruction": "reconstruction", "kl": "KL"}
        lines = {"negative_elbo": self.baseline_line}
        return [
            Panel(title, "nats per image", {key: "train"}, {key: "test"}, lines.get(key, {}))
            for key, title in titles.items()
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
            "samples": self.samples(images, rng, "samples: means of p(x|z), z ~ N(0, I)"),
            "interpolations": _interpolations(model, data, given, mu[chosen], self.title),
            "latent_plane": _latent_plane(model, data, mu, self.title),
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


def _latent_plane(model: VAE, data: Dataset, mu: np.ndarray, title: str) -> Figure:
    """The plane of a two-dimensional z, or else that of the posterior means' greatest variance.

    Left the posterior means of test images, right what is decoded from the same plane. The plane
    shows all that the prior makes likely, so that a posterior that has collapsed looks it.
    """
    origin, axes, names = _plane_of(mu)
    points = (mu - origin) @ axes.T
    reach = max(1.1 * float(np.quantile(np.abs(points), 0.995)), 1.15 * RADIUS)
    across = np.linspace(-reach, reach, GRID)
    grid = np.stack(np.meshgrid(across, across[::-1]), axis=-1).reshape(-1, 2)
    images = model.images(origin + grid @ axes).reshape(GRID, GRID, *model.shape)
    edge = reach * (1 + 1 / (GRID - 1))  # half an image beyond the last one's middle
    figure = pictures.Picture(figsize=(pictures.WIDTH, 4.8))
    figure.set_layout_engine("compressed", h_pad=0.08)
    left, right = figure.subplots(1, 2)
    _scatter(left, data, points)
    plane = pictures.mosaic(list(images), data.ink)
    right.imshow(plane, cmap=pictures.gray(data.ink), vmin=0, vmax=1, extent=(-edge, edge) * 2)
    left.set_title("posterior means of test images", fontsize=11, loc="left")
    right.set_title("decoded from the same plane", fontsize=11, loc="left")
    for panel, color in ((left, pictures.GREY), (right, pictures.COLORS[1])):
        circle = Circle(tuple(-origin @ axes.T), RADIUS, fill=False, color=color, linestyle="--")
        panel.add_patch(circle)
        panel.set(xlim=(-edge, edge), ylim=(-edge, edge), xlabel=names[0], ylabel=names[1])
        panel.locator_params(nbins=5)
        panel.set_aspect("equal")
    figure.suptitle(f"{title}\ndashed: {PRIOR:.0%} of the prior p(z)", fontsize=11)
    return figure


def _plane_of(mu: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[str, str]]:
    """Where the plane goes through, two axes of length 1, and their names."""
    latent = mu.shape[1]
    if latent <= 2:
        second = "$z_2$" if latent == 2 else "(there is no second dimension)"
        return np.zeros(latent), np.eye(2, latent), ("$z_1$", second)
    centred = mu - mu.mean(0)
    axes = np.linalg.eigh(centred.T @ centred)[1].T[:-3:-1]  # the greatest variances, last of all
    largest = axes[np.arange(2), np.abs(axes).argmax(1)]
    names = "first principal axis of $\\mu$", "second principal axis of $\\mu$"
    return mu.mean(0), axes * np.sign(largest)[:, None], names


def _scatter(axes: Axes, data: Dataset, points: np.ndarray) -> None:
    """Points (N, 2), each plotted as its label's digit, or in the colour of its class's name."""
    every = slice(None, None, max(1, len(points) // MAX_POINTS))
    x, y = points[every].T
    if data.test_labels is None:
        axes.scatter(x, y, s=9, color=pictures.GREY, linewidths=0)
        return
    labels = data.test_labels[every]
    for label in np.unique(labels):
        this, color = labels == label, pictures.COLORS[label % len(pictures.COLORS)]
        digit: dict[str, Any] = {"s": 32, "marker": f"${label}$"}
        dot = {"s": 12, "label": pictures.escape(data.class_name(label))}
        style = dot if data.class_names else digit
        axes.scatter(x[this], y[this], color=color, linewidths=0, **style)
    if data.class_names:
        pictures.legend_below(axes, columns=3)
