"""The report of a Real NVP: samples, the grid that it bends, and interpolations of images."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autograd import Array, Rng, no_grad, to_device
from models import pictures
from models.data import Points
from models.densities.density_report import DensityReport
from models.densities.realnvp import RealNVP
from models.outputs.interpolation import slerp
from models.report import IMAGES_PER_ROW

LINES, PER_LINE = 11, 200  # of a grid, in each direction, and the points of a line
PIXELS = 160  # of the picture of a density, in each direction
REACH = 3.0  # of the grid of z, standard deviations
NATS = 8.0  # below the greatest log p(x), where the colours end
PAIRS = 4  # of images, to interpolate between


class RealNVPReport(DensityReport):
    model: RealNVP

    @property
    def model_name(self) -> str:
        masks = "" if self.model.settings.alternate else ", one mask"
        return f"Real NVP ({self.model.settings.layers} couplings{masks})"

    def pictures(self, images: Array, rng: Rng) -> dict[str, Figure]:
        if isinstance(self.data, Points):
            second = {"grid": self.grid(images, rng)}
        else:
            second = {"interpolations": self.interpolations(images, rng)}
        return {"samples": self.samples(images, rng)} | second

    def interpolations(self, images: Array, rng: Rng) -> Figure:
        """From the code of one test image to another's, along a great arc."""
        model = self.model
        ends = model.codes(images[rng.integers(len(images), size=2 * PAIRS)]).reshape(2, PAIRS, -1)
        rows = [model.decode_codes(slerp(a, b, IMAGES_PER_ROW), rng) for a, b in zip(*ends)]
        title = f"{self.title}\ndecoded between the codes of two test images, left and right"
        return pictures.rows(rows, title, ink=self.data.ink)

    @no_grad()
    def grid(self, points: Array, rng: Rng) -> Figure:
        """A grid of z as f^-1 bends it, a grid of x as f does, and the density of x."""
        model = self.model
        reach = 1.25 * float(np.abs(to_device(points, "cpu")).max())
        figure = pictures.Picture(figsize=(7.2, 3.1))
        figure.set_layout_engine("compressed")
        bent, codes, density = figure.subplots(1, 3)
        plot_grid(bent, [model.decode_codes(line, rng) for line in lines(REACH)])
        plot_grid(codes, [model.codes(model.array(line)) for line in lines(reach)])
        z = model.codes(points)
        codes.scatter(z[:, 0], z[:, 1], s=3, color=pictures.GREY, linewidths=0, zorder=3)
        across = np.linspace(-reach, reach, PIXELS)
        places = np.stack(np.meshgrid(across, across), axis=-1).reshape(-1, 2)
        log_p = model.log_density(model.array(places)).numpy().reshape(PIXELS, PIXELS)
        shown = density.imshow(
            log_p, origin="lower", extent=(-reach, reach) * 2, cmap="viridis",
            vmin=log_p.max() - NATS, vmax=log_p.max(),
        )  # fmt: skip
        figure.colorbar(shown, ax=density, shrink=0.8, extend="min")
        for axes, limit, letter, title in (
            (bent, reach, "x", "a grid of z, mapped to x"),
            (codes, REACH + 1, "z", "a grid of x, mapped to z"),
            (density, reach, "x", r"$\log p(x)$, nats"),
        ):
            axes.set(xlim=(-limit, limit), ylim=(-limit, limit))
            axes.set(xlabel=f"${letter}_1$", ylabel=f"${letter}_2$")
            axes.set_title(title, fontsize=11, loc="left")
            axes.set_aspect("equal")
        figure.suptitle(f"{self.title}\ngrey: test points", fontsize=11)
        return figure


def lines(reach: float) -> list[np.ndarray]:
    """The lines of a grid in [-reach, reach], (PER_LINE, 2) each: upright ones first."""
    along, at = np.linspace(-reach, reach, PER_LINE), np.linspace(-reach, reach, LINES)
    upright = [np.stack([np.full(PER_LINE, x), along], axis=1) for x in at]
    return [line.astype(np.float32) for line in [*upright, *(line[:, ::-1] for line in upright)]]


def plot_grid(axes: Axes, bent: list[np.ndarray]) -> None:
    """The lines, upright ones in one colour and level ones in another."""
    for i, line in enumerate(bent):
        color = pictures.COLORS[0] if i < LINES else pictures.COLORS[1]
        axes.plot(line[:, 0], line[:, 1], color=color, linewidth=0.6)
