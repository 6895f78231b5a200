"""What a run keeps of its model: a checkpoint to go on from, and the weights at some times."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.errors import Failure
from models.files import read_arrays, write_arrays
from models.model import Model, Optimizers

CHECKPOINT = "checkpoint.safetensors"


def state(model: Model, optimizers: Optimizers) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint."""
    arrays = {f"model.{name}": array for name, array in model.state().items()}
    for name, optimizer in optimizers.items():
        arrays |= {f"{name}.{key}": array for key, array in optimizer.state().items()}
    return arrays


def save(directory: Path, arrays: dict[str, np.ndarray], model: str, step: int) -> None:
    """Write what `state` gave, with the name of the model."""
    write_arrays(directory / CHECKPOINT, arrays, {"model": model, "step": str(step)})


def load(directory: Path, model: Model, optimizers: Optimizers) -> int:
    """Load the checkpoint, and return its step; 0 if there is none.

    Raises Failure for one that is damaged, or not of this model.
    """
    path = directory / CHECKPOINT
    if not path.exists():
        return 0
    arrays, metadata = read_arrays(path)
    if metadata.get("model") != model.name:
        raise Failure(f"{path} is of the model {metadata.get('model')!r}, not {model.name!r}")
    try:
        model.load_state(_within(arrays, "model."))
        for name, optimizer in optimizers.items():
            optimizer.load_state(_within(arrays, f"{name}."))
        return int(metadata["step"])
    except (ValueError, LookupError) as error:
        raise Failure(f"{path} does not fit its config.json: {error}") from error


def _within(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def keep_weights(directory: Path, model: Model, step: int, times: int, last: int) -> None:
    """Keep the weights of `step` if it is one of so many `times` from 0 to `last`.

    They are closer together at the start, where most changes.
    """
    if step in {round(last * (i / max(times - 1, 1)) ** 2) for i in range(times)}:
        path = directory / f"weights-{step:08d}.safetensors"
        write_arrays(path, model.state(), {"model": model.name})


def replay(directory: Path, model: Model, step: int) -> Iterator[int]:
    """Load the weights of each time that was kept into the model, and yield its step.

    The last are those that the model has, which it keeps, of `step`. Raises Failure for a file
    that is damaged or of another model.
    """
    own = model.state()
    for path in sorted(directory.glob("weights-*.safetensors")):
        kept = int(path.stem.removeprefix("weights-"))
        if kept < step:
            try:
                model.load_state(read_arrays(path)[0])
            except ValueError as error:
                raise Failure(f"{path} does not fit config.json: {error}") from error
            yield kept
    model.load_state(own)
    yield step
