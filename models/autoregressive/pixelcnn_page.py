"""The page of a PixelCNN: which pixels each pixel saw, its distribution, and the rest sampled."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from autograd import Tensor, grad, sigmoid, softmax, to_device
from models.autoregressive.pixelcnn import PixelCNN
from models.errors import UsageError
from models.explore import Example, Page, export

IMAGES = 12  # of the test set
MAX_PIXELS = 256  # of an image: a pass takes a second for 28 x 28


class PixelCNNPage(Page):
    title = "One pixel after the other: the PixelCNN"
    look = (
        "A pixel's distribution depends on the pixels before it in raster order, and the gradient "
        "of its logit is exactly 0 for every other one.",
        "The plain network has a blind spot, marked with crosses: pixels that come before this "
        "one, but from which no path of masked convolutions leads to it.",
        "The gated network has a stack for the rows above, and sees every pixel before. Flip one "
        "and watch the distribution; then sample the rest from there.",
    )
    demo: ClassVar = {
        kind: Example("digits", {"kind": kind, "kernel_size": 3, "channels": 32, "epochs": 10})
        for kind in ("plain", "gated")
    }

    def __init__(self, runs: Sequence[Any]):
        for run in runs:
            if run.model.channels > 1 or run.model.settings.output != "softmax":
                raise UsageError(
                    f"{run.directory}: the page is for grey images and output=softmax: "
                    "train one with chainrule train pixelcnn --data digits"
                )
            height, width = run.model.shape
            if height * width > MAX_PIXELS:
                raise UsageError(
                    f"{run.directory}: {height} x {width} pixels are too many to be sampled in a "
                    "page: train one with chainrule train pixelcnn --data digits"
                )
            if run.model.classes:
                raise UsageError(f"{run.directory}: the page is for a pixelcnn with conditional=no")
        if len({(run.model.shape, run.model.levels) for run in runs}) > 1:
            raise UsageError("the runs differ in the size of the images, or in their levels")
        super().__init__(runs)

    def content(self) -> dict[str, Any]:
        first = self.runs[0]
        chosen = np.random.default_rng(0).permutation(len(first.data.test))[:IMAGES]
        labels = first.data.test_labels
        classes = [] if labels is None else [first.data.class_name(i) for i in labels[chosen]]
        return {
            "shape": first.model.shape,
            "levels": first.model.levels,
            "images": to_device(first.test_images, "cpu")[chosen],
            "classes": classes,
            "runs": [{**_run(run), "settings": self.setting_of(run, "kind")} for run in self.runs],
        }


def _run(run: Any) -> dict[str, Any]:
    model, rng = run.model, np.random.default_rng(0)
    x = [rng.integers(2, size=(1, 1, *model.shape)).astype(np.float32) for _ in range(2)]
    outputs = 1 if model.levels == 2 else model.levels
    at = [rng.standard_normal((1, outputs, *model.shape), np.float32) for _ in range(2)]
    return {
        "name": run.directory.name,
        "steps": run.total_steps,
        "times": [
            {
                "step": step,
                "distribution": export(lambda x: distribution(model, x), x[:1], x[1:]),
                "slope": export(lambda x, g: slope(model, x, g), (x[0], at[0]), (x[1], at[1])),
            }
            for step in run.replay()
        ],
    }


def distribution(model: PixelCNN, x: np.ndarray) -> Tensor:
    """Of each pixel of an image (1, 1, height, width): (pixels, levels), or (pixels, 1) of ink."""
    logits = model.logits(x).reshape((-1, math.prod(model.shape))).T
    return sigmoid(logits) if model.levels == 2 else softmax(logits)


def slope(model: PixelCNN, x: np.ndarray, weights: np.ndarray) -> Tensor:
    """The gradient of sum(weights logits) by the image: for one pixel, the rows of its Jacobian."""
    image = Tensor(x, requires_grad=True)
    return grad(model.logits(image), image, weights, create_graph=True)
