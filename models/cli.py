"""The command line: `chainrule train | sample | evaluate | compare | verify`."""

import argparse
import dataclasses
import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from autograd.array import DEVICES
from models import figures, plane
from models.data import DATASETS
from models.errors import Caution, Failure, UsageError
from models.families import FAMILIES
from models.files import refuse_unless_free, release
from models.model import MOST, Row
from models.plane import Points
from models.training import Config, Run, bar

MOST_IN_A_PICTURE = 2500

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status: 0, 1 for a failure, 2 for wrong usage."""
    # What NumPy would warn of shows in the loss, which is looked at; and a mistake gets one line.
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", Caution)
            warnings.showwarning = _show_caution
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


def _show_caution(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"chainrule: warning: {message}", file=sys.stderr)


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
    train.add_argument(
        "models", nargs="+", metavar="MODEL", help=f"one or more of: {', '.join(FAMILIES)}"
    )
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
    train.set_defaults(command=_train)

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
    sample.add_argument("-n", type=_whole(1), default=64, metavar="N", help="how many (default 64)")
    sample.add_argument("--out", type=Path, metavar="F.png", help="default: DIR/sample.png")
    sample.add_argument(
        "--seed", type=_whole(0, math.inf), default=0, metavar="S", help="default: 0"
    )
    sample.set_defaults(command=_sample)

    evaluate = commands.add_parser("evaluate", help="test a trained model on the test images")
    evaluate.add_argument("directory", type=Path, metavar="DIR", help="of a run")
    evaluate.add_argument("--json", action="store_true", help="print JSON instead of a table")
    evaluate.set_defaults(command=_evaluate)

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
        help="the page, with a PNG beside it (default: comparison.html)",
    )
    compare.add_argument(
        "-n",
        type=_whole(100),
        default=1000,
        metavar="N",
        help="samples of each model (default 1000)",
    )
    compare.add_argument(
        "--seed", type=_whole(0, math.inf), default=0, metavar="S", help="default: 0"
    )
    compare.set_defaults(command=_compare)

    verify = commands.add_parser("verify", help="check the derivations by number, or one of yours")
    verify.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="of claims or topics (default: all), or a file.py with a function f, whose parameters "
        "have arrays as defaults, and its gradient df",
    )
    verify.add_argument("--list", action="store_true", help="name the claims, and check none")
    verify.add_argument("--json", action="store_true", help="print JSON instead of a table")
    verify.add_argument("--html", type=Path, metavar="F.html", help="also write a page")
    verify.set_defaults(command=_verify)
    for command in (sample, evaluate, compare):
        command.add_argument("--device", choices=DEVICES, default="cpu", help="default: cpu")
        command.add_argument(
            "--data-dir", metavar="DIR", help="where the data's files are now, if they have moved"
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
        if not text.isdecimal() or not least <= int(text) <= most:
            what = f"a whole number from {least} to {most:g}"
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return int(text)

    return read


def _train(options: argparse.Namespace) -> None:
    for name in options.models:
        if name not in FAMILIES:
            raise UsageError(f"unknown model {name!r}: choose one of {', '.join(FAMILIES)}")
    several = len(options.models) > 1
    if options.resume and several:
        raise UsageError("--resume goes on with one run: name one model")
    if options.resume:
        runs = [_resumed(options)]
    else:
        data = options.data or "digits"
        name = f"{'-'.join(options.models)}-{data}-{datetime.now():%Y%m%d-%H%M%S-%f}"
        out = options.out or Path("runs") / name
        configs = {m: _config(m, data, options) for m in options.models}
        paths = {m: out / m if several else out for m in configs}
        refuse_unless_free(out, inside=paths if several else ())
        for path in paths.values():
            refuse_unless_free(path)
        runs = [Run(config, paths[m]) for m, config in configs.items()]
    try:
        for run in runs if not options.resume else ():
            run.begin()
        with bar(sum(run.total_steps for run in runs), sum(run.step for run in runs)) as progress:
            pictures = [run.train(progress) for run in runs]
    finally:
        for run in runs:
            release(run.lock)
    for run, drawn in zip(runs, pictures):
        _report(run, run.evaluate())
        print("pictures:", *drawn, sep="\n  ")


def _config(model: str, data: str, options: argparse.Namespace) -> Config:
    family = FAMILIES[model]
    defaults = family.defaults.get(data) or family.settings_type()
    settings = _with(defaults, options.set, vars(defaults))
    if options.epochs:
        settings = dataclasses.replace(settings, epochs=options.epochs)
    return Config(
        settings,
        model=model,
        data=data,
        data_dir=_resolved(options.data_dir or os.environ.get("CHAINRULE_DATA")),
        seed=options.seed or 0,
        device=options.device or "cpu",
        steps=options.steps,
    )


def _resumed(options: argparse.Namespace) -> Run:
    fixed = {"--data": options.data, "--seed": options.seed, "--out": options.out}
    fixed["--set"] = options.set or None
    if given := [flag for flag, value in fixed.items() if value is not None]:
        raise UsageError(f"--resume keeps the run's own settings: leave out {', '.join(given)}")
    config = Config.read(options.resume)
    if options.models != [config.model]:
        raise UsageError(f"{options.resume} is a run of {config.model}, not {options.models[0]}")
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
    return Run.resume(options.resume, **changes)


def _with(settings: Any, assignments: Sequence[str], keys: Collection[str]) -> Any:
    """`settings` with each KEY=VALUE. Raises UsageError for another key or a wrong value."""
    changes: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or key not in keys:
            known = f"KEY=VALUE with a KEY of {', '.join(keys)}" if keys else "a setting it has"
            raise UsageError(f"--set {assignment}: not {known}")
        parse, kind = KINDS[type(getattr(settings, key))]
        try:
            changes[key] = parse(text)
        except (ValueError, LookupError) as error:
            raise UsageError(f"--set {assignment}: {text!r} is not {kind}") from error
    return dataclasses.replace(settings, **changes)


def _truth(text: str) -> bool:
    return {"yes": True, "true": True, "no": False, "false": False}[text.lower()]


KINDS: dict[type, tuple[Callable[[str], Any], str]] = {
    bool: (_truth, "yes or no"),
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
    run = _opened(options, options.directory)
    fields = dataclasses.fields(run.config.settings)
    of_sampling = [field.name for field in fields if field.metadata["sampling"]]
    run.model.settings = _with(run.config.settings, options.set, of_sampling)
    labels = None if options.label is None else np.full(options.n, options.label)
    samples = run.model.sample(options.n, np.random.default_rng(options.seed), labels)
    title = f"{run.config.model} on {run.config.data}: samples, seed {options.seed}"
    if isinstance(run.data, Points):
        plane.scatter(run.data, {"samples": samples}, title, path)
    else:
        across = max(12, math.isqrt(options.n))
        figures.rows(np.split(samples, range(across, options.n, across)), title, path)
    print(path)


def _evaluate(options: argparse.Namespace) -> None:
    run = _opened(options, options.directory)
    result = run.evaluate()
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        _report(run, result)


def _compare(options: argparse.Namespace) -> None:
    if options.out.suffix.lower() != ".html":
        raise UsageError(f"--out {options.out}: it is a page, so name it something.html")
    runs = [_opened(options, directory) for directory in options.directories]
    from models import comparison

    for path in comparison.write(runs, options.n, options.seed, options.out):
        print(path)


def _verify(options: argparse.Namespace) -> None:
    from models import verification

    files = [Path(name) for name in options.names if name.endswith(".py")]
    if files and len(files) < len(options.names):
        raise UsageError("name claims, or files of your own: not both at once")
    if files:
        for path in files:
            print(verification.derivation(path))
        return
    claims = verification.chosen(options.names)
    if options.list:
        for claim in claims:
            print(f"{claim.topic:18}{claim.name:40}{claim.title}")
        return
    if options.html and options.html.suffix.lower() != ".html":
        raise UsageError(f"--html {options.html}: it is a page, so name it something.html")
    verdicts = verification.verify(claims)
    if options.json:
        print(json.dumps(verification.as_json(verdicts), indent=2))
    else:
        print(verification.table(verdicts))
    if options.html:
        verification.write(verdicts, options.html)
        print(options.html, file=sys.stderr if options.json else sys.stdout)
    failed = [verdict.claim.name for verdict, _ in verdicts if not verdict.holds]
    if failed:
        raise Failure(f"{len(failed)} of {len(verdicts)} claims fail: {', '.join(failed)}")


def _opened(options: argparse.Namespace, directory: Path) -> Run:
    changes = {"device": options.device}
    if options.data_dir:
        changes["data_dir"] = _resolved(options.data_dir)
    run = Run.open(directory, **changes)
    if run.step == 0:
        raise Failure(f"{directory} has no checkpoint yet: train it first, with --resume")
    return run


def _resolved(data_dir: str | None) -> str | None:
    """As a run keeps it, so that it is found from any folder."""
    return str(Path(data_dir).resolve()) if data_dir else None


def _report(run: Run, result: dict[str, Any]) -> None:
    """Print a result as a table; with a likelihood, beside what knows nothing of shapes."""
    print(
        f"\n{result['model']} on {result['data']}, {result['shown']}: "
        f"mean over {result['test_images']:,} test images"
    )
    rows = run.model.report(result)
    if "nll" in result and result["factorised_nll"] is not None:
        margin = result["factorised_nll"] - result["nll"]
        verdict = f"beaten by {margin:.2f}" if margin > 0 else "not beaten"
        rows.append(Row("factorised model", result["factorised_nll"], f"the baseline, {verdict}"))
    for row in rows:
        digits = 2 if abs(row.value) >= 1 else 4
        print(f"  {row.name:24}{row.value:10.{digits}f}   {row.remark}".rstrip())


def run() -> NoReturn:
    sys.exit(main())


if __name__ == "__main__":
    run()
