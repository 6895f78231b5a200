"""The line of the user's code that made a node."""

import linecache
import sys
from itertools import islice
from types import CodeType

OWN_PACKAGES = frozenset({"autograd", "autograd.check", "autograd.ops"})

Origin = tuple[CodeType, int]
"""An instruction. The frame itself would keep the user's variables alive."""


def caller() -> Origin:
    """The instruction outside these packages that led to the making of a node."""
    frame = sys._getframe(3)  # beneath: Node.__init__, and the function that makes the node
    while frame.f_globals.get("__package__") in OWN_PACKAGES:
        frame = frame.f_back  # type: ignore[assignment]
    return frame.f_code, frame.f_lasti


def source_line(origin: Origin) -> str:
    """File, line and text of an instruction. This is slow, so only messages call it."""
    code, instruction = origin
    line = next(islice(code.co_positions(), instruction // 2, None))[0]
    text = linecache.getline(code.co_filename, line or 0).strip()  # also of a notebook's cell
    return f"{code.co_filename}:{line}" + (f" (`{text}`)" if text else "")
