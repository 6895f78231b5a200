"""Arrays on disk, in safetensors files: no pickle, so opening one runs nobody's code."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from models.errors import Failure


def save(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write `arrays` and `metadata`; what was at `path` stays until all of the new file is there.

    Raises Failure, and leaves the old file, if it cannot be written (a full disk, say).
    """
    unfinished = path.with_suffix(".unfinished")
    try:
        contiguous = {name: np.array(array, order="C") for name, array in arrays.items()}
        save_file(contiguous, unfinished, dict(metadata))
        os.replace(unfinished, path)
    except (OSError, SafetensorError) as error:
        unfinished.unlink(missing_ok=True)
        kept = "; the one before is kept" if path.exists() else ""
        raise Failure(f"could not save {path} ({error}){kept}; free some space") from error


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata. Raises Failure for a file that is missing or damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118 -- no dict
    except (OSError, SafetensorError) as error:
        raise Failure(f"cannot read the checkpoint {path} ({error})") from error
