"""The report of a Gaussian mixture: its components, and the first iterations of EM."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from autograd import Array, Rng, log_softmax, to_device
from models import pictures
from models.data import Dataset, Points
from models.densities.density_report import DensityReport
from models.densities.gmm import GMM, Gaussian
from models.errors import Failure
from models.report import IMAGES_PER_ROW, Row

IN_USE = 0.001  # the least weight
COMPONENTS_SHOWN = 12  # of images, the heaviest
POINTS_SHOWN = 1500
REACHES = (1, 2, 3)  # standard deviations from the mean to an ellipse
ITERATIONS = (0, 1, 2, 5)  # of EM, after which the components are shown


class GMMReport(DensityReport):
    model: GMM

    def __init__(self, model: GMM, data: Dataset):
        super().__init__(model, data)
        self.start = model.state()  # a run makes its report before it trains the model, or loads it

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
        made = {"samples": self.samples(images, rng), "components": components}
        if self.model.settings.method == "em":
            made["iterations"] = self.ellipses(images, rng) if of_points else self.means(rng)
        return made

    def iterations(self, rng: Rng) -> Iterator[str]:
        """The model where EM was after each of ITERATIONS, then as it is; yields their names.

        EM is done again from its start: for points as it was, for images with other noise on them.
        """
        model, own = self.model, self.model.state()
        x = model.array(self.data.observe(self.data.excerpt, model.pixels, rng))
        try:
            model.load_state(self.start)
            for i in range(ITERATIONS[-1] + 1):
                if i in ITERATIONS:
                    yield f"after {i}" if i else "start"
                model.update(x, rng, i, None, {})
        except Failure:  # a component has collapsed: the training may have ended before
            pass
        finally:
            model.load_state(own)
        yield "trained"

    def means(self, rng: Rng) -> Figure:
        """The means of the heaviest components of images: a row for each of the iterations."""
        model, shown = self.model, np.argsort(-self.weights, kind="stable")[:COMPONENTS_SHOWN]
        noise = model.array(np.zeros((len(shown), model.latent)))
        rows = {name: model.sample_of(shown, noise) for name in self.iterations(rng)}
        title = f"{self.title}\nthe mean of each component, after iterations of EM"
        return pictures.rows(list(rows.values()), title, list(rows), ink=self.data.ink)

    def ellipses(self, points: Array, rng: Rng) -> Figure:
        """The components of points of the plane: a panel for each of the iterations."""
        figure = pictures.Picture(figsize=(pictures.WIDTH, 2.3))
        figure.set_layout_engine("compressed")
        x = to_device(points[:POINTS_SHOWN], "cpu")
        panels = figure.subplots(1, len(ITERATIONS) + 1, sharex=True, sharey=True)
        for axes, name in zip(panels, self.iterations(rng)):
            axes.scatter(x[:, 0], x[:, 1], s=2, color="0.6", linewidths=0)
            self.plot_components(axes, REACHES[1:2])
            axes.set(xticks=[], yticks=[])
            axes.set_title(name, fontsize=11)
        figure.suptitle(
            f"{self.title}\nafter iterations of EM; ellipses at {REACHES[1]} deviations",
            fontsize=11,
        )
        return figure

    def plot_components(self, axes: Axes, reaches: Sequence[float] = REACHES) -> None:
        """An ellipse of each component at each of `reaches`, in its colour."""
        for k, component in enumerate(self.model.components):
            for reach in reaches:
                axes.add_patch(ellipse(component, reach, color_of(k)))
        axes.set_aspect("equal")

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
        colors = [to_rgb(color_of(k)) for k in range(shares.shape[1])]
        figure = pictures.Picture(figsize=(5.6, 6.0))
        figure.set_layout_engine("compressed")
        axes = figure.subplots()
        mixed = (shares @ np.array(colors)).clip(0, 1)
        axes.scatter(x[:, 0], x[:, 1], s=5, c=mixed, alpha=0.5, linewidths=0)
        self.plot_components(axes)
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


def color_of(k: int) -> str:
    return pictures.COLORS[k % len(pictures.COLORS)]


def ellipse(component: Gaussian, reach: float, color: str) -> Ellipse:
    """The points of the plane at |L^-1 (x - mean)| = reach."""
    axes, deviations, _ = np.linalg.svd(component.factor.numpy())
    width, height = 2 * reach * deviations
    angle = np.degrees(np.arctan2(axes[1, 0], axes[0, 0]))
    mean = tuple(component.mean.numpy().tolist())
    return Ellipse(mean, width, height, angle=angle, fill=False, color=color, linewidth=1.2)
