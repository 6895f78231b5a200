"""The command line: `chainrule train | sample | evaluate | compare | verify`."""

import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from models.errors import Caution, Failure


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status: 0, 1 for a failure, 2 for wrong usage."""
    try:
        # They bring much, and Ctrl-C meanwhile ends in one line like any other.
        import numpy as np

        from models.arguments import parser
        from models.commands import COMMANDS

        # What NumPy would warn of shows in the loss, which is looked at; a mistake gets one line.
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", Caution)
            warnings.showwarning = _show_caution
            options = parser().parse_args(arguments)
            COMMANDS[options.command](options)
    except Failure as failure:
        print(f"chainrule: {failure}", file=sys.stderr)
        return failure.status
    except (OSError, MemoryError) as error:  # the disk filled while the metrics were written, say
        print(f"chainrule: {error or 'not enough memory'}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("chainrule: interrupted; a run goes on by --resume", file=sys.stderr)
        return 130
    return 0


def _show_caution(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"chainrule: warning: {message}", file=sys.stderr)


def run() -> NoReturn:
    sys.exit(main())


if __name__ == "__main__":
    run()
