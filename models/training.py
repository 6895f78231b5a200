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

from autograd import optim, to_device
from models import checkpoint, factorised, figures, vae
from models.data import load
from models.errors import Failure, UsageError
from models.files import replacing

TIMES_DRAWN = 6  # how often a run draws its pictures
IMPORTANCE_SAMPLES = 128
_WEIGHTS, _ORDER, _BATCH, _TEST, _PICTURE, _TRAIN = range(6)  # what the randomness is for


@dataclass(frozen=True)
class Config:
    """Everything that a run depends on. `steps` is the total; None means `settings.epochs`."""

    settings: vae.Settings
    model: str = "vae"
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
            settings = content.pop("settings")
            settings["hidden"] = tuple(settings["hidden"])
            config = cls(vae.Settings(**settings), **content)
            _check_types(config.settings)
            _check_types(config)
            return config
        except (OSError, ValueError, LookupError, TypeError, AttributeError, UsageError) as error:
            raise Failure(f"{path} is damaged ({error})") from error


def _check_types(record: Any) -> None:
    """Raises TypeError if a field of a dataclass, read from a file, is not of its type."""
    for name, kind in get_type_hints(type(record)).items():
        value = getattr(record, name)
        if get_origin(kind) is tuple:
            right = all(type(item) is int for item in value)
        else:
            right = isinstance(value, int | float if kind is float else kind)
        if not right or isinstance(value, bool):
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
        self.steps_per_epoch = len(self.data.train) // self.settings.batch
        if self.steps_per_epoch == 0:
            raise UsageError(
                f"batch={self.settings.batch} is larger than the {len(self.data.train):,} "
                f"training images of {config.data}"
            )
        self.total_steps = config.steps or self.settings.epochs * self.steps_per_epoch
        self.step = 0

        how = self.settings.binarisation
        if self.data.levels == 2 and how != "fixed":
            raise UsageError(f"binarisation={how}: {config.data} is binary already, so it is fixed")
        shown = self.data.observe(self.data.train, how, config.rng(_TRAIN))
        self.model = vae.VAE(
            self.settings,
            self.data.image_shape,
            self.data.levels,
            config.rng(_WEIGHTS),
            shown,
        )
        try:
            self.model.to(config.device)
        except (RuntimeError, ValueError) as error:
            raise Failure(str(error)) from error
        rates = (self.settings.learning_rate, self.settings.final_learning_rate)
        self.optimizer = optim.Adam(
            self.model.parameters(), optim.cosine_schedule(*rates, self.total_steps)
        )

    @cached_property
    def test(self) -> np.ndarray:
        """What the model is shown of the test images: (N, pixels), the same each time."""
        return self.data.observe(self.data.test, self.settings.binarisation, self.config.rng(_TEST))

    @cached_property
    def baseline(self) -> float:
        """The factorised model's test NLL, nats per image."""
        return factorised.test_nll(self.data, self.settings.binarisation)

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
            run.optimizer.load_state(_within(arrays, "optimizer."))
        except ValueError as error:
            raise Failure(f"{path} does not fit its config.json: {error}") from error
        run.step = run.optimizer.steps
        return run

    def train(self) -> list[Path]:
        """From where the run stands to its last step; returns the paths of the pictures.

        Raises Failure if the loss is not finite.
        """
        pictures: list[Path] = []
        self._drop_metrics_after(self.step)
        epochs = math.ceil(self.total_steps / self.steps_per_epoch)
        drawn_every = max(1, epochs // TIMES_DRAWN)
        progress = tqdm(
            total=self.total_steps, initial=self.step, unit="step", disable=None, leave=False
        )
        progress.write(
            f"{self.config.model} on {self.config.data}, {self._shown()}; nats per image"
        )
        with progress, (self.directory / "metrics.jsonl").open("a") as metrics:
            while self.step < self.total_steps:
                for line in self._epoch():
                    metrics.write(json.dumps(line) + "\n")
                    progress.update()
                test = self._test()
                self._refuse_unless_finite(test["negative_elbo"])
                metrics.write(json.dumps(test) + "\n")
                metrics.flush()
                self.save()
                progress.set_postfix_str(f"test -ELBO {test['negative_elbo']:.2f} nats")
                epoch = math.ceil(self.step / self.steps_per_epoch)
                if epoch % drawn_every == 0 or self.step == self.total_steps:
                    progress.write(
                        f"epoch {epoch:4d}/{epochs}  test -ELBO {test['negative_elbo']:7.2f}"
                        f" = reconstruction {test['reconstruction']:.2f} + KL {test['kl']:.2f}"
                    )
                    pictures = self.draw()
        return pictures

    def _epoch(self) -> Iterator[dict[str, Any]]:
        """Train to the end of the epoch, or to the last step; yields the numbers of each step."""
        epoch, first = divmod(self.step, self.steps_per_epoch)
        order = self.config.rng(_ORDER, epoch).permutation(len(self.data.train))
        last = min(self.steps_per_epoch, self.total_steps - epoch * self.steps_per_epoch)
        for i in range(first, last):
            started = time.perf_counter()
            chosen = order[i * self.settings.batch : (i + 1) * self.settings.batch]
            numbers = self._train_step(self.data.train[chosen])
            yield numbers | {"seconds": round(time.perf_counter() - started, 6)}

    def _train_step(self, images: np.ndarray) -> dict[str, Any]:
        rng = self.config.rng(_BATCH, self.step)
        shown = self.data.observe(images, self.settings.binarisation, rng)
        x = to_device(shown, self.config.device)
        loss, parts = self.model.loss(x, rng, self.step / self.steps_per_epoch)
        self._refuse_unless_finite(loss.item())
        self.model.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1
        return {"step": self.step, "loss": loss.item(), **parts}

    def _refuse_unless_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            kept = (self.directory / "checkpoint.safetensors").exists()
            raise Failure(
                f"the loss is {loss} at step {self.step}: try a smaller learning_rate than "
                f"{self.settings.learning_rate}"
                + (f"; {self.directory} keeps its last checkpoint" if kept else "")
            )

    def _test(self) -> dict[str, Any]:
        bound = self._over_test(lambda x, rng: self.model.bound(x, rng))
        return {"step": self.step, "test": True, **bound}

    def _over_test(self, f: Callable[[np.ndarray, np.random.Generator], dict]) -> dict[str, float]:
        """The mean over the test images of what `f` gives for a batch of them."""
        rng = self.config.rng(_TEST, 1)
        batches = np.array_split(self.test, math.ceil(len(self.test) / 500))
        values = [f(to_device(x, self.config.device), rng) for x in batches]
        weights = [len(x) / len(self.test) for x in batches]
        return {k: sum(w * v[k] for w, v in zip(weights, values)) for k in values[0]}

    def evaluate(self) -> dict[str, Any]:
        """The test bounds in nats per image, better estimated than while training.

        -ELBO with its parts, averaged over 10 samples of z an image; the importance-weighted
        estimate of -log p(x); and the factorised baseline.
        """

        def bounds(x: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
            log_p = self.model.log_prob(x, rng, IMPORTANCE_SAMPLES)
            return self.model.bound(x, rng, samples=10) | {"nll": -float(log_p.mean())}

        return {
            "model": self.config.model,
            "data": self.config.data,
            "binarisation": self._shown(),
            "step": self.step,
            "test_images": len(self.test),
            **self._over_test(bounds),
            "importance_samples": IMPORTANCE_SAMPLES,
            "factorised_nll": self.baseline,
            "pixels": self.test.shape[1],
            "parameters": sum(p.size for p in self.model.parameters().values()),
        }

    def _shown(self) -> str:
        """What of the pixels the model is shown, without which a nat says nothing."""
        return self.data.describe(self.settings.binarisation)

    def save(self) -> None:
        arrays = {f"model.{name}": array for name, array in self.model.state().items()}
        arrays |= {f"optimizer.{name}": array for name, array in self.optimizer.state().items()}
        checkpoint.write(
            self.directory / "checkpoint.safetensors", arrays, {"model": self.config.model}
        )

    def draw(self) -> list[Path]:
        """Draw every picture of the run; returns their paths."""
        pictures = vae.draw(
            self.model,
            self.data,
            to_device(self.test, self.config.device),
            self.directory,
            self.config.rng(_PICTURE),
        )
        curves = self.directory / "curves.png"
        figures.curves(
            read_metrics(self.directory),
            self.steps_per_epoch,
            self.baseline,
            f"{self.config.data}, {self._shown()}",
            curves,
        )
        return [*pictures, curves]

    def _drop_metrics_after(self, step: int) -> None:
        """Forget the lines of steps that no checkpoint has: they are about to be made again."""
        path = self.directory / "metrics.jsonl"
        lines = [json.dumps(m) + "\n" for m in read_metrics(self.directory) if m["step"] <= step]
        with replacing(path) as unfinished:
            unfinished.write_text("".join(lines))


NUMBERS = ("step", "reconstruction", "kl")  # that every line of metrics.jsonl has


def read_metrics(directory: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; none if it is not there. A last line cut short is left out."""
    path = directory / "metrics.jsonl"
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    metrics = []
    for i, line in enumerate(lines):
        try:
            numbers = json.loads(line)
            if not all(isinstance(numbers[name], int | float) for name in NUMBERS):
                raise ValueError("not the numbers of a step")
            metrics.append(numbers)
        except (ValueError, TypeError, LookupError) as error:
            if i < len(lines) - 1:
                raise Failure(f"{path}, line {i + 1} is damaged: {error}") from error
    return metrics


def _within(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
