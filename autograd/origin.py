"""The line of the user's code that made a node."""

import linecache
import sys
from itertools import islice
from types import CodeType

OWN_PACKAGES = frozenset({"autograd", "autograd.check", "autograd.ops", "autograd.traces"})

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
    file, line, text = source_of(origin)
    return f"{file}:{line}" + (f" (`{text}`)" if text else "")


def source_of(origin: Origin) -> tuple[str, int, str]:
    """The file of an instruction, its line, and the text of it, also of a notebook's cell."""
    code, instruction = origin
    line = next(islice(code.co_positions(), instruction // 2, None))[0] or 0
    return code.co_filename, line, linecache.getline(code.co_filename, line).strip()
