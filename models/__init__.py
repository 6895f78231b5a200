"""The lectures' table of contents: a chapter a folder, a model a file.

    autoencoders/    codes of an image, and the variational autoencoder
    adversarial/     two players: GAN
    autoregressive/  the chain rule of probability: PixelCNN
    diffusion/       noise and its undoing: DDPM
    densities/       densities that can be written down

A model's file is the model. Its settings, its report and its page stand beside it, as
`vae_settings`, `vae_report` and `vae_page` do, and its networks where they are long. What serves
every model:

    model            what a model can do; `settings` and `report` are what stands beside it
    families         the models by name: a new one is registered there
    data/            data sets, and the four forms of a pixel
    training/        a run: the loop, its directory, checkpoints, resuming
    outputs/         what a trained model gives back: samples, codes, completions, scores
    metrics/         FID and its like; the classifier whose features they use
    pictures/        images, curves and points as figures
    explore/         a model as a page, which computes with its weights
    derivations/     every formula that the models rest on, checked by number
    cli/             the command `chainrule`
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import Failure
from models.version import __version__

if TYPE_CHECKING:
    from models.training.run import Run

__all__ = ["__version__", "load"]


def load(directory: Path | str, **changes: Any) -> "Run":
    """The trained run in `directory`: `models.load("runs/one").sample(16)`.

    `changes` are to its config, such as device="cuda" or data_dir. Raises UsageError for a
    directory that is no run, Failure for a run that is not trained yet.
    """
    from models.training.run import Run  # here, so that `import models` is quick

    run = Run.open(directory, **changes)
    if run.step == 0:
        raise Failure(f"{directory} has no checkpoint yet: train it first, with --resume")
    return run
