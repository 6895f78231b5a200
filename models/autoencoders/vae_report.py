"""What a VAE looks like: its reconstructions, its samples, and its latent space."""

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from autograd import Array, no_grad, to_device
from models import pictures
from models.data import Dataset
from models.model import ACROSS

if TYPE_CHECKING:
    from models.autoencoders.vae import VAE

GRID = 15  # decoded images in each direction of the plane
POINTS = 1500  # at most: more would hide each other
PRIOR = 0.95  # of N(0, I) in the plane is within the circle
RADIUS = math.sqrt(-2 * math.log(1 - PRIOR))


def draw(model: "VAE", data: Dataset, test: Array, rng: np.random.Generator) -> dict[str, Figure]:
    """Reconstructions, samples, interpolations and the latent plane."""
    chosen = rng.permutation(len(test))[:ACROSS]  # the images of a data set may be sorted by class
    with no_grad():
        mu = model.encode(test)[0].numpy()
    shown = to_device(test[chosen], "cpu").reshape(-1, *model.shape)
    title = model.title(data)
    rows = {
        "image": data.test[chosen] / (data.levels - 1),
        "shown": shown,
        "mean of\np(x|z)": model.images(mu[chosen]),
    }
    if data.levels == 2:
        del rows["shown"]  # the image itself
    return {
        "reconstructions": pictures.rows(
            list(rows.values()), f"{title}\ntest images and their reconstructions", list(rows)
        ),
        "samples": model.draw_samples(
            data, test, rng, f"{title}\nsamples: means of p(x|z), z ~ N(0, I)"
        ),
        "interpolations": _interpolations(model, shown, mu[chosen], title),
        "latent_plane": _latent_plane(model, data, mu, title),
    }


def _interpolations(model: "VAE", shown: np.ndarray, mu: np.ndarray, title: str) -> Figure:
    """Three pairs of images, with the two ways from one to the other between them.

    The ways differ most between opposite codes, so of pairs the most opposite are taken.
    """
    from models.autoencoders.vae import lerp, slerp

    cosine = mu @ mu.T / np.maximum(np.outer(*[np.linalg.norm(mu, axis=1)] * 2), 1e-12)
    pairs = np.argwhere(np.triu(np.ones_like(cosine), 1)) if len(mu) > 1 else np.zeros((1, 2), int)
    opposite = pairs[np.argsort(cosine[tuple(pairs.T)], kind="stable")][:3]
    rows, labels = [], []
    blank = np.zeros((1, *model.shape))
    for i, j in opposite:
        for name, way in (("linear", lerp), ("spherical", slerp)):
            z = way(mu[i], mu[j], ACROSS - 1)  # an odd number, so that one is half-way
            between = model.images(z)
            rows.append(np.concatenate([shown[i, None], blank, between, blank, shown[j, None]]))
            labels.append(f"{name}, |z| = {np.linalg.norm(z[ACROSS // 2 - 1]):.1f}")
    return pictures.rows(
        rows,
        f"{title}\ndecoded between the posterior means of two test images; |z| is half-way",
        labels,
    )


def _latent_plane(model: "VAE", data: Dataset, mu: np.ndarray, title: str) -> Figure:
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
    right.imshow(
        pictures.mosaic(list(images)), cmap="gray_r", vmin=0, vmax=1, extent=(-edge, edge) * 2
    )
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
    """Points (N, 2), each drawn as its label's digit, or in the colour of its class's name."""
    shown = slice(None, None, max(1, len(points) // POINTS))
    x, y = points[shown].T
    if data.test_labels is None:
        axes.scatter(x, y, s=9, color=pictures.GREY, linewidths=0)
        return
    labels = data.test_labels[shown]
    for label in np.unique(labels):
        this, color = labels == label, pictures.COLORS[label % len(pictures.COLORS)]
        if data.class_names:
            name = pictures.escape(data.class_name(label))
            axes.scatter(x[this], y[this], s=12, color=color, linewidths=0, label=name)
        else:
            digit = f"${label}$"
            axes.scatter(x[this], y[this], s=32, color=color, marker=digit, linewidths=0)
    if data.class_names:
        pictures.legend_below(axes, columns=3)
