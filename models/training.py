"""A run: a directory, and the loop that fills it.

    config.json              what was asked for, with versions and the data's checksum
    metrics.jsonl            a line a training step, and one a test at the end of each epoch
    checkpoint.safetensors   parameters and optimiser, rewritten after each epoch
    *.png                    pictures, redrawn as it trains

All randomness is drawn from (seed, what for, step or epoch), so there is no generator state to
save, and a resumed run goes on exactly as it would have gone.
"""

import dataclasses
import json
import math
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import numpy as np
from tqdm import tqdm

from autograd import Array, to_device
from models import checkpoint, factorised, figures
from models.data import load
from models.errors import Failure, UsageError
from models.families import FAMILIES
from models.files import replacing
from models.model import Model

TIMES_DRAWN = 6  # how often a run draws its pictures
_WEIGHTS, _ORDER, _BATCH, _TEST, _PICTURE, _TRAIN = range(6)  # what the randomness is for


@dataclass(frozen=True)
class Config:
    """Everything that a run depends on. `steps` is the total; None means `settings.epochs`."""

    settings: Any  # of the model's family
    model: str
    data: str = "digits"
    data_dir: str | None = None
    data_checksum: str = ""
    seed: int = 0
    device: str = "cpu"
    steps: int | None = None

    def rng(self, what_for: int, count: int = 0) -> np.random.Generator:
        return np.random.default_rng([self.seed, what_for, count])

    def write(self, directory: Path) -> None:
        packages = ("numpy", "scikit-learn", "safetensors")
        versions = {"python": platform.python_version()} | {p: version(p) for p in packages}
        content = dataclasses.asdict(self) | {"versions": versions}
        with replacing(directory / "config.json") as unfinished:
            unfinished.write_text(json.dumps(content, indent=2) + "\n")

    def __post_init__(self) -> None:
        if self.seed < 0 or (self.steps is not None and self.steps < 1):
            raise UsageError(f"seed={self.seed}, steps={self.steps}: too small")

    @classmethod
    def read(cls, directory: Path) -> "Config":
        """Raises UsageError for a directory that is not a run's, Failure for a damaged one."""
        path = directory / "config.json"
        if not path.is_file():
            raise UsageError(f"{directory} is not a run: it has no config.json")
        try:
            content = json.loads(path.read_text())
            content.pop("versions")
            settings = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in content.pop("settings").items()
            }
            config = cls(FAMILIES[content["model"]].settings_type(**settings), **content)
            _check_types(config.settings)
            _check_types(config)
            return config
        except (OSError, ValueError, LookupError, TypeError, AttributeError, UsageError) as error:
            raise Failure(f"{path} is damaged ({error})") from error


def _check_types(record: Any) -> None:
    """Raises TypeError if a field of a dataclass, read from a file, is not of its type."""
    for name, kind in get_type_hints(type(record)).items():
        value = getattr(record, name)
        if kind is Any:
            continue
        if get_origin(kind) is tuple:
            right = isinstance(value, tuple) and all(type(item) is int for item in value)
        else:
            right = isinstance(value, int | float if kind is float else kind)
        if not right or (isinstance(value, bool) and kind is not bool):
            raise TypeError(f"{name} is {value!r}")


