"""Sampling 28 x 28 images from a PixelCNN: by the definition, and by what the next pixel needs.

By the definition each of the 784 pixels is a pass of the whole network over the whole images. One
row of them is timed, and the others take as long. The images are the same ones (the tests hold
that), and the time does not depend on the weights, so these are untrained.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.interleaved import Contestant, compare

SIZE = 28
CASES = [(kind, 16) for kind in ("plain", "gated")]


def sampling(case: tuple[str, int], function: str, known: int) -> Callable[[], object]:
    from models.autoregressive import raster
    from models.autoregressive.pixelcnn import PixelCNN, Settings

    kind, n = case
    rng = np.random.default_rng(0)
    model = PixelCNN(Settings(kind=kind), (SIZE, SIZE), 2, rng)
    sample = getattr(raster, function)
    images = np.zeros((n, 1, SIZE, SIZE), np.float32)
    u = rng.random(images.shape, np.float32)
    given = np.broadcast_to(np.arange(SIZE)[:, None] < known, (n, SIZE, SIZE))
    return lambda: sample(model, images, given, u, None)


MODULE = "models.autoregressive.pixelcnn"
CONTESTANTS = {
    "pieces": Contestant(MODULE, partial(sampling, function="sample", known=0)),
    "definition": Contestant(
        MODULE, partial(sampling, function="sample_by_definition", known=SIZE - 1)
    ),
}


def run(rounds: int) -> dict[str, Any]:
    """Some 15 seconds a round: `--rounds 3` will do."""
    measured = compare(CONTESTANTS, CASES, rounds, calls=1)
    seconds = {
        "pieces": measured["pieces"].seconds,
        "definition": {case: SIZE * row for case, row in measured["definition"].seconds.items()},
    }
    print(f"{'network':10}{'images':>8}{'definition, s':>16}{'pieces, s':>12}{'times':>8}")
    result = {}
    for kind, n in CASES:
        definition, pieces = seconds["definition"][kind, n], seconds["pieces"][kind, n]
        print(f"{kind:10}{n:8}{definition:16.1f}{pieces:12.2f}{definition / pieces:8.0f}")
        result[f"{kind} {n}"] = {"definition": definition, "pieces": pieces}
    return result
