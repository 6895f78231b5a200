"""A run of training.

config             what it was asked for, and config.json
run                the model, its data and its optimisers in a directory
loop               epochs, tests and checkpoints
step               a step, on a GPU a CUDA graph
picture_schedule   when it makes its pictures
log                metrics.jsonl and health.jsonl
health             the gradients and updates of each layer, and its dead units
checkpoint         what it keeps of the model
interrupts         Ctrl-C, and the stop button of a notebook
locks              a directory is trained in by one process at a time
"""

from models.training.config import Config
from models.training.run import Run

__all__ = ["Config", "Run"]
