"""What a step of training, and a batch of samples, ask of a GPU: counted, and so without one.

Each family has its settings for MNIST, on the pretended CuPy of `tests/autograd/device.py`. Our
CUDA kernels are started by the code that starts them on a GPU, but do not run: they leave zeros.
Counted are, by the function that asks for them,

    CuPy's, ours    launches of kernels: of CuPy's functions and cuBLAS's, and of our own
    waits           of the host for the GPU, to read a number or an array
    sends           of an array from the host; one of a step's is the batch

and the megabytes that the kernels read and write, each of their arrays once. Samples are 16 of
8 x 8, since a PixelCNN asks anew for each pixel. A test holds the counts to
`results/launches.json`: a count that rises has to be written there.
"""

import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from autograd.modes import switched
from kernels.cuda import launch
from kernels.matmul import cuda as matmul
from models.data import Dataset
from models.families import FAMILIES
from models.training.step import Steps
from tests.autograd import device

SIDE = 28  # of the images of a step
SAMPLES, SAMPLED_SIDE = 16, 8
TOP = 6  # functions that are printed
KINDS = ("CuPy's", "ours", "waits", "sends")

Numbers = dict[str, Any]


class Counts:
    """A Counter for each of KINDS, by the function that asked, and the bytes of the launches."""

    def __init__(self) -> None:
        self.of = {kind: Counter[str]() for kind in KINDS}
        self.bytes = 0

    def tell(self, kind: str, name: str, *arrays: Any) -> None:
        """In the place of the pretended CuPy's."""
        self.add({"launch": "CuPy's", "wait": "waits", "send": "sends"}[kind], arrays)

    def start(self, kernel: Any, grid: Any, block: Any, *arguments: Any) -> None:
        """In the place of `launch.start`."""
        single = [x for a in arguments for x in (a if isinstance(a, tuple) else (a,))]
        arrays = {id(x): x.memory for x in single if isinstance(x, device.ndarray)}
        self.add("ours", arrays.values())

    def products(self, *arrays: device.ndarray) -> None:
        """In the place of `matmul.products`, for which we ask cuBLAS."""
        self.add("CuPy's", [x.memory for x in arrays])

    def add(self, kind: str, arrays: Any) -> None:
        self.of[kind][_asking()] += 1
        if kind in ("CuPy's", "ours"):
            self.bytes += sum(getattr(x, "nbytes", 0) for x in arrays)

    def numbers(self) -> Numbers:
        places = {kind: dict(counter.most_common()) for kind, counter in self.of.items()}
        return {**places, "megabytes": round(self.bytes / 1e6, 1)}


def _asking() -> str:
    """The function that asked: the nearest that is not of CuPy, NumPy or launching."""
    passed_over = "numpy", device.__name__, launch.__name__, "kernels.matmul"
    frame: Any = sys._getframe(3)
    while frame.f_globals["__name__"].startswith(passed_over):
        frame = frame.f_back
    return f"{frame.f_globals['__name__']}.{frame.f_code.co_qualname}"


@contextmanager
def counting() -> Iterator[Counts]:
    """In the block, of what is done with arrays of the pretended device."""
    counts = Counts()
    patched = mock.patch.multiple(device, tell=counts.tell, empty=_zeros)
    start = mock.patch.object(launch, "start", counts.start)
    with patched, start, mock.patch.object(matmul, "products", counts.products):
        yield counts


def _zeros(shape: Any, dtype: Any = np.float64) -> device.ndarray:
    return device.ndarray(np.zeros(shape, dtype))  # what our kernels are to write to


def counted(family: str) -> dict[str, Numbers]:
    """The numbers of a step by Python, of one by a CUDA graph if there can be one, of samples."""
    with device.pretended(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "no CUDA graph")  # a VQ-VAE has none
        _forget()
        model, data = _model(family, SIDE)
        optimizers, rng = model.optimizers(1000), np.random.default_rng(0)
        chosen = np.arange(model.images_per_step) % len(data.train)
        batch = data.observe(data.train[chosen], model.pixels, rng)
        labels = chosen % 10 if model.classes else None
        steps, found = Steps(model, optimizers), {}
        for phase in ("step", "replay"):
            for _ in range(3):  # the first sends tables, too; the second records the graph
                with counting() as counts, switched(replaying=phase == "replay"):
                    steps.make(lambda rng: batch, rng, 0.0, labels)
            found[phase] = counts.numbers()
        model, _ = _model(family, SAMPLED_SIDE)
        with counting() as counts:
            model.sample(SAMPLES, rng)
        _forget()
    return found | {"samples": counts.numbers()}


def _forget() -> None:
    """What was kept of arrays of the pretended device, or of NumPy's."""
    launch._sent.cache_clear()
    launch._zeros.cache_clear()


def _model(family: str, side: int) -> tuple[Any, Dataset]:
    """On the device, for random images of this side, with them."""
    rng, labels = np.random.default_rng(0), np.arange(256) % 10
    images = rng.integers(256, size=(256, side, side)).astype(np.uint8)
    data = Dataset("noise", 256, images, images, labels, labels)
    model = FAMILIES[family].model.for_data(FAMILIES[family].settings("mnist"), data, rng)
    model.to("cuda")
    return model, data


def run(rounds: int) -> Numbers:
    """A count needs no rounds."""
    families = {name: counted(name) for name in FAMILIES}
    print(table(families))
    return {"families": families}


def table(families: dict[str, dict[str, Numbers]]) -> str:
    """In Markdown, and below it the functions that launch the most."""
    titles = ("", "", "launches", "of these ours", *KINDS[2:], "MB")
    rows, most = [titles, ("---",) * len(titles)], []
    for family, phases in families.items():
        for phase, numbers in phases.items():
            cupy, ours, waits, sends = (sum(numbers[kind].values()) for kind in KINDS)
            cells = [f"{n:,}" for n in (cupy + ours, ours, waits, sends)]
            rows.append((family, phase, *cells, f"{numbers['megabytes']:,.0f}"))
        of_step = sum((Counter(phases["step"][kind]) for kind in KINDS[:2]), Counter[str]())
        top = ", ".join(f"{place} {n}" for place, n in of_step.most_common(TOP))
        most.append(f"{family}: {top}")
    return "\n".join([f"| {' | '.join(row)} |" for row in rows] + ["", *most])
