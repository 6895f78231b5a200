"""The arguments of the command line: what each command takes, and how a setting is written."""

import argparse
import dataclasses
import re
import reprlib
import shlex
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from autograd.array import DEVICES
from models.data import DATASETS
from models.errors import UsageError
from models.families import FAMILIES
from models.model import MOST

LARGEST_SEED = 2**64 - 1

EXAMPLES = """examples:
  chainrule train vae                                  the 8x8 digits, in under a minute
  chainrule train vae gan pixelcnn ddpm --out runs/all four, each in a folder of runs/all
  chainrule compare runs/all/*                         samples, curves and numbers on one page
  chainrule train pixelcnn --data binarized-mnist --out runs/mnist
  chainrule train gan --data ring --set loss=minimax   8 Gaussians on a ring
  chainrule train vae --set latent=2 --set beta=4      other settings (chainrule train --help)
  chainrule train vae --resume runs/mnist --epochs 80  go on where it stopped
  chainrule sample runs/mnist -n 100 --out samples.png
  chainrule evaluate runs/mnist --json
  chainrule verify --html claims.html                  every derivation, checked by number
  chainrule verify mine.py                             your own: its f, and its gradient df
"""


class Parser(argparse.ArgumentParser):
    """One line and status 2 for a mistake, instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def parser() -> Parser:
    """What reads the arguments; `command` is then the name of the command."""
    parser = Parser(
        prog="chainrule",
        description="Train and look at generative models written on an autograd engine of our own.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=Parser
    )

    train = commands.add_parser(
        "train",
        help="train a model; leaves numbers, pictures and a checkpoint in a directory",
        epilog=_settings_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.add_argument(
        "models", nargs="+", metavar="MODEL", help=f"one or more of: {', '.join(FAMILIES)}"
    )
    train.add_argument(
        "--data", metavar="D", help=f"one of: {', '.join(DATASETS)} (default: digits)"
    )
    train.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="folder that has the files of --data; without it (and without $CHAINRULE_DATA) they "
        "are downloaded once; digits and ring have none",
    )
    length = train.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=_whole(1), metavar="N", help="passes over the data")
    length.add_argument("--steps", type=_whole(1), metavar="N", help="training steps in all")
    train.add_argument(
        "--limit", type=_whole(1), metavar="N", help="only the first N images, of training and test"
    )
    train.add_argument(
        "--pictures",
        type=_when,
        default="auto",
        metavar="WHEN",
        help="no; end; N, also every N epochs; or auto, as often as they take no longer than the "
        "training (default: auto)",
    )
    train.add_argument(
        "--seed",
        type=_whole(0, LARGEST_SEED),
        metavar="S",
        help="of every random choice (default 0)",
    )
    train.add_argument("--device", choices=DEVICES, help="default: cpu, or the resumed run's")
    train.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="a new directory (default: in runs/); of several models, each has one inside it",
    )
    train.add_argument(
        "--resume", type=Path, metavar="DIR", help="go on with a run, with the settings it has"
    )
    train.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the model, listed below; may be repeated",
    )

    sample = commands.add_parser("sample", help="draw samples from a trained model")
    sample.add_argument("directory", type=Path, metavar="DIR", help="of a run")
    sample.add_argument(
        "--class",
        dest="label",
        type=_whole(0),
        metavar="C",
        help="of a conditional model (default: each class in turn)",
    )
    sample.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of sampling, such as those of ddpm (chainrule train --help)",
    )
    sample.add_argument(
        "-n", type=_whole(1), metavar="N", help="how many (default: 64, or 6 of each class)"
    )
    sample.add_argument(
        "--out", type=Path, metavar="F", help="F.png, F.svg or F.pdf (default: DIR/sample.png)"
    )
    sample.add_argument(
        "--seed", type=_whole(0, LARGEST_SEED), default=0, metavar="S", help="default: 0"
    )

    evaluate = commands.add_parser("evaluate", help="test a trained model on the test images")
    evaluate.add_argument("directory", type=Path, metavar="DIR", help="of a run")
    evaluate.add_argument("--json", action="store_true", help="print JSON instead of a table")

    compare = commands.add_parser(
        "compare", help="trained models side by side, on a page with pictures and numbers"
    )
    compare.add_argument(
        "directories", type=Path, nargs="+", metavar="DIR", help="of runs on the same data"
    )
    compare.add_argument(
        "--out",
        type=Path,
        default=Path("comparison.html"),
        metavar="F.html",
        help="the page, with a picture beside it (default: comparison.html)",
    )
    compare.add_argument(
        "--picture", type=Path, metavar="F", help="F.png, F.svg or F.pdf (default: a PNG)"
    )
    compare.add_argument(
        "-n",
        type=_whole(100),
        default=1000,
        metavar="N",
        help="samples of each model (default 1000)",
    )
    compare.add_argument(
        "--seed", type=_whole(0, LARGEST_SEED), default=0, metavar="S", help="default: 0"
    )

    verify = commands.add_parser("verify", help="check the derivations by number, or yours")
    verify.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="of claims or topics (default: all), or files.py of your own: with claims, or with a "
        "function f, whose parameters have arrays as defaults, and its gradient df",
    )
    verify.add_argument("--list", action="store_true", help="name the claims, and check none")
    verify.add_argument("--json", action="store_true", help="print JSON instead of a table")
    verify.add_argument("--html", type=Path, metavar="F.html", help="also write a page")
    for command in (sample, evaluate, compare):
        command.add_argument("--device", choices=DEVICES, default="cpu", help="default: cpu")
        command.add_argument(
            "--data-dir",
            type=Path,
            metavar="DIR",
            help="where the data's files are now, if they have moved",
        )
    return parser


def _settings_help() -> str:
    lines = ["settings (--set KEY=VALUE), and in brackets their defaults:"]
    for name, family in FAMILIES.items():
        lines += ["", f"{name}:"]
        for field in dataclasses.fields(family.settings_type):
            others = [
                f"; {data}: {_shown(getattr(settings, field.name))}"
                for data, settings in family.defaults.items()
                if getattr(settings, field.name) != field.default
            ]
            defaults = _shown(field.default) + "".join(others)
            lines.append(f"  {field.name:20} {field.metadata['meaning']} [{defaults}]")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _whole(least: int, most: float = MOST) -> Callable[[str], int]:
    """What reads a whole number in these bounds."""

    def read(text: str) -> int:
        with suppress(ValueError):
            if least <= (number := _whole_number(text)) <= most:
                return number
        what = f"a whole number from {least} to {most:g}"
        raise argparse.ArgumentTypeError(f"{reprlib.repr(text)} is not {what}")

    return read


def _when(text: str) -> str | int:
    """When pictures are drawn."""
    if text in ("auto", "no", "end"):
        return text
    with suppress(ValueError):
        if 1 <= (epochs := _whole_number(text)) <= MOST:
            return epochs
    raise argparse.ArgumentTypeError(
        f"{reprlib.repr(text)} is not auto, no, end or a number of epochs"
    )


def with_assignments(settings: Any, assignments: Sequence[str], keys: Collection[str]) -> Any:
    """`settings` with each KEY=VALUE. Raises UsageError for another key or a wrong value."""
    changes: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        said = f"--set {shlex.quote(assignment)}"
        if not equals or key not in keys:
            known = f"KEY=VALUE with a KEY of {', '.join(keys)}" if keys else "a setting it has"
            raise UsageError(f"{said}: not {known}")
        parse, kind = KINDS[type(getattr(settings, key))]
        try:
            changes[key] = parse(text)
        except (ValueError, LookupError) as error:
            raise UsageError(f"{said}: {reprlib.repr(text)} is not {kind}") from error
    return dataclasses.replace(settings, **changes)


def _truth(text: str) -> bool:
    return {"yes": True, "true": True, "no": False, "false": False}[text.lower()]


def _whole_number(text: str) -> int:
    """In the digits 0 to 9 alone, where `int` takes those of any script, and 1_000."""
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", text):
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return float(text)


def _whole_numbers(text: str) -> tuple[int, ...]:
    return tuple(_whole_number(part.strip()) for part in text.split(","))


KINDS: dict[type, tuple[Callable[[str], Any], str]] = {
    bool: (_truth, "yes or no"),
    int: (_whole_number, "a whole number"),
    float: (_number, "a number"),
    str: (str, "text"),
    tuple: (_whole_numbers, "whole numbers with commas between"),
}
"""How the text of a setting is read, by the type of its default."""
