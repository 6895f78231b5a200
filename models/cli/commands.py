"""What the commands of the command line do."""

import argparse
import dataclasses
import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from models import labs, pictures
from models.cli import outputs, scores
from models.cli.assignments import with_assignments
from models.cli.runs import data_dir_of, data_places, trained_run
from models.data import DATASETS, Points, Reading, resolved
from models.errors import Failure, UsageError
from models.families import FAMILIES
from models.files import refuse_existing, refuse_unless_file
from models.progress import bar
from models.report import Row
from models.settings import declarations
from models.training.config import Config
from models.training.locks import refuse_unless_free, release
from models.training.run import Run

READING = tuple(field.name for field in dataclasses.fields(Reading))  # options of train


def train(options: argparse.Namespace) -> None:
    for name in options.models:
        if name not in FAMILIES:
            raise UsageError(f"unknown model {name!r}: choose one of {', '.join(FAMILIES)}")
        if options.models.count(name) > 1:
            raise UsageError(f"{name} is named twice: each model is trained once")
    runs = [_resumed(options)] if options.resume else _new_runs(options)
    try:
        for run in runs if not options.resume else ():
            run.begin()
        total, done = sum(run.total_steps for run in runs), sum(run.step for run in runs)
        with bar(" ".join(options.models), total, "step", done) as progress:
            paths = [run.train(progress, options.pictures, options.health) for run in runs]
    finally:
        for run in runs:
            release(run.lock)
    for run, made in zip(runs, paths):
        _print_report(run, run.evaluate())
        print(*(["pictures:", *made] if made else [run.directory]), sep="\n  ")


def _new_runs(options: argparse.Namespace) -> list[Run]:
    """A run for each model. Raises UsageError if there is something in its directory."""
    data = resolved("digits" if options.data is None else options.data)
    short = re.sub(r"[^\w.-]+", "-", Path(data).name)[:40]
    name = f"{'-'.join(options.models)}-{short}-{datetime.now():%Y%m%d-%H%M%S-%f}"
    out = options.out or Path("runs") / name
    several = len(options.models) > 1
    paths = {model: out / model if several else out for model in options.models}
    configs = {model: _config(model, data, options) for model in options.models}
    refuse_unless_free(out, inside=paths if several else ())
    for path in paths.values():
        refuse_unless_free(path)
    return [Run(config, paths[model]) for model, config in configs.items()]


def _config(model: str, data: str, options: argparse.Namespace) -> Config:
    defaults = FAMILIES[model].settings(data)
    settings = with_assignments(defaults, options.set, declarations(type(defaults)))
    if options.epochs:
        settings = dataclasses.replace(settings, epochs=options.epochs)
    folder = os.environ.get("CHAINRULE_DATA")
    return Config(
        settings,
        model=model,
        data=data,
        reading=_reading(options, data),
        data_dir=data_dir_of(options, data, str(Path(folder).resolve()) if folder else None),
        seed=options.seed or 0,
        device=options.device or "cpu",
        steps=options.steps,
        limit=options.limit,
        keep=options.keep or 0,
    )


def _reading(options: argparse.Namespace, data: str) -> Reading:
    """How a person's own images are read. Raises UsageError for data that have a name."""
    choices = {name: getattr(options, name) for name in READING}
    given = {name: choice for name, choice in choices.items() if choice is not None}
    if given and data in DATASETS:
        raise UsageError(
            f"{_flags(given)}: for your own images, with --data PATH; {data} is read as it is"
        )
    return Reading(**given)


def _flags(names: Iterable[str]) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)


def _resumed(options: argparse.Namespace) -> Run:
    if len(options.models) > 1:
        raise UsageError("--resume continues one run: name one model")
    fixed = ("data", *READING, "seed", "out", "limit", "keep", "set")
    if given := [
        f"--{name.replace('_', '-')}" for name in fixed if getattr(options, name) not in (None, [])
    ]:
        raise UsageError(f"--resume keeps the run's own settings: leave out {', '.join(given)}")
    config = Config.read(options.resume)
    if options.models != [config.model]:
        raise UsageError(f"{options.resume} is a run of {config.model}, not {options.models[0]}")
    changes = {
        "device": options.device or config.device,
        "steps": options.steps or config.steps,
        **data_places(options, config),
    }
    if options.epochs:
        changes["steps"] = None
        changes["settings"] = dataclasses.replace(config.settings, epochs=options.epochs)
    return Run.resume(options.resume, **changes)


def evaluate(options: argparse.Namespace) -> None:
    run = trained_run(options, options.directory)
    numbers = run.evaluate()
    if options.json:
        print(json.dumps(numbers, indent=2))
    else:
        _print_report(run, numbers)


def compare(options: argparse.Namespace) -> None:
    _refuse_unless_page("--out", options.out)
    picture = options.picture or options.out.with_suffix(".png")
    pictures.suffix_of(picture)
    refuse_unless_file(picture)
    runs = [trained_run(options, directory) for directory in options.directories]
    from models.cli import comparison

    files = options.out, picture
    for path in comparison.write(runs, options.n, options.seed or 0, *files, options.features):
        print(path)


