"""Reading: how a person's own files are read as images. A run keeps it in its config.json."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from models.errors import UsageError

COLOURS, FITS = ("grey", "rgb"), ("crop", "pad")
MOST_SIDE = 1024  # pixels
LARGE_SIDE = 128  # files of more pixels are scaled, so the size must be named


@dataclass(frozen=True)
class Reading:
    """The choices, each with its default. Raises UsageError for a value that is none."""

    size: tuple[int, int] | None = None  # (height, width); None: that of the files
    colour: str | None = None  # one of COLOURS; None: that of the files
    fit: str = "crop"  # one of FITS: where the proportions differ from those of the size
    levels: int = 256  # of a pixel; the 256 of a file are rounded to them
    split_seed: int = 0  # chooses a tenth of the images to test on, where there is no test set
    skip_unreadable: bool = False  # else a file that cannot be read is an error

    def __post_init__(self) -> None:
        if self.size is not None and not (
            isinstance(self.size, tuple)
            and len(self.size) == 2
            and all(type(side) is int and 1 <= side <= MOST_SIDE for side in self.size)
        ):
            raise UsageError(f"size={self.size}: (height, width), each 1 to {MOST_SIDE} pixels")
        if self.colour not in (None, *COLOURS):
            raise UsageError(f"colour={self.colour}: choose one of {', '.join(COLOURS)}")
        if self.fit not in FITS:
            raise UsageError(f"fit={self.fit}: choose one of {', '.join(FITS)}")
        if type(self.levels) is not int or not 2 <= self.levels <= 256:
            raise UsageError(f"levels={self.levels}: a pixel has 2 to 256 values")
        if type(self.split_seed) is not int or self.split_seed < 0:
            raise UsageError(f"split_seed={self.split_seed}: a whole number from 0")
        if type(self.skip_unreadable) is not bool:
            raise UsageError(f"skip_unreadable={self.skip_unreadable}: True or False")

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        size = content.get("size")
        return cls(**{**content, "size": tuple(size) if isinstance(size, list) else size})

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def describe(self) -> str:
        """What happened to the proportions; "" if nothing."""
        if self.size is None:
            return ""
        height, width = self.size
        how = "cropped at the centre" if self.fit == "crop" else "padded with white"
        return f"scaled and {how} to {height} x {width}"


AS_IT_IS = Reading()
"""The size and the colour of the files."""
