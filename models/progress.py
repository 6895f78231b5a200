"""Progress bars for work that takes long, on a terminal or in a notebook."""

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm

DELAY = 2.0  # seconds before a bar appears


def is_watched() -> bool:
    """Whether the standard error is a terminal, or shown in a notebook."""
    return "ipykernel" in sys.modules or sys.stderr.isatty()


@contextmanager
def bar(text: str, total: int | None = None, unit: str = "", done: int = 0) -> Iterator["tqdm"]:
    """A progress bar, which appears after DELAY; without `total`, only the text and a clock.

    A thread keeps its clock running between updates, such as while kernels are compiled.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a notebook without ipywidgets has a bar of text
        from tqdm.auto import tqdm  # here, since every data set can show a bar, and the help none

    bar_format = None if total else "{desc} {elapsed}"
    with tqdm(
        desc=text, total=total, unit=unit, initial=done, bar_format=bar_format,
        delay=DELAY, leave=False, disable=not is_watched(),
    ) as progress:  # fmt: skip
        finished = threading.Event()

        def tick() -> None:
            seconds = DELAY
            while not finished.wait(seconds):
                progress.refresh()
                progress.delay = 0  # otherwise tqdm would not remove a bar that was never updated
                seconds = 1.0

        clock = threading.Thread(target=tick, daemon=True)
        if is_watched():
            clock.start()
        try:
            yield progress
        finally:
            finished.set()
            if clock.is_alive():
                clock.join()