class Run:
    """A model with its data and its optimiser, in a directory, at a step."""

    def __init__(self, config: Config, directory: Path):
        self.data = load(config.data, config.data_dir)
        checksum = self.data.checksum
        if config.data_checksum not in ("", checksum):
            raise Failure(
                f"{directory} was trained on other data: {config.data} has checksum "
                f"{checksum[:12]}..., not {config.data_checksum[:12]}..."
            )
        self.config = dataclasses.replace(config, data_checksum=checksum)
        self.directory = directory
        self.settings = config.settings
        family = FAMILIES[config.model]
        self._refuse_unfit(family)
        self.model = family.for_data(self.settings, self.data, config.rng(_WEIGHTS))
        try:
            self.model.to(config.device)
        except (RuntimeError, ValueError) as error:
            raise Failure(str(error)) from error
        self.steps_per_epoch = len(self.data.train) // self.model.images_a_step
        if self.steps_per_epoch == 0:
            raise UsageError(
                f"batch={self.settings.batch}: a step takes {self.model.images_a_step:,} of "
                f"the {len(self.data.train):,} training images of {config.data}"
            )
        self.total_steps = config.steps or self.settings.epochs * self.steps_per_epoch
        self.step = 0
        self.optimizers = self.model.optimizers(self.total_steps)

    def _refuse_unfit(self, family: type[Model]) -> None:
        """Raises UsageError if a model of these settings is not for these data."""
        name, how = self.config.data, self.settings.binarisation
        if self.data.levels == 0 and not family.planar:
            raise UsageError(f"{family.name} is for images, and {name} has points of the plane")
        if self.data.levels == 2 and how != "fixed":
            raise UsageError(
                f"binarisation={how}: {name} is binary already, so it is fixed "
                "(--set binarisation=fixed)"
            )
        if getattr(self.settings, "conditional", False) and not self.data.classes:
            raise UsageError(f"conditional=yes: {name} has no labels to be conditioned on")

    @cached_property
    def test(self) -> Array:
        """What the model is shown of the test images, (N, pixels), on its device."""
        rng = self.config.rng(_TEST)
        shown = self.data.observe(self.data.test, self.model.shown, rng)
        return to_device(shown, self.config.device)

    @cached_property
    def baseline(self) -> float | None:
        """The factorised model's test NLL, nats per image; None for points."""
        return factorised.test_nll(self.data, self.model.shown) if self.data.levels else None

    @classmethod
    def create(cls, config: Config, directory: Path) -> "Run":
        """A new run. Raises UsageError if `directory` exists: nothing is overwritten."""
        if directory.exists():
            raise UsageError(
                f"{directory} exists: choose another --out, or go on with it by --resume"
            )
        run = cls(config, directory)
        try:
            directory.mkdir(parents=True)
        except OSError as error:
            raise Failure(f"cannot make {directory}: {error.strerror}") from error
        run.config.write(directory)
        return run

    @classmethod
    def open(cls, directory: Path, **changes: Any) -> "Run":
        """The run as its checkpoint has it, or at its start; with changes to its config.

        Raises UsageError or Failure if the directory is no run, or the checkpoint not this one's.
        """
        run = cls(dataclasses.replace(Config.read(directory), **changes), directory)
        path = directory / "checkpoint.safetensors"
        if not path.exists():
            return run
        arrays, metadata = checkpoint.read(path)
        if metadata.get("model") != run.config.model:
            raise Failure(
                f"{path} is of the model {metadata.get('model')!r}, not {run.config.model!r}"
            )
        try:
            run.model.load_state(_within(arrays, "model."))
            for name, optimizer in run.optimizers.items():
                optimizer.load_state(_within(arrays, f"{name}."))
            run.step = int(metadata["step"])
        except (ValueError, LookupError) as error:
            raise Failure(f"{path} does not fit its config.json: {error}") from error
        return run

    def train(self, progress: tqdm | None = None) -> list[Path]:
        """From where the run stands to its last step; returns the paths of the pictures.

        `progress` is a bar that several runs share; without it the run has its own. Raises Failure
        if the loss is not finite.
        """
        if progress is None:
            with bar(self.total_steps, self.step) as progress:
                return self.train(progress)
        pictures: list[Path] = []
        self._drop_metrics_after(self.step)
        epochs = math.ceil(self.total_steps / self.steps_per_epoch)
        drawn_every = max(1, epochs // TIMES_DRAWN)
        key, label = self.model.headline
        progress.write(f"{self.config.model} on {self.config.data}, {self._shown()}")
        with (self.directory / "metrics.jsonl").open("a") as metrics:
            while self.step < self.total_steps:
                for line in self._epoch():
                    metrics.write(json.dumps(line) + "\n")
                    progress.update()
                test = {k: float(v.mean()) for k, v in self._over_test(self.model.test).items()}
                self._refuse_unless_finite(test)
                metrics.write(json.dumps({"step": self.step, "test": True, **test}) + "\n")
                metrics.flush()
                self.save()
                headline = f"test {label} {test[key]:.2f}"
                progress.set_postfix_str(f"{self.config.model}: {headline}")
                epoch = math.ceil(self.step / self.steps_per_epoch)
                if epoch % drawn_every == 0 or self.step == self.total_steps:
                    others = (f"{k} {v:.2f}" for k, v in test.items() if k != key)
                    progress.write(f"epoch {epoch:4d}/{epochs}  {', '.join((headline, *others))}")
                    pictures = self.draw()
        return pictures

    def _epoch(self) -> Iterator[dict[str, Any]]:
        """Train to the end of the epoch, or to the last step; yields the numbers of each step."""
        epoch, first = divmod(self.step, self.steps_per_epoch)
        order = self.config.rng(_ORDER, epoch).permutation(len(self.data.train))
        last = min(self.steps_per_epoch, self.total_steps - epoch * self.steps_per_epoch)
        a_step = self.model.images_a_step
        for i in range(first, last):
            started = time.perf_counter()
            numbers = self._train_step(order[i * a_step : (i + 1) * a_step])
            yield numbers | {"seconds": round(time.perf_counter() - started, 6)}

    def _train_step(self, chosen: np.ndarray) -> dict[str, Any]:
        rng = self.config.rng(_BATCH, self.step)
        shown = self.data.observe(self.data.train[chosen], self.model.shown, rng)
        x = to_device(shown, self.config.device)
        labels = self._labels(self.data.train_labels, chosen)
        epoch = self.step / self.steps_per_epoch
        numbers = self.model.update(x, rng, epoch, labels, self.optimizers)
        self._refuse_unless_finite(numbers)
        self.step += 1
        return {"step": self.step, **numbers}

    def _labels(self, labels: np.ndarray | None, chosen: Any) -> np.ndarray | None:
        return labels[chosen] if self.model.classes and labels is not None else None

    def _refuse_unless_finite(self, numbers: dict[str, float]) -> None:
        for name, value in numbers.items():
            if not math.isfinite(value):
                kept = (self.directory / "checkpoint.safetensors").exists()
                raise Failure(
                    f"{name} is {value} at step {self.step}: try a smaller learning_rate than "
                    f"{self.settings.learning_rate}"
                    + (f"; {self.directory} keeps its last checkpoint" if kept else "")
                )

    def _over_test(
        self, f: Callable[[Array, np.random.Generator, np.ndarray | None], dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        """What `f` gives for the test images, (N,) each, in batches."""
        rng = self.config.rng(_TEST, 1)
        batches = [slice(start, start + 500) for start in range(0, len(self.test), 500)]
        found = [f(self.test[b], rng, self._labels(self.data.test_labels, b)) for b in batches]
        return {k: np.concatenate([numbers[k] for numbers in found]) for k in found[0]}

    def evaluate(self) -> dict[str, Any]:
        """What the model's `evaluate` finds, averaged over the test images, and what it rests on.

        `intervals` are the half-widths of 95% intervals of those means: over which images were
        drawn to test, not over seeds of the training.
        """
        found = self._over_test(self.model.evaluate)
        count = len(self.test)
        return {
            "model": self.config.model,
            "data": self.config.data,
            "shown": self._shown(),
            "step": self.step,
            "test_images": count,
            **{k: float(v.mean()) for k, v in found.items()},
            "intervals": {k: float(1.96 * v.std() / math.sqrt(count)) for k, v in found.items()},
            "factorised_nll": self.baseline,
            "pixels": self.test.shape[1],
            "parameters": sum(p.size for p in self.model.parameters().values()),
            "train_seconds": sum(m.get("seconds", 0) for m in read_metrics(self.directory)),
        }

    def _shown(self) -> str:
        """What of the pixels the model is shown, without which a nat says nothing."""
        return self.data.describe(self.model.shown)

    def save(self) -> None:
        arrays = {f"model.{name}": array for name, array in self.model.state().items()}
        for name, optimizer in self.optimizers.items():
            arrays |= {f"{name}.{key}": array for key, array in optimizer.state().items()}
        metadata = {"model": self.config.model, "step": str(self.step)}
        checkpoint.write(self.directory / "checkpoint.safetensors", arrays, metadata)

    def draw(self) -> list[Path]:
        """Draw every picture of the run; returns their paths."""
        pictures = self.model.draw(self.data, self.test, self.config.rng(_PICTURE))
        pictures["curves"] = figures.curves(
            read_metrics(self.directory),
            self.steps_per_epoch,
            self.model.panels(self.baseline),
            self.model.title(self.data),
        )
        return [figures.save(f, self.directory / f"{name}.png") for name, f in pictures.items()]

    def _drop_metrics_after(self, step: int) -> None:
        """Forget the lines of steps that no checkpoint has: they are about to be made again."""
        path = self.directory / "metrics.jsonl"
        lines = [json.dumps(m) + "\n" for m in read_metrics(self.directory) if m["step"] <= step]
        with replacing(path) as unfinished:
            unfinished.write_text("".join(lines))


def bar(total: int, done: int = 0) -> tqdm:
    """A progress bar over training steps."""
    return tqdm(total=total, initial=done, unit="step", disable=None, leave=False)


def read_metrics(directory: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; none if it is not there. A last line cut short is left out."""
    path = directory / "metrics.jsonl"
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    metrics = []
    for i, line in enumerate(lines):
        try:
            numbers = json.loads(line)
            if not all(
                isinstance(value, int | float) for value in (numbers["step"], *numbers.values())
            ):
                raise ValueError("not the numbers of a step")
            metrics.append(numbers)
        except (ValueError, TypeError, LookupError) as error:
            if i < len(lines) - 1:
                raise Failure(f"{path}, line {i + 1} is damaged: {error}") from error
    return metrics


def _within(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
