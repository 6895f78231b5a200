"""A line on the terminal when kernels are compiled."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from numba.core import event
from tqdm import tqdm

from models import progress


class _Compilation(event.Listener):
    reported = False

    def on_start(self, event: event.Event) -> None:
        if progress.is_watched() and not self.reported:
            self.reported = True
            text = "chainrule: compiling kernels, which are kept for the next time"
            tqdm.write(text, sys.stderr)

    def on_end(self, event: event.Event) -> None:
        pass


@contextmanager
def report_compilation() -> Iterator[None]:
    """Print a line when Numba begins to compile a kernel that is not in its cache on disk."""
    with event.install_listener("numba:compile", _Compilation()):
        yield
