"""The command line, `chainrule`.

    arguments      the arguments that each command takes
    assignments    settings as text: --set, and the list of settings in the help
    commands       what each command does
    compilation    a line about kernels that are compiled
    runs           the run that a command is for, and the images that it is given
    outputs        the commands that give back images and codes; `output_arguments`, `grids`
    scores         the commands that give back likelihoods and classes
    comparison     the page of `chainrule compare`
    exploration    the pages of `chainrule explore`, and the runs of its --demo
    fid            how far images in a folder are from those of a data set
    demo           four models, trained and compared
    doctor         what is installed, what works, and what to do about the rest

This file imports nothing heavy, so that Ctrl-C ends in one line from the start.
"""

import _thread
import codecs
import logging
import math
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from models.errors import Caution, Failure


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status: 0, 1 for a failure, 2 for wrong usage."""
    command = ""
    try:
        from models.cli.arguments import parser

        options = parser().parse_args(arguments)  # the help ends here, before what takes long
        command = options.command
        import numpy as np

        from autograd.modes import switched
        from models.cli.commands import COMMANDS
        from models.cli.compilation import report_compilation

        # NumPy's warnings are silenced: the training loop reports a loss that is not finite.
        with np.errstate(all="ignore"), warnings.catch_warnings(), report_compilation():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", Caution)
            warnings.filterwarnings("always", "no CUDA graph")
            warnings.showwarning = _print_warning
            with switched(replaying=getattr(options, "graph", "auto") == "auto"):
                COMMANDS[command](options)
            sys.stdout.flush()
    except Failure as failure:
        _print_error(str(failure))
        return failure.status
    except ImportError as error:
        from models.cli import doctor

        _print_error(f"{error}; what chainrule doctor finds:")
        with suppress(Failure):
            doctor.report()
        return 1
    except BrokenPipeError:  # the reader of the output, such as head, has ended
        return 1
    except OSError as error:  # such as a full disk while the metrics are written
        _print_error(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 1
    except MemoryError as error:
        _print_error(str(error) or "not enough memory")
        return 1
    except KeyboardInterrupt:
        _print_error("interrupted" + "; --resume continues a run" * (command == "train"))
        return 130
    return 0


def _print_error(text: str) -> None:
    print(f"chainrule: {text}", file=sys.stderr)


def _print_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _print_error(f"warning: {message}")


def run() -> NoReturn:
    """The command `chainrule`, in a process of its own."""
    with suppress(ValueError):  # a program that runs this one may keep the signals to itself
        interrupt, sys.unraisablehook = _first_interrupt()
        signal.signal(signal.SIGINT, interrupt)
    os.environ.pop("MPLBACKEND", None)  # pictures are written to files, so no window is opened
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it gives advice about its cache
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="plain")  # type: ignore[union-attr]
    status = main()
    with suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        sys.stdout.flush()
    except OSError:  # it is reported already; Python would report it again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def _first_interrupt(seconds: float = 2.0) -> tuple[Callable[..., None], Callable[..., None]]:
    """A handler of Ctrl-C that ignores presses soon after one, so that they stop no clean-up.

    And a hook for exceptions that nothing can catch, as an interrupt is in a destructor. Python
    would forget it. It comes again, from a thread: then the destructor has ended.
    """
    last = -math.inf

    def interrupt(*_: Any) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        if last - before > seconds:
            raise KeyboardInterrupt

    def lost(unraisable: Any) -> None:
        nonlocal last
        if unraisable.exc_type is KeyboardInterrupt:
            last = -math.inf
            threading.Timer(0.05, _thread.interrupt_main).start()
        else:
            sys.__unraisablehook__(unraisable)

    return interrupt, lost


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Replaces characters that the terminal's encoding does not have."""
    assert isinstance(error, UnicodeEncodeError)
    signs = {"≤": "<=", "±": "+-", "…": "..."}
    missing = error.object[error.start : error.end]
    plain = [signs.get(c, c.encode("ascii", "backslashreplace").decode()) for c in missing]
    return "".join(plain), error.end
