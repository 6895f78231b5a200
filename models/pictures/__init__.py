"""Pictures of images, curves and points; no family of models is known here.

    figure    a figure and the file it is saved in; colours and sizes
    images    images in rows
    curves    training curves
    layers    numbers of each layer through a training
    points    points of the plane
    codes     codes of images, and the plane that they are decoded from

`rows`, `curves`, `layers`, `scatter` and `latent_plane` return a figure. `plot_rows`, `plot_panel`,
`plot_points` and `plot_codes` plot into axes that are given.
"""

from models.pictures.codes import latent_plane, plot_codes
from models.pictures.curves import Panel, curves, plot_panel
from models.pictures.figure import (
    COLORS,
    GREY,
    WIDTH,
    Picture,
    data_url,
    escape,
    legend_below,
    save,
    suffix_of,
    to_bytes,
    typeset,
)
from models.pictures.images import across, gray, mosaic, plot_rows, rows
from models.pictures.layers import LayersPanel, layers
from models.pictures.points import plot_points, scatter

__all__ = [
    "COLORS", "GREY", "WIDTH", "LayersPanel", "Panel", "Picture", "across", "curves", "data_url",
    "escape", "gray", "latent_plane", "layers", "legend_below", "mosaic", "plot_codes",
    "plot_panel", "plot_points", "plot_rows", "rows", "save", "scatter", "suffix_of", "to_bytes",
    "typeset",
]  # fmt: skip
