"""The arguments that each command takes."""

import argparse
import reprlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from kernels.dispatch import DEVICES
from models.cli.assignments import settings_help, whole_number
from models.cli.output_arguments import add_output_commands
from models.data import DATASETS
from models.data.reading import COLOURS, FITS, MOST_SIDE
from models.errors import UsageError
from models.families import FAMILIES
from models.settings import MAX_SETTING
from models.version import __version__

EXAMPLES = """examples:
  chainrule demo                                       four models of the digits, on one page
  chainrule train vae                                  the 8x8 digits, in under a minute
  chainrule train vae gan pixelcnn ddpm --out runs/all four, each in a folder of runs/all
  chainrule compare runs/all/*                         samples, curves and numbers on one page
  chainrule train vae --data photos --size 32          your own images, in a folder
  chainrule train pixelcnn --data binarized-mnist --out runs/mnist
  chainrule train gan --data ring --set loss=minimax   8 Gaussians on a ring
  chainrule train vae --set latent=2 --set beta=4      other settings (chainrule train --help)
  chainrule train vae --resume runs/mnist --epochs 80  continue where it stopped
  chainrule sample runs/mnist -n 100 --out samples.png
  chainrule sample runs/mnist -n 5000 --out samples    a folder of PNG files
  chainrule reconstruct runs/plane --images photos     your own images, encoded and decoded
  chainrule interpolate runs/plane 3 8                 from one test image to another
  chainrule complete runs/mnist --missing lower        the rest of each image, sampled
  chainrule score runs/mnist --out scores.csv          -log p(x) of each image
  chainrule evaluate runs/mnist --json
  chainrule explore runs/plane                         a page to touch: click and drag
  chainrule explore --demo                             trains small models, and writes their pages
  chainrule trace neuron                               a page: forward, then backward
  chainrule verify --html claims.html                  every derivation, checked by number
  chainrule verify mine.py                             your own: its f, and its gradient df
  chainrule lab engine                                 a notebook with exercises
"""


