"""Settings as text: KEY=VALUE of --set, and the list of settings in the help."""

import dataclasses
import re
import reprlib
import shlex
from collections.abc import Callable, Collection, Sequence
from typing import Any

from models.errors import UsageError
from models.families import FAMILIES
from models.settings import RENAMED, declarations


def settings_help() -> str:
    """Every setting of every family: its meaning, choices and defaults."""
    lines = ["settings (--set KEY=VALUE), with their defaults in brackets:"]
    for family, its in FAMILIES.items():
        lines += ["", f"{family}:"]
        model = its.model
        default = model.settings_type()
        for name, declared in declarations(model.settings_type).items():
            value = getattr(default, name)
            other = {data: getattr(s, name) for data, s in model.defaults.items()}
            defaults = [f"; {data}: {_as_text(v)}" for data, v in other.items() if v != value]
            choices = f": {', '.join(declared.choices)}" if declared.choices else ""
            text = f"{declared.meaning}{choices} [{_as_text(value)}{''.join(defaults)}]"
            lines.append(f"  {name:20} {text}")
    return "\n".join(lines)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def with_assignments(settings: Any, assignments: Sequence[str], keys: Collection[str]) -> Any:
    """`settings` with each KEY=VALUE. Raises UsageError for another key or a wrong value."""
    changes: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        argument = f"--set {shlex.quote(assignment)}"
        if key in RENAMED and RENAMED[key] in keys:
            raise UsageError(f"{argument}: {key} is now called {RENAMED[key]}")
        if not equals or key not in keys:
            known = f"KEY=VALUE with a KEY of {', '.join(keys)}" if keys else "a setting it has"
            raise UsageError(f"{argument}: not {known}")
        parse, kind = KINDS[type(getattr(settings, key))]
        try:
            changes[key] = parse(text)
        except (ValueError, LookupError) as error:
            raise UsageError(f"{argument}: {reprlib.repr(text)} is not {kind}") from error
    return dataclasses.replace(settings, **changes)


def whole_number(text: str) -> int:
    """An int of the digits 0 to 9 only; `int` also reads those of other scripts, and 1_000."""
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", text):
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return float(text)


KINDS: dict[type, tuple[Callable[[str], Any], str]] = {
    bool: (lambda text: {"yes": True, "true": True, "no": False, "false": False}[text.lower()],
           "yes or no"),
    int: (whole_number, "a whole number"),
    float: (_number, "a number"),
    str: (str, "text"),
    tuple: (lambda text: tuple(whole_number(part.strip()) for part in text.split(",")),
            "whole numbers with commas between"),
}  # fmt: skip
"""How the text of a setting is read, by the type of its default; and what to call that type."""
