"""The page of a VAE with a plane for z: its codes, and what is decoded wherever one points."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from autograd import no_grad, sigmoid
from models.autoencoders.vae import VAE
from models.errors import UsageError
from models.explore import Example, Page, export

MAX_CODES = 400  # of test images: more would hide each other
GRID, STRIP = 15, 11  # decoded images across the plane, and from one point to the other


class VAEPage(Page):
    title = "A plane of codes: the VAE"
    look = (
        "With β = 0 nothing holds the codes near the prior, so the classes are islands far outside "
        "the circle. Between the islands the decoder has never been.",
        "With β = 1 the classes overlap and fill the circle that holds 95% of the prior, so a "
        "sample of the prior decodes to a digit.",
        "With β = 4 the posterior collapses: every image has the same code, the KL is 0, and the "
        "decoder makes one image for the whole plane.",
    )
    demo: ClassVar = {
        f"beta-{beta:g}": Example(
            "digits", {"latent": 2, "beta": beta, "hidden": (32, 64), "epochs": 120}, keep=8
        )
        for beta in (0.0, 1.0, 4.0)
    }

    def __init__(self, runs: Sequence[Any]):
        for run in runs:
            latent, name = run.settings.latent, run.directory
            if run.model.channels == 3 or run.settings.network == "conv":
                raise UsageError(
                    f"{name}: the page computes an mlp of grey images: train one with "
                    "--set network=mlp --set latent=2, and --colour grey if they are your own"
                )
            if latent != 2:
                raise UsageError(
                    f"{name}: its z has {latent} dimensions, and the page is for a plane: train "
                    "one with chainrule train vae --set latent=2"
                )
        super().__init__(sorted(runs, key=lambda run: run.settings.beta))

    def content(self) -> dict[str, Any]:
        return {"grid": GRID, "strip": STRIP, "runs": [_run(run) for run in self.runs]}


def _run(run: Any) -> dict[str, Any]:
    model, data = run.model, run.data
    chosen = np.random.default_rng(0).permutation(len(data.test))[:MAX_CODES]
    labels = data.test_labels
    times = [{"step": step, **_time(run, model, chosen)} for step in run.replay()]
    return {
        "name": run.directory.name,
        "beta": run.settings.beta,
        "shape": model.shape,
        "steps": run.total_steps,
        "epoch": run.steps_per_epoch,
        "images": np.rint(data.test[chosen] * (255 / (data.levels - 1))).astype(np.uint8),
        "labels": None if labels is None else labels[chosen],
        "classes": [data.class_name(label) for label in range(data.classes)],
        "times": times,
    }


def _time(run: Any, model: VAE, chosen: np.ndarray) -> dict[str, Any]:
    """The decoder as it was, the codes of the chosen test images, and the bound on all."""
    with no_grad():
        codes = model.encode(run.test_images[chosen])[0].numpy()
    numbers = model.bound(run.test_images, np.random.default_rng(0))
    z = np.array([[1.0, -1.0]], np.float32)
    return {
        "decode": export(lambda z: image(model, z), [z], [z / 2 + 1]),
        "codes": codes,
        **{name: float(values.mean()) for name, values in numbers.items()},
    }


def image(model: VAE, z: np.ndarray) -> Any:
    """The mean of p(x|z), (N, pixels), which the page limits to 0 ... 1."""
    output = model.decode(z)
    if model.settings.decoder == "bernoulli":
        return sigmoid(output)
    return model.center + model.scale * output