class Parser(argparse.ArgumentParser):
    """Reports a mistake in one line, with exit status 2, and not by the whole usage."""

    end_of_help: Callable[[], str] | None = None
    """Makes the epilog when the help is printed: that of `train` imports every model."""

    def format_help(self) -> str:
        if self.end_of_help:
            self.epilog = self.end_of_help()
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def parser() -> Parser:
    """The parser of the command line; `command` in its result is the name of the command."""
    # fmt: off
    parser = Parser(
        prog="chainrule", epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Train generative models, look at them, and verify the mathematics.",
    )
    parser.add_argument("--version", action="version", version=f"chainrule {__version__}")
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=Parser
    )

    train = commands.add_parser(
        "train", help="train a model; writes numbers, pictures and a checkpoint to a directory",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.end_of_help = settings_help
    add = train.add_argument
    add("models", nargs="+", metavar="MODEL", help=f"one or more of: {', '.join(FAMILIES)}")
    add("--data", metavar="D|PATH",
        help=f"one of: {', '.join(DATASETS)} (default: digits); or your own: a folder of images, "
        "in which folders are classes, a .npz or a .npy")
    _add_shared(train, "--data-dir")
    _add_reading(train)
    add = train.add_argument
    length = train.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=_whole(1), metavar="N", help="passes over the data")
    length.add_argument("--steps", type=_whole(1), metavar="N", help="training steps in all")
    add("--limit", type=_whole(1), metavar="N",
        help="use only the first N training images and the first N test images")
    add("--keep", type=_whole(2, 100), metavar="N",
        help="keep the weights of N times of the training, for the sliders of chainrule explore")
    add("--pictures", type=_when, default="auto", metavar="WHEN",
        help="no: none; end: after training; N: also every N epochs; auto (the default): as often "
        "as they take no longer than the training")
    add("--health", type=_whole(1), default=0, metavar="N",
        help="record the gradients, updates and dead units of each layer every N steps (default: "
        "never)")
    _add_shared(train, "--seed", "--device", "--graph")
    add("--out", type=Path, metavar="DIR",
        help="a new directory (default: in runs/); several models get a folder each inside it")
    add("--resume", type=Path, metavar="DIR", help="continue a run, with its own settings")
    _add_shared(train, "--set")

    add_output_commands(commands, _whole, _add_shared)

    evaluate = commands.add_parser("evaluate", help="evaluate a trained model on the test images")
    _add_shared(evaluate, "directory", "--json", "--device", "--data-dir")

    compare = commands.add_parser(
        "compare", help="compare trained models on one page, with pictures and numbers"
    )
    add = compare.add_argument
    add("directories", type=Path, nargs="+", metavar="DIR", help="of runs on the same data")
    add("--out", type=Path, default=Path("comparison.html"), metavar="F.html",
        help="the page; a picture is written beside it (default: comparison.html)")
    add("--picture", type=Path, metavar="F", help="F.png, F.svg or F.pdf (default: a PNG)")
    add("-n", type=_whole(100), default=1000, metavar="N",
        help="number of samples of each model (default: 1000)")
    _add_shared(compare, "--features", "--seed", "--device", "--data-dir")

    explore = commands.add_parser(
        "explore", help="write a page that computes with a model's own weights, to click and drag"
    )
    add = explore.add_argument
    add("directories", type=Path, nargs="*", metavar="DIR",
        help="of a run; or of several of one model, side by side")
    add("--html", type=Path, metavar="F.html", help="the page (default: explore.html in first DIR)")
    add("--demo", action="store_true",
        help="train what shows most, in a few minutes, and write a page of each model")
    add("--out", type=Path, metavar="DIR", help="of --demo, a new directory (default: explore)")
    _add_shared(explore, "--data-dir")
    explore.set_defaults(device="cpu")

    trace = commands.add_parser(
        "trace", help="step through a computation: forward, then backward, edge by edge"
    )
    add = trace.add_argument
    add("name", nargs="?", metavar="EXAMPLE|DIR",
        help="an example, or the directory of a run for its next training step; without it the "
        "examples are listed")
    add("--text", action="store_true", help="print values, rules and cotangents")
    add("--svg", type=Path, metavar="F.svg", help="a picture of the graph")
    add("--html", type=Path, metavar="F.html",
        help="a page to step through (the default: trace-EXAMPLE.html, or trace.html in DIR)")
    _add_shared(trace, "--data-dir")
    trace.set_defaults(device="cpu")

    verify = commands.add_parser("verify", help="check the derivations by number, or your own")
    add = verify.add_argument
    add("names", nargs="*", metavar="NAME",
        help="claims or topics (default: all), or files.py of your own: with claims, or with a "
        "function f, whose parameters have arrays as defaults, and its gradient df")
    add("--list", action="store_true", help="list the claims without checking them")
    add("--html", type=Path, metavar="F.html", help="also write a page")
    _add_shared(verify, "--json")

    lab = commands.add_parser("lab", help="list the labs, or copy their notebooks to work in")
    add = lab.add_argument
    add("names", nargs="*", metavar="NAME", help="labs, or all; without any they are listed")
    add("--solutions", action="store_true", help="with the exercises solved")
    add("--out", type=Path, default=Path(), metavar="DIR", help="the folder (default: this one)")

    fid = commands.add_parser(
        "fid", help="measure images in a folder, a .npz or a .npy: FID, precision and recall"
    )
    add = fid.add_argument
    add("data", metavar="DATA", help="the real images: a data set, a folder, a .npz or a .npy")
    add("samples", type=Path, metavar="SAMPLES", help="a folder, a .npz or a .npy of samples")
    _add_reading(fid)
    _add_shared(fid, "--features", "--json", "--seed", "--data-dir")

    demo = commands.add_parser(
        "demo", help="train four models on the digits, and compare them on a page: four minutes"
    )
    demo.add_argument("--out", type=Path, metavar="DIR", help="a new directory (default: in runs/)")

    doctor = commands.add_parser(
        "doctor", help="what is installed, what works, and what to do about the rest"
    )
    _add_shared(doctor, "--json")
    # fmt: on
    return parser


