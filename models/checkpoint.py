"""Arrays on disk, in safetensors files: no pickle, so opening one runs nobody's code."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from models.errors import Failure
from models.files import replacing


def write(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write `arrays` and `metadata`, all or nothing. Raises Failure if that cannot be done."""
    contiguous = {name: np.array(array, order="C") for name, array in arrays.items()}
    with replacing(path) as unfinished:
        unfinished.write_bytes(save(contiguous, dict(metadata)))


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata. Raises Failure for a file that is missing or damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return arrays, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise Failure(f"cannot read the checkpoint {path} ({error})") from error