def explore(options: argparse.Namespace) -> None:
    from models.cli import exploration

    if options.demo:
        if options.directories or options.html or options.data_dir:
            raise UsageError("--demo trains runs of its own: it takes --out DIR only")
        print(*exploration.demonstrate(options.out or Path("explore")), sep="\n")
        return
    if not options.directories or options.out:
        raise UsageError("name the DIR of a run, and perhaps --html F.html; or --demo, with --out")
    page = options.html or options.directories[0] / "explore.html"
    if options.html:
        _refuse_unless_page("--html", page)
    refuse_existing(page)
    runs = [trained_run(options, directory) for directory in options.directories]
    print(exploration.write(runs, page))


def trace(options: argparse.Namespace) -> None:
    from models.cli import traces

    if options.name is None:
        if options.text or options.svg or options.html or options.data_dir:
            raise UsageError(
                "name an example, or the directory of a run; alone it lists the examples"
            )
        print(traces.as_list())
        return
    directory = Path(options.name)
    is_run = options.name not in traces.EXAMPLES and directory.is_dir()
    page = options.html
    if not (options.text or options.svg or page):
        page = directory / "trace.html" if is_run else Path(f"trace-{options.name}.html")
    if options.svg and options.svg.suffix.lower() != ".svg":
        raise UsageError(f"--svg {options.svg}: name the picture something.svg")
    if page:
        _refuse_unless_page("--html", page)
    for path in filter(None, (page, options.svg)):
        refuse_existing(path)
    if is_run:
        example = traces.of_run(trained_run(options, directory))
    elif options.data_dir:
        raise UsageError("--data-dir is of a run; the examples need no data")
    else:
        example = traces.named(options.name)
    for path in traces.write(example, options.text, options.svg, page):
        print(path)


def verify(options: argparse.Namespace) -> None:
    from models.derivations import homework, verification

    files = [Path(name) for name in options.names if name.endswith(".py")]
    if files and (len(files) < len(options.names) or options.list):
        raise UsageError("name claims, or files of your own: not both at once, and not to --list")
    if absent := [str(path) for path in files if not os.path.isfile(path)]:
        raise UsageError(f"no such file: {', '.join(absent)}")
    if options.html:
        _refuse_unless_page("--html", options.html)
    if options.list:
        print(verification.list_claims(verification.select(options.names)))
        return
    reports = [homework.check_file(path) for path in files]
    verdicts = [verdict for report in reports for verdict in report.claims]
    if not files:
        verdicts = verification.verify(verification.select(options.names))
    printer = homework if files else verification
    results: Any = reports if files else verdicts
    table = printer.as_table(results)
    print(json.dumps(printer.as_json(results), indent=2) if options.json else table)
    if options.html:
        verification.write_page(verdicts, options.html, reports)
        print(options.html, file=sys.stderr if options.json else sys.stdout)
    homework.raise_if_failed(reports)
    if failed := [verdict.claim.name for verdict in verdicts if not verdict.holds]:
        raise Failure(f"{len(failed)} of {len(verdicts)} claims fail: {', '.join(failed)}")


def lab(options: argparse.Namespace) -> None:
    if not options.names:
        for name in labs.LABS:
            title, sentence = labs.summary(name)
            print(f"{name:17}{title}. {sentence}")
        return
    names = labs.LABS if "all" in options.names else options.names
    for path in labs.copy(names, options.out, options.solutions):
        print(path)


def fid(options: argparse.Namespace) -> None:
    from models.cli.fid import as_table, measure

    data_dir = data_dir_of(options, options.data, None)
    reading, seed = _reading(options, options.data), options.seed or 0
    numbers = measure(options.data, reading, options.samples, options.features, seed, data_dir)
    print(json.dumps(numbers, indent=2) if options.json else as_table(numbers))


def demo(options: argparse.Namespace) -> None:
    from models.cli.demo import demonstrate

    demonstrate(options.out or Path("runs") / f"demo-{datetime.now():%Y%m%d-%H%M%S}")


def doctor(options: argparse.Namespace) -> None:
    from models.cli.doctor import report

    report(options.json)


def _refuse_unless_page(flag: str, path: Path) -> None:
    if path.suffix.lower() != ".html":
        raise UsageError(f"{flag} {path}: it is a page, so name it something.html")
    refuse_unless_file(path)


def _print_report(run: Run, numbers: dict[str, Any]) -> None:
    """Print the numbers as a table; nats are compared with those of the factorised model."""
    unit = "points" if isinstance(run.data, Points) else "images"
    tested = f"{numbers['test_images']:,} test {unit}"
    print(f"\n{numbers['model']} on {numbers['data']}, {numbers['pixel_form']}: mean over {tested}")
    rows = run.report.rows(numbers)
    if "nll" in numbers and numbers["factorised_nll"] is not None:
        margin = numbers["factorised_nll"] - numbers["nll"]
        verdict = f"beaten by {margin:.2f}" if margin > 0 else "not beaten"
        baseline = "the baseline" + ", not told the class" * bool(run.model.classes)
        rows.append(Row("factorised model", numbers["factorised_nll"], f"{baseline}, {verdict}"))
    width = max(24, *(len(row.name) for row in rows))
    for row in rows:
        digits = 0 if isinstance(row.value, int) else 2 if abs(row.value) >= 1 else 4
        print(f"  {row.name:{width}}{row.value:10.{digits}f}   {row.remark}".rstrip())
    if health := run.health:
        print("", *health.remarks(), sep="\n  ")


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = (
    {
        command.__name__: command
        for command in (train, evaluate, compare, explore, trace, verify, lab, fid, demo, doctor)
    }
    | outputs.COMMANDS
    | scores.COMMANDS
)