def _whole(least: int, most: float = MAX_SETTING) -> Callable[[str], int]:
    """A parser of whole numbers within these bounds."""

    def read(text: str) -> int:
        with suppress(ValueError):
            if least <= (number := whole_number(text)) <= most:
                return number
        what = f"a whole number from {least} to {most:g}"
        raise argparse.ArgumentTypeError(f"{reprlib.repr(text)} is not {what}")

    return read


def _add_reading(command: Parser) -> None:
    """The fields of a `Reading`."""
    # fmt: off
    add = command.add_argument_group("how your own images are read").add_argument
    add("--size", type=_size, metavar="N|HxW",
        help="scale them to so many pixels (default: that of the files, if it is one)")
    add("--colour", choices=COLOURS, help="default: that of the files")
    add("--fit", choices=FITS,
        help="where the proportions differ from those of --size, crop at the centre (the default), "
        "or pad with white")
    add("--levels", type=_whole(2, 256), metavar="K",
        help="values of a pixel, to which the 256 of a file are rounded (default: 256)")
    add("--split-seed", type=_whole(0, 2**64 - 1), metavar="S",
        help="chooses a tenth of them to test on, unless there are folders train and test "
        "(default: 0)")
    add("--skip-unreadable", action="store_true", default=None,
        help="leave out files that cannot be read, with a warning")
    # fmt: on


def _size(text: str) -> tuple[int, int]:
    """A parser of --size: (height, width)."""
    sides = text.lower().split("x")
    with suppress(argparse.ArgumentTypeError):
        if len(sides) <= 2:
            return tuple(_whole(1, MOST_SIDE)(side) for side in (sides * 2)[:2])  # type: ignore
    what = f"N or HxW, each from 1 to {MOST_SIDE}"
    raise argparse.ArgumentTypeError(f"{reprlib.repr(text)} is not {what}")


def _when(text: str) -> str | int:
    """A parser of --pictures."""
    if text in ("auto", "no", "end"):
        return text
    with suppress(argparse.ArgumentTypeError):
        return _whole(1)(text)
    what = "auto, no, end or a number of epochs"
    raise argparse.ArgumentTypeError(f"{reprlib.repr(text)} is not {what}")


SHARED: dict[str, dict[str, Any]] = {
    "directory": {"type": Path, "metavar": "DIR", "help": "of a run"},
    "--data-dir": {
        "type": Path, "metavar": "DIR",
        "help": "folder with the files of the data, or where your own images have moved to; a run "
        "remembers it. Without it (and without "
        "$CHAINRULE_DATA) they are downloaded once; digits, patches and ring need none",
    },
    "--images": {
        "type": Path, "metavar": "PATH",
        "help": "a folder of images, an image, a .npz or a .npy, or the name of a data set, for "
        "its test images (default: those of the run)",
    },
    "-n": {"type": _whole(1), "metavar": "N",
        "help": "only the first N (default: all, or 12 in a picture)"},
    "--class": {"dest": "label", "metavar": "C",
        "help": "of a conditional model: a name or a number, for all of the images"},
    "--seed": {
        "type": _whole(0, 2**64 - 1), "metavar": "S",
        "help": "of every random choice (default: 0)",
    },
    "--device": {"choices": DEVICES, "help": "default: cpu; a resumed run keeps its own"},
    "--graph": {
        "choices": ("auto", "off"), "default": "auto",
        "help": "on a GPU: make a step as one CUDA graph if it can be (auto, the default), or "
        "start each kernel by itself (off)",
    },
    "--set": {
        "action": "append", "default": [], "metavar": "KEY=VALUE",
        "help": "a setting, listed by chainrule train --help; may be repeated. A trained model "
        "takes those of sampling only",
    },
    "--features": {
        "metavar": "MODULE:FUNCTION",
        "help": "your own features: a function of images (n, height, width[, 3]) in [0, 1] to "
        "(n, F) (default: those of a classifier or an autoencoder trained on the data)",
    },
    "--json": {"action": "store_true", "help": "print JSON instead of a table"},
}  # fmt: skip
"""The arguments that several commands have."""


def _add_shared(command: Parser, *names: str) -> None:
    for name in names:
        command.add_argument(name, **SHARED[name])
