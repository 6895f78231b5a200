"""A run: a model with its data and its optimisers, in a directory.

    config.json              what was asked for, with versions and the data's checksum
    metrics.jsonl            a line a training step, and one a test at the end of each epoch
    health.jsonl             gradients and updates of the steps that are recorded, if any
    checkpoint.safetensors   parameters and optimiser, rewritten after each epoch
    weights-STEP.safetensors the parameters alone, at the times that `keep` asks for
    *.png                    pictures, made again as it trains, the curves last
    chainrule.lock           the process that trains it

All randomness comes from (seed, purpose, step or epoch), so there is no generator state to
save, and a resumed run goes on exactly as it would have gone.
"""

import dataclasses
import math
import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from matplotlib.figure import Figure

from autograd import Array, to_device
from models import pictures
from models.data import MANY, Labels, batches, load
from models.errors import Caution, Failure, UsageError, printable
from models.families import FAMILIES
from models.outputs import codes, completion, likelihood, sampling
from models.progress import bar
from models.training import checkpoint, loop, summary
from models.training.checkpoint import CHECKPOINT
from models.training.config import PICTURE, TEST, WEIGHTS, Config
from models.training.health import Health
from models.training.locks import LOCK, claim, refuse_unless_free, release
from models.training.log import read_metrics
from models.training.step import Steps

TEST_BATCH = 500  # images
CURVES = "curves"


