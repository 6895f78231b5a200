"""metrics.jsonl: a line for each training step, and one for the test after each epoch."""

import json
from pathlib import Path
from typing import Any

from models.errors import Failure
from models.files import replacing

METRICS = "metrics.jsonl"


def read_metrics(directory: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; none if it is not there. A last line cut short is left out."""
    path = directory / METRICS
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
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


def drop_after(directory: Path, step: int) -> None:
    """Forget the lines of steps that no checkpoint has: they are about to be made again."""
    lines = [json.dumps(m) + "\n" for m in read_metrics(directory) if m["step"] <= step]
    with replacing(directory / METRICS) as unfinished:
        unfinished.write_text("".join(lines))
