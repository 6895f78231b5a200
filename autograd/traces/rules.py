"""The rules as they are written in the code."""

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable
from functools import cache
from types import CodeType
from typing import Any


@cache
def rule_text(vjp: Callable) -> str:
    """The source of a rule: that of its lambda alone, of its function, or of its primitive."""
    function: Any = getattr(vjp, "forward", vjp)
    try:
        source = textwrap.dedent(inspect.getsource(function)).strip()
    except (OSError, TypeError):  # typed at a prompt, or compiled
        return getattr(vjp, "__name__", repr(vjp))
    if function.__name__ != "<lambda>":
        return source
    return _lambda_text(function.__code__) or source


def _lambda_text(code: CodeType) -> str | None:
    """The lambda that `code` was compiled from; others may stand on the same line.

    Its first instruction with a place in the file is in its body.
    """
    line, _, column, _ = next(place for place in code.co_positions() if place[2] != place[3])
    text = "".join(linecache.getlines(code.co_filename))
    for node in ast.walk(_parsed(text)):
        if isinstance(node, ast.Lambda):
            body = node.body
            begins = body.lineno, body.col_offset
            ends = body.end_lineno, body.end_col_offset
            if node.lineno == code.co_firstlineno and begins <= (line, column) < ends:
                first, *rest = (ast.get_source_segment(text, node) or "").splitlines()
                return "\n".join([first, *textwrap.dedent("\n".join(rest)).splitlines()])
    return None


_parsed = cache(ast.parse)
