"""The loop of a training: epochs, tests, checkpoints, and what it writes and prints of them.

`run` is a Run.
"""

import json
import math
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from tqdm import tqdm

from autograd import Rng
from models.progress import bar
from models.training import checkpoint
from models.training.config import BATCH, ORDER
from models.training.health import recording
from models.training.interrupts import held_back
from models.training.locks import claim, release
from models.training.log import HEALTH, METRICS, drop_after, read_metrics
from models.training.picture_schedule import PictureSchedule
from models.training.step import Steps

TESTS_PRINTED = 6  # of all epochs


def train(
    run: Any, progress: tqdm | None = None, pictures: str | int = "auto", health: int = 0
) -> list[Path]:
    """From where the run stands to its last step; returns the paths of the pictures.

    `progress` is a bar that several runs share; without it the run has its own. `pictures` are
    made at the "end" and, unless that is all, each so many epochs or ("auto") as often as
    takes no longer than the training does; or "no" pictures are made. The `health` of every
    so many steps is recorded, from the first; 0 for none. An interrupt is raised after the step
    in hand, and nothing is lost: `train` goes on from there. Raises Failure if a number is not
    finite, or if another process trains the run.
    """
    run.health_interval = health
    run.steps = Steps(run.model, run.optimizers)
    claim(run.lock)
    try:
        own = bar(run.config.model, run.total_steps, "step", run.step)
        with own if progress is None else nullcontext(progress) as shown:
            _train(run, shown, PictureSchedule(pictures))
        return [] if pictures == "no" else run.make_pictures()
    except KeyboardInterrupt:
        with held_back():
            run.save()
        raise
    finally:
        release(run.lock)


def _train(run: Any, progress: tqdm, schedule: PictureSchedule) -> None:
    for name in (METRICS, HEALTH):
        drop_after(run.directory / name, run.step)
    lines = read_metrics(run.directory)
    tested = max((line["step"] for line in lines if line.get("test")), default=0)
    epochs = math.ceil(run.total_steps / run.steps_per_epoch)
    epochs_per_line = max(1, epochs // TESTS_PRINTED)
    key, name = run.report.headline
    progress.write(f"{run.config.model} on {run.data.name}, {run.pixel_form}")
    with (run.directory / METRICS).open("a", encoding="utf-8") as metrics:
        while run.step < run.total_steps or tested < run.step:
            if not (_ends_epoch(run) and tested < run.step):
                _train_epoch(run, metrics, progress)
            test = {k: float(v.mean()) for k, v in run.evaluate_each().items()}
            run.refuse_unless_finite(test)
            metrics.write(json.dumps({"step": run.step, "test": True, **test}) + "\n")
            metrics.flush()
            tested = run.step
            run.save()
            progress.set_postfix_str(f"{name} {test[key]:.2f}")
            epoch = math.ceil(run.step / run.steps_per_epoch)
            finished = run.step == run.total_steps
            if printed := epoch % epochs_per_line == 0 or finished:
                progress.write(f"epoch {epoch:4d}/{epochs}  test {run.report.line(test)}")
            if not finished and schedule.due(epoch, printed):
                started = time.perf_counter()
                run.make_pictures()
                schedule.record(time.perf_counter() - started)


def _ends_epoch(run: Any) -> bool:
    return run.step % run.steps_per_epoch == 0 or run.step == run.total_steps


def _train_epoch(run: Any, metrics: TextIO, progress: tqdm) -> None:
    """Train to the end of the epoch, or to the last step; writes the numbers of each step."""
    epoch, first = divmod(run.step, run.steps_per_epoch)
    order = run.config.rng(ORDER, epoch).permutation(len(run.data.train))
    last = min(run.steps_per_epoch, run.total_steps - epoch * run.steps_per_epoch)
    size = run.model.images_per_step
    _keep_weights(run)
    with held_back() as waiting:
        started = time.perf_counter()
        for i in range(first, last):
            # The last by Python, for its gradients: `save` looks at them.
            train_step(run, order[i * size : (i + 1) * size], by_python=i == last - 1)
            if run.steps.due:
                _write_numbers(run, metrics, started)
                started = time.perf_counter()
            _keep_weights(run)
            progress.update()
            if waiting:  # the step in hand is made as a whole
                break
        if run.steps.unread:
            _write_numbers(run, metrics, started)


def _keep_weights(run: Any) -> None:
    times = run.config.keep
    checkpoint.keep_weights(run.directory, run.model, run.step, times, run.total_steps)


def train_step(run: Any, chosen: np.ndarray, by_python: bool = False) -> None:
    """A step on these of the training images, (N,)."""

    def images(rng: Rng) -> np.ndarray:
        return run.data.observe(run.data.train[chosen], run.model.pixels, rng)

    rng, epoch = run.config.rng(BATCH, run.step), run.step / run.steps_per_epoch
    given = images, rng, epoch, run.labels_of(run.data.train_labels, chosen)
    if run.health_interval and run.step % run.health_interval == 0:
        with recording(run.model, run.directory, run.step + 1):
            run.steps.make(*given, by_python=True)
    else:
        run.steps.make(*given, by_python)
    run.step += 1


def _write_numbers(run: Any, metrics: TextIO, started: float) -> None:
    """A line for each step that was made since; refuses numbers that are not finite."""
    read = run.steps.read()
    seconds = round((time.perf_counter() - started) / len(read), 6)
    for made_before, numbers in enumerate(read, run.step - len(read)):
        run.refuse_unless_finite(numbers, made_before)
        line = {"step": made_before + 1, **numbers, "seconds": seconds}
        metrics.write(json.dumps(line) + "\n")
