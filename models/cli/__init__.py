"""The command line: `chainrule train | sample | evaluate | compare | verify`.

This file imports nothing heavy, so that Ctrl-C ends in one line from the start.
"""

import codecs
import logging
import math
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from models.errors import Caution, Failure


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status: 0, 1 for a failure, 2 for wrong usage."""
    command = ""
    try:
        import numpy as np

        from models.cli.arguments import parser
        from models.cli.commands import COMMANDS
        from models.progress import report_compilation

        # What NumPy would warn of shows in the loss, which is looked at; a mistake gets one line.
        with np.errstate(all="ignore"), warnings.catch_warnings(), report_compilation():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", Caution)
            warnings.showwarning = _show_caution
            options = parser().parse_args(arguments)
            command = options.command
            COMMANDS[command](options)
            sys.stdout.flush()
    except Failure as failure:
        _say(str(failure))
        return failure.status
    except BrokenPipeError:  # who reads the output, such as head, has seen enough
        return 1
    except OSError as error:  # the disk filled while the metrics were written, say
        _say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 1
    except MemoryError as error:
        _say(str(error) or "not enough memory")
        return 1
    except KeyboardInterrupt:
        _say("interrupted" + "; a run goes on by --resume" * (command == "train"))
        return 130
    return 0


def _say(what: str) -> None:
    print(f"chainrule: {what}", file=sys.stderr)


def _show_caution(message: Warning | str, *_: Any, **__: Any) -> None:
    _say(f"warning: {message}")


def run() -> NoReturn:
    """The command `chainrule`, which has the process to itself."""
    signal.signal(signal.SIGINT, _once())
    os.environ.pop("MPLBACKEND", None)  # pictures are files, and no window is opened
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it has advice on where its cache is
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="plain")  # type: ignore[union-attr]
    status = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        sys.stdout.flush()
    except OSError:  # said already; Python would say so again as it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def _once(seconds: float = 2.0) -> Callable[..., None]:
    """Ctrl-C ends what is going on; pressed again and again, it does not end the tidying up."""
    last = -math.inf

    def interrupt(*_: Any) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        if last - before > seconds:
            raise KeyboardInterrupt

    return interrupt


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What a terminal that has no such sign shows in its place."""
    assert isinstance(error, UnicodeEncodeError)
    signs = {"≤": "<=", "±": "+-", "…": "..."}
    missing = error.object[error.start : error.end]
    shown = [signs.get(c, c.encode("ascii", "backslashreplace").decode()) for c in missing]
    return "".join(shown), error.end
