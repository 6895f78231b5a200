"""What takes long says what it is doing, to somebody who looks on."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from numba.core import event
from tqdm import tqdm

PATIENCE = 2.0  # seconds before anything is said


def watched() -> bool:
    """Whether the standard error is a terminal, or shown in a notebook."""
    return "ipykernel" in sys.modules or sys.stderr.isatty()


@contextmanager
def bar(what: str, total: int | None = None, unit: str = "", done: int = 0) -> Iterator[tqdm]:
    """A progress bar that shows after a while; without `total` it only says what is being done.

    Its clock goes on where there is nothing to count for long, as while kernels are compiled.
    """
    shape = None if total else "{desc} {elapsed}"
    with tqdm(
        desc=what, total=total, unit=unit, initial=done, bar_format=shape,
        delay=PATIENCE, leave=False, disable=not watched(),
    ) as made:  # fmt: skip
        over = threading.Event()

        def tick() -> None:
            wait = PATIENCE
            while not over.wait(wait):
                made.delay = 0  # or tqdm, which has not counted, leaves it on the screen
                made.refresh()
                wait = 1.0

        clock = threading.Thread(target=tick, daemon=True)
        if watched():
            clock.start()
        try:
            yield made
        finally:
            over.set()
            if clock.is_alive():
                clock.join()


class _Compilation(event.Listener):
    said = False

    def on_start(self, event: event.Event) -> None:
        if watched() and not self.said:
            self.said = True
            tqdm.write("chainrule: compiling kernels, which are kept for the next time", sys.stderr)

    def on_end(self, event: event.Event) -> None:
        pass


@contextmanager
def of_compilation() -> Iterator[None]:
    """Says so when Numba begins to compile a kernel that its cache on disk does not have."""
    with event.install_listener("numba:compile", _Compilation()):
        yield
