"""Where in the user's code a node was made."""

import linecache
from itertools import islice
from types import CodeType

OWN_PACKAGES = ("autograd", "autograd.ops")


def source_line(origin: tuple[CodeType, int]) -> str:
    """File, line and text of an instruction; looked up only when asked, since that is slow."""
    code, instruction = origin
    line = next(islice(code.co_positions(), instruction // 2, None))[0]
    text = linecache.getline(code.co_filename, line or 0).strip()  # also of a notebook's cell
    return f"{code.co_filename}:{line}" + (f" (`{text}`)" if text else "")
