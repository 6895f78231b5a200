"""A figure: a notebook shows it, `save` writes it as PNG, SVG or PDF.

Figures are as wide as a page at most. A slide is half as wide again, so there the text of 9 to 11
points can be read from the last row.
"""

import base64
import io
import re
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from models.errors import UsageError
from models.files import replacing

FORMATS = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""The suffixes of pictures, and what keeps the date out of a file, so that its bytes repeat."""

PIXELS_PER_INCH, SHOWN_PER_INCH = 200, 100  # in a file, and in a notebook
WIDTH = 8.0  # inches
GREY = "0.45"
COLORS = (  # dark enough on white for a projector: a contrast of 4.5 and more
    "#1f5fa8", "#c04a00", "#1a7a2e", "#c11f26", "#6a3fa0",
    "#7a4a35", "#b5318a", "#555555", "#756a00", "#00707c",
)  # fmt: skip


class Picture(Figure):
    """A figure that a notebook shows, with or without pyplot."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """The picture, and how wide a notebook shows it: with text of the size of its own."""
        content = to_bytes(self, ".png")
        pixels = int.from_bytes(content[16:20], "big")  # of the width, in the header of a PNG
        return content, {"width": pixels * SHOWN_PER_INCH // PIXELS_PER_INCH}


def suffix_of(path: Path) -> str:
    """The suffix, in small letters. Raises UsageError if it is no picture's."""
    if (suffix := path.suffix.lower()) not in FORMATS:
        raise UsageError(f"{path}: name a picture something.png, .svg or .pdf")
    return suffix


def save(figure: Figure, path: Path) -> Path:
    """Write the file whole or not at all, in the format of its suffix; returns the path."""
    content = to_bytes(figure, suffix_of(path))
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)
    return path


def to_bytes(figure: Figure, suffix: str) -> bytes:
    """The content of a file with that suffix: the same figure gives the same bytes."""
    content = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "chainrule"}):
        figure.savefig(
            content,
            format=suffix[1:],
            dpi=PIXELS_PER_INCH,
            bbox_inches="tight",
            metadata=FORMATS[suffix],
        )
    return content.getvalue()


def data_url(figure: Figure) -> str:
    """The picture itself as a URL, so that the page it is on is one file."""
    return "data:image/png;base64," + base64.b64encode(to_bytes(figure, ".png")).decode()


def escape(text: str) -> str:
    """Text that matplotlib shows as it is: a $ begins no formula."""
    return text.replace("$", r"\$")


def typeset(name: str) -> str:
    """A name with the minus and the logarithm as a picture has them."""
    return re.sub("^-", "$-$", re.sub(r"-log (p\(.*?\))", r"$-\\log \1$", name))


def legend_below(axes: Axes, columns: int = 1) -> None:
    """A legend under the label of the x axis, where it hides no curve."""
    figure: Any = axes.figure
    below = offset_copy(axes.transAxes, fig=figure, y=-40, units="points")
    axes.legend(
        loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below, borderaxespad=0,
        frameon=False, ncols=columns, handlelength=1.4,
    )  # fmt: skip
