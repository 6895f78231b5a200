"""The command line: `chainrule train | sample | evaluate`."""

import argparse
import dataclasses
import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from autograd.array import DEVICES
from models import figures, vae
from models.data import DATASETS
from models.errors import Failure, UsageError
from models.training import Config, Run

MODELS = ("vae",)
MOST_IN_A_PICTURE = 2500

EXAMPLES = """examples:
  chainrule train vae                                  the 8x8 digits, in under a minute
  chainrule train vae --data binarized-mnist --out runs/mnist
  chainrule train vae --set latent=2 --set beta=4      other settings (chainrule train --help)
  chainrule train vae --resume runs/mnist --epochs 80  go on where it stopped
  chainrule sample runs/mnist -n 100 --out samples.png
  chainrule evaluate runs/mnist --json
"""


class Parser(argparse.ArgumentParser):
    """One line and status 2 for a mistake, instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status: 0, 1 for a failure, 2 for wrong usage."""
    # What NumPy would warn of shows in the loss, which is looked at; and a mistake gets one line.
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            options = _parser().parse_args(arguments)
            options.command(options)
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


def _parser() -> Parser:
    parser = Parser(
        prog="chainrule",
        description="Train and look at generative models written on an autograd engine of our own.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    train = commands.add_parser(
        "train",
        help="train a model; leaves numbers, pictures and a checkpoint in a directory",
        epilog=_settings_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.add_argument("model", metavar="MODEL", help=f"one of: {', '.join(MODELS)}")
    train.add_argument(
        "--data", metavar="D", help=f"one of: {', '.join(DATASETS)} (default: digits)"
    )
    train.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder that has the data's files; without it (and without $CHAINRULE_DATA) they are "
        "downloaded once; digits needs neither",
    )
    length = train.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=_whole(1), metavar="N", help="passes over the data")
    length.add_argument("--steps", type=_whole(1), metavar="N", help="training steps in all")
    train.add_argument(
        "--seed", type=_whole(0, math.inf), metavar="S", help="of every random choice (default 0)"
    )
    train.add_argument("--device", choices=DEVICES, help="default: cpu, or the resumed run's")
    train.add_argument(
        "--out", type=Path, metavar="DIR", help="a new directory (default: in runs/)"
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
    train.set_defaults(command=_train)

    sample = commands.add_parser("sample", help="draw samples from a trained model")
    sample.add_argument("directory", type=Path, metavar="DIR", help="of a run")
    sample.add_argument("-n", type=_whole(1), default=64, metavar="N", help="how many (default 64)")
    sample.add_argument("--out", type=Path, metavar="F.png", help="default: DIR/sample.png")
    sample.add_argument(
        "--seed", type=_whole(0, math.inf), default=0, metavar="S", help="default: 0"
    )
    sample.set_defaults(command=_sample)

    evaluate = commands.add_parser("evaluate", help="test a trained model, in nats per image")
    evaluate.add_argument("directory", type=Path, metavar="DIR", help="of a run")
    evaluate.add_argument("--json", action="store_true", help="print JSON instead of a table")
    evaluate.set_defaults(command=_evaluate)
    for command in (sample, evaluate):
        command.add_argument("--device", choices=DEVICES, default="cpu", help="default: cpu")
        command.add_argument(
            "--data-dir", metavar="DIR", help="where the data's files are now, if they have moved"
        )
    return parser


def _settings_help() -> str:
    lines = ["settings of vae (--set KEY=VALUE), and in brackets their defaults:"]
    for field in dataclasses.fields(vae.Settings):
        others = [
            f"; {data}: {_shown(getattr(settings, field.name))}"
            for data, settings in vae.DEFAULTS.items()
            if getattr(settings, field.name) != field.default
        ]
        defaults = _shown(field.default) + "".join(others)
        lines.append(f"  {field.name:20} {field.metadata['meaning']} [{defaults}]")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _whole(least: int, most: float = vae.MOST) -> Callable[[str], int]:
    """What reads a whole number in these bounds."""

    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            what = f"a whole number from {least} to {most:g}"
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return int(text)

    return read


def _train(options: argparse.Namespace) -> None:
    if options.model not in MODELS:
        raise UsageError(f"unknown model {options.model!r}: choose one of {', '.join(MODELS)}")
    run = _resumed(options) if options.resume else _new(options)
    pictures = run.train()
    _report(run.evaluate())
    print("pictures:", *pictures, sep="\n  ")


def _new(options: argparse.Namespace) -> Run:
    data = options.data or "digits"
    settings = _with(vae.DEFAULTS.get(data, vae.Settings()), options.set)
    if options.epochs:
        settings = dataclasses.replace(settings, epochs=options.epochs)
    config = Config(
        settings,
        model=options.model,
        data=data,
        data_dir=_resolved(options.data_dir or os.environ.get("CHAINRULE_DATA")),
        seed=options.seed or 0,
        device=options.device or "cpu",
        steps=options.steps,
    )
    name = f"{options.model}-{data}-{datetime.now():%Y%m%d-%H%M%S-%f}"
    return Run.create(config, options.out or Path("runs") / name)


def _resumed(options: argparse.Namespace) -> Run:
    fixed = {"--data": options.data, "--seed": options.seed, "--out": options.out}
    fixed["--set"] = options.set or None
    if given := [flag for flag, value in fixed.items() if value is not None]:
        raise UsageError(f"--resume keeps the run's own settings: leave out {', '.join(given)}")
    config = Config.read(options.resume)
    changes: dict[str, Any] = {}
    if options.device:
        changes["device"] = options.device
    if options.data_dir:
        changes["data_dir"] = _resolved(options.data_dir)
    if options.steps:
        changes["steps"] = options.steps
    if options.epochs:
        changes["steps"] = None
        changes["settings"] = dataclasses.replace(config.settings, epochs=options.epochs)
    run = Run.open(options.resume, **changes)
    if run.step >= run.total_steps:
        raise UsageError(
            f"{options.resume} is finished, at step {run.step:,} of {run.total_steps:,}: "
            "to go on, ask for more with --epochs or --steps"
        )
    run.config.write(options.resume)
    return run


def _with(settings: vae.Settings, assignments: Sequence[str]) -> vae.Settings:
    """`settings` with each KEY=VALUE. Raises UsageError for an unknown key or a wrong value."""
    changes: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        known = dataclasses.asdict(settings)
        if not equals or key not in known:
            raise UsageError(f"--set {assignment}: not KEY=VALUE with a KEY of {', '.join(known)}")
        parse, kind = KINDS[type(known[key])]
        try:
            changes[key] = parse(text)
        except ValueError as error:
            raise UsageError(f"--set {assignment}: {text!r} is not {kind}") from error
    return dataclasses.replace(settings, **changes)


KINDS: dict[type, tuple[Callable[[str], Any], str]] = {
    int: (int, "a whole number"),
    float: (float, "a number"),
    str: (str, "text"),
    tuple: (lambda text: tuple(map(int, text.split(","))), "whole numbers with commas between"),
}
"""How the text of a setting is read, by the type of its default."""


def _sample(options: argparse.Namespace) -> None:
    path = options.out or options.directory / "sample.png"
    if path.suffix.lower() != ".png":
        raise UsageError(f"--out {path}: pictures are PNG files, so name it something.png")
    if options.n > MOST_IN_A_PICTURE:
        raise UsageError(f"-n {options.n}: one picture holds at most {MOST_IN_A_PICTURE:,}")
    run = _opened(options)
    images = run.model.sample(options.n, np.random.default_rng(options.seed))
    title = f"{run.config.model} on {run.config.data}: samples, seed {options.seed}"
    across = max(12, math.isqrt(options.n))
    figures.rows(np.split(images, range(across, options.n, across)), title, path)
    print(path)


def _evaluate(options: argparse.Namespace) -> None:
    result = _opened(options).evaluate()
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        _report(result)


def _opened(options: argparse.Namespace) -> Run:
    changes = {"device": options.device}
    if options.data_dir:
        changes["data_dir"] = _resolved(options.data_dir)
    run = Run.open(options.directory, **changes)
    if run.step == 0:
        raise Failure(f"{options.directory} has no checkpoint yet: train it first, with --resume")
    return run


def _resolved(data_dir: str | None) -> str | None:
    """As a run keeps it, so that it is found from any folder."""
    return str(Path(data_dir).resolve()) if data_dir else None


def _report(result: dict[str, Any]) -> None:
    bits = result["negative_elbo"] / result["pixels"] / np.log(2)
    margin = result["factorised_nll"] - result["negative_elbo"]
    print(
        f"\n{result['model']} on {result['data']}, {result['binarisation']}: "
        f"mean over {result['test_images']:,} test images, in nats per image\n"
        f"  -ELBO               {result['negative_elbo']:8.2f}   ({bits:.3f} bits/dim)\n"
        f"    reconstruction    {result['reconstruction']:8.2f}\n"
        f"    KL(q(z|x)||p(z))  {result['kl']:8.2f}\n"
        f"  -log p(x), at most  {result['nll']:8.2f}   "
        f"({result['importance_samples']} importance samples)\n"
        f"  factorised model    {result['factorised_nll']:8.2f}   "
        f"(the baseline, {f'beaten by {margin:.2f}' if margin > 0 else 'not beaten'})"
    )


def run() -> NoReturn:
    sys.exit(main())


if __name__ == "__main__":
    run()