class Run:
    """A model with its data and its optimiser, in a directory, at a step."""

    # Each of these takes the run first, and so is a method of it.
    train = loop.train
    sample = sampling.sample
    encode, decode = codes.encode, codes.decode
    reconstruct, interpolate = codes.reconstruct, codes.interpolate
    complete = completion.complete
    score, classify = likelihood.score, likelihood.classify

    steps: Steps  # of the training in hand

    def __init__(self, config: Config, directory: Path | str):
        self.directory = directory = Path(directory)
        self.data = load(config.data, config.data_dir, config.reading)
        if config.limit:
            if config.limit > (there := len(self.data.train)):
                raise UsageError(
                    f"limit={config.limit:,}: {self.data.name} has {there:,} images to train on"
                )
            self.data = self.data.first(config.limit)
        checksum = self.data.checksum
        if config.data_checksum not in ("", checksum):
            raise Failure(
                f"{directory} was trained on other data, or {printable(config.data)} has changed: "
                f"its checksum is {checksum[:12]}..., and was {config.data_checksum[:12]}...; "
                "bring back what it was trained on, or train anew"
            )
        self.config = dataclasses.replace(config, data_checksum=checksum)
        self.lock = FileLock(directory / LOCK)
        self.settings = config.settings
        family = FAMILIES[config.model]
        self.model = family.model.for_data(self.settings, self.data, config.rng(WEIGHTS))
        self.report = family.report(self.model, self.data)
        try:
            self.model.to(config.device)
        except (RuntimeError, ValueError) as error:
            raise Failure(str(error)) from error
        self.steps_per_epoch = len(self.data.train) // self.model.images_per_step
        if self.steps_per_epoch == 0:
            raise UsageError(
                f"batch={self.settings.batch}: a step takes {self.model.images_per_step:,} of "
                f"the {len(self.data.train):,} training images of {self.data.name}; take fewer, "
                f"such as --set batch={max(1, len(self.data.train) // 4)}"
            )
        self.total_steps = self._total_steps(config)
        self.step = 0
        self.health_interval = 0
        self.optimizers = self.model.optimizers(self.total_steps)

    def __repr__(self) -> str:
        model, data, total = self.config.model, self.data.name, self.total_steps
        return f"Run({model} on {data} in {self.directory}, step {self.step:,} of {total:,})"

    def _total_steps(self, config: Config) -> int:
        return config.steps or config.settings.epochs * self.steps_per_epoch

    @cached_property
    def test_images(self) -> Array:
        """The test images in the model's form, (N, pixels), on its device: the first MANY."""
        rng = self.config.rng(TEST)
        images = self.data.observe(self.data.test[:MANY], self.model.pixels, rng)
        return to_device(images, self.config.device)

    @property
    def pixel_form(self) -> str:
        """The form of the pixels, without which a number of nats means nothing."""
        limit = self.config.limit
        first = f", the first {limit:,} images" if limit else ""
        return self.data.describe(self.model.pixels) + first

    @classmethod
    def create(cls, config: Config, directory: Path | str) -> "Run":
        """A new run. Raises UsageError if there is something in `directory`."""
        refuse_unless_free(Path(directory))
        run = cls(config, directory)
        run.begin()
        return run

    def begin(self) -> None:
        """Make the directory this run's, and this process's until it is trained.

        Warns if the training ends in the first of two stages.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Failure(f"cannot make {self.directory}: {error.strerror}") from error
        claim(self.lock)
        refuse_unless_free(self.directory)  # another process may have been as quick
        self.config.write(self.directory)
        first = getattr(self.settings, "autoencoder_epochs", 0) * self.steps_per_epoch
        if self.total_steps <= first:
            warnings.warn(
                f"{self.total_steps:,} steps end in the first stage, which has {first:,}: the "
                "second stays untrained; take more, or a smaller --set autoencoder_epochs",
                Caution,
                stacklevel=2,
            )

    @classmethod
    def open(cls, directory: Path | str, **changes: Any) -> "Run":
        """The run as its checkpoint has it, or at its start; with changes to its config.

        Raises UsageError or Failure if the directory is no run, or the checkpoint not this one's.
        """
        config = dataclasses.replace(Config.read(Path(directory)), **changes)
        run = cls(config, directory)
        run._load()
        return run

    @classmethod
    def resume(cls, directory: Path, **changes: Any) -> "Run":
        """As `open`, to be trained by this process, for which the directory is kept.

        Raises UsageError if it is finished, and its pictures are made. Warns if another number of
        steps makes another learning rate.
        """
        config = Config.read(directory)
        run = cls(dataclasses.replace(config, **changes), directory)
        claim(run.lock)
        try:
            run._load()
            read_metrics(directory)  # before anything is written: they may be damaged
            if run.step >= run.total_steps and run._has_pictures:
                raise UsageError(
                    f"{directory} is finished, at step {run.step:,} of {run.total_steps:,}: "
                    "to go on, ask for more with --epochs or --steps"
                )
            run._warn_of_another_rate(run._total_steps(config))
            run.config.write(directory)
        except BaseException:
            release(run.lock)
            raise
        return run

    def _load(self) -> None:
        self.step = checkpoint.load(self.directory, self.model, self.optimizers)

    @property
    def _has_pictures(self) -> bool:
        """Whether the last picture is as new as the checkpoint."""
        curves, saved = self.directory / f"{CURVES}.png", self.directory / CHECKPOINT
        return curves.exists() and curves.stat().st_mtime_ns >= saved.stat().st_mtime_ns

    def _warn_of_another_rate(self, steps: int) -> None:
        """Warn if the learning rate would be another here in a training of so many `steps`."""
        other = self.model.optimizers(steps)
        for name, optimizer in self.optimizers.items():
            now, before = (o.schedule(optimizer.steps) for o in (optimizer, other[name]))
            if self.step and now != before:
                warnings.warn(
                    f"the learning rate goes on along a schedule of {self.total_steps:,} steps "
                    f"instead of {steps:,}: it is {now:.3g} at step {self.step:,} instead of "
                    f"{before:.3g}",
                    Caution,
                    stacklevel=3,
                )
                return

    def labels_of(self, labels: Labels, chosen: Any) -> Labels:
        return labels[chosen] if self.model.classes and labels is not None else None

    def refuse_unless_finite(self, numbers: Mapping[str, Any], step: int | None = None) -> None:
        for name, values in numbers.items():
            wrong = np.extract(~np.isfinite(values), values)
            if wrong.size:
                kept = (self.directory / CHECKPOINT).exists()
                step = self.step if step is None else step
                raise Failure(
                    f"{name} is {wrong[0]} at step {step}: try a smaller learning_rate than "
                    f"{self.settings.learning_rate:g}"
                    + (f"; {self.directory} keeps its last checkpoint" if kept else "")
                )

    def evaluate_each(self, thorough: bool = False) -> dict[str, np.ndarray]:
        """The numbers of the test images, (N,) or (N, dimensions) each, in batches."""
        rng = self.config.rng(TEST, 1)
        found = []
        with bar(f"{self.config.model}: test", len(self.test_images), "image") as progress:
            for batch in batches(len(self.test_images), TEST_BATCH):
                x, labels = self.test_images[batch], self.labels_of(self.data.test_labels, batch)
                found.append(self.model.evaluate(x, rng, labels, thorough))
                progress.update(len(x))
        return {k: np.concatenate([numbers[k] for numbers in found]) for k in found[0]}

    def evaluate(self) -> dict[str, Any]:
        """A thorough evaluation, averaged over the test images, and what it depends on.

        `intervals` are the half-widths of 95% intervals of those means: over the choice of the
        test images, not over seeds of the training.
        """
        numbers = self.evaluate_each(thorough=True)
        count = len(self.test_images)
        return {
            "model": self.config.model,
            "data": self.data.name,
            "pixel_form": self.pixel_form,
            "step": self.step,
            "test_images": count,
            **{k: v.mean(0).tolist() for k, v in numbers.items()},
            "intervals": {
                k: (1.96 * v.std(0) / math.sqrt(count)).tolist() for k, v in numbers.items()
            },
            "factorised_nll": self.report.baseline,
            "pixels": self.test_images.shape[1],
            "parameters": sum(p.size for p in self.model.parameters().values()),
            "train_seconds": sum(m.get("seconds", 0) for m in read_metrics(self.directory)),
        }

    def save(self) -> None:
        """Raises Failure if a gradient, or a number to save, is not finite: a loss can hide it."""
        for name, p in self.model.parameters().items():
            if p.grad is not None:
                self.refuse_unless_finite({f"gradient.{name}": p.grad.numpy()})
        arrays = checkpoint.state(self.model, self.optimizers)
        self.refuse_unless_finite(arrays)
        checkpoint.save(self.directory, arrays, self.config.model, self.step)

    def replay(self) -> Iterator[int]:
        """The model at each time that `keep` asked for, and at last as it is; yields the steps."""
        return checkpoint.replay(self.directory, self.model, self.step)

    @property
    def health(self) -> Health | None:
        """The gradients and updates of its layers, as recorded; None if none are."""
        return Health.read(self.directory, self.model)

    def figures(self) -> dict[str, Figure]:
        """Every picture of the run by its name: a notebook shows a figure as it is."""
        figures = self.report.pictures(self.test_images, self.config.rng(PICTURE))
        if health := self.health:
            figures["health"] = health.picture(self.steps_per_epoch, self.report.title)
        return {**figures, CURVES: self.curves()}

    def curves(self) -> Figure:
        """The training curves."""
        lines, panels = read_metrics(self.directory), self.report.panels()
        return pictures.curves(lines, self.steps_per_epoch, panels, self.report.title)

    def make_pictures(self, suffix: str = ".png") -> list[Path]:
        """Make every picture of the run, as PNG, SVG or PDF; returns their paths."""
        with bar(f"{self.config.model}: making pictures"):
            return [
                pictures.save(figure, self.directory / f"{name}{suffix}")
                for name, figure in self.figures().items()
            ]

    def _repr_html_(self) -> str:
        """For a notebook: where it stands, its last test, and its curves."""
        return summary.as_html(self)
