"""The report of a Gaussian mixture: its components, and the smallest deviation of any of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from autograd import Array, Rng, log_softmax, to_device
from models import pictures
from models.data import Points
from models.densities.density_report import DensityReport
from models.densities.gmm import GMM, Gaussian
from models.report import IMAGES_PER_ROW, Row

IN_USE = 0.001  # the least weight
COMPONENTS_SHOWN = 12  # of images, the heaviest
POINTS_SHOWN = 1500
REACHES = (1, 2, 3)  # standard deviations from the mean to an ellipse


class GMMReport(DensityReport):
    model: GMM

    @property
    def model_name(self) -> str:
        s = self.model.settings
        method = "EM" if s.method == "em" else "gradient descent"
        return f"GMM ({s.components} components, {method})"

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        used = int((self.weights > IN_USE).sum())
        smallest = min(map(smallest_deviation, self.model.components))
        return [
            *super().rows(numbers),
            Row(
                "  components in use", used, f"of {len(self.weights)}, with a weight above {IN_USE}"
            ),
            Row("  smallest deviation", smallest, "of a component, in any direction"),
        ]

    def pictures(self, images: Array, rng: Rng) -> dict[str, Figure]:
        of_points = isinstance(self.data, Points)
        components = self.responsibilities(images) if of_points else self.means_and_samples(rng)
        return {"samples": self.samples(images, rng), "components": components}

    def means_and_samples(self, rng: Rng) -> Figure:
        """The heaviest components of a mixture of images: a row with the mean, then samples."""
        model, weights = self.model, self.weights
        shown = np.argsort(-weights, kind="stable")[:COMPONENTS_SHOWN]
        noise = rng.standard_normal((len(shown), IMAGES_PER_ROW, model.latent), dtype=np.float32)
        noise[:, 0] = 0  # which makes the mean
        rows = [
            model.sample_of(np.full(IMAGES_PER_ROW, k), model.array(z))
            for k, z in zip(shown, noise)
        ]
        labels = [f"$\\pi$ = {weights[k]:.3f}" for k in shown]
        title = f"{self.title}\na component in each row: its mean, then samples of it"
        return pictures.rows(rows, title, labels, ink=self.data.ink)

    def responsibilities(self, points: Array) -> Figure:
        """Points in the colours of their components, mixed by r_nk; ellipses of each component."""
        shares, _ = self.model.e_step(points[:POINTS_SHOWN])
        x, shares = (to_device(a, "cpu") for a in (points[:POINTS_SHOWN], shares))
        colors = [pictures.COLORS[k % len(pictures.COLORS)] for k in range(shares.shape[1])]
        figure = pictures.Picture(figsize=(5.6, 6.0))
        figure.set_layout_engine("compressed")
        axes = figure.subplots()
        mixed = (shares @ np.array([to_rgb(color) for color in colors])).clip(0, 1)
        axes.scatter(x[:, 0], x[:, 1], s=5, c=mixed, alpha=0.5, linewidths=0)
        for component, color in zip(self.model.components, colors):
            for reach in REACHES:
                axes.add_patch(ellipse(component, reach, color))
        axes.set_aspect("equal")
        axes.set(xlabel="$x_1$", ylabel="$x_2$")
        axes.spines[["top", "right"]].set_visible(False)
        within = ", ".join(map(str, REACHES))
        figure.suptitle(
            f"{self.title}\nresponsibilities as colours; ellipses at {within} deviations",
            fontsize=11,
        )
        return figure

    @property
    def weights(self) -> np.ndarray:
        """pi, (components,)."""
        return np.exp(log_softmax(self.model.log_weight).numpy())


def smallest_deviation(component: Gaussian) -> float:
    """The square root of the smallest eigenvalue of Sigma = L L^T: a singular value of L."""
    return float(np.linalg.norm(component.factor.numpy().astype(np.float64), -2))


def ellipse(component: Gaussian, reach: float, color: str) -> Ellipse:
    """The points of the plane at |L^-1 (x - mean)| = reach."""
    axes, deviations, _ = np.linalg.svd(component.factor.numpy())
    width, height = 2 * reach * deviations
    angle = np.degrees(np.arctan2(axes[1, 0], axes[0, 0]))
    mean = tuple(component.mean.numpy().tolist())
    return Ellipse(mean, width, height, angle=angle, fill=False, color=color, linewidth=1.2)
