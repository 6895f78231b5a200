"""The run that a command is for."""

import argparse
from pathlib import Path

import models
from models.data import DATASETS
from models.data.mnist import FILES
from models.errors import UsageError, printable
from models.training.config import Config
from models.training.run import Run


def trained_run(options: argparse.Namespace, directory: Path) -> Run:
    """Raises UsageError for a directory that is no run, Failure for a run that is not trained."""
    config = Config.read(directory)
    data_dir = data_dir_of(options, config.data, config.data_dir)
    return models.load(directory, device=options.device or "cpu", data_dir=data_dir)


def data_dir_of(options: argparse.Namespace, data: str, default: str | None) -> str | None:
    """The folder of --data-dir, absolute, so that a run finds it from any working directory.

    Raises UsageError for data that are not read from files.
    """
    if options.data_dir is None:
        return default
    if data not in DATASETS:
        raise UsageError(f"--data-dir {options.data_dir}: {printable(data)} is a path itself")
    if data not in FILES:
        raise UsageError(
            f"--data-dir {options.data_dir}: {data} is not read from files; "
            f"name the data that are, with --data: {', '.join(FILES)}"
        )
    return str(options.data_dir.resolve())
