"""Files of a line for each step: metrics.jsonl, which has the tests too, and health.jsonl."""

import json
from pathlib import Path
from typing import Any

from models.errors import Failure
from models.files import replacing

METRICS, HEALTH = "metrics.jsonl", "health.jsonl"


def read_metrics(directory: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl: one for each training step, one for the test of each epoch."""
    return read_lines(directory / METRICS)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file; none if it is not there. A last line cut short is left out."""
    lines = path.read_text("utf-8", "replace").splitlines() if path.exists() else []
    metrics = []
    for i, line in enumerate(lines):
        try:
            numbers = json.loads(line)
            values = numbers["step"], *numbers.values()
            if not all(isinstance(value, int | float) for value in values):
                raise ValueError("not the numbers of a step")
            metrics.append(numbers)
        except (ValueError, TypeError, LookupError) as error:
            if i < len(lines) - 1:
                raise Failure(f"{path}, line {i + 1} is damaged: {error}") from error
    return metrics


def drop_after(path: Path, step: int) -> None:
    """Forget the lines of steps that no checkpoint has: they are about to be made again."""
    if not path.exists():
        return
    lines = [json.dumps(m) + "\n" for m in read_lines(path) if m["step"] <= step]
    with replacing(path) as unfinished:
        unfinished.write_text("".join(lines), "utf-8")
