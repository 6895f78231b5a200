"""What the commands of the command line do."""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from models import pictures
from models.cli.arguments import with_assignments
from models.data import Points
from models.data.mnist import FILES
from models.errors import Failure, UsageError
from models.families import FAMILIES
from models.files import refuse_unless_file
from models.progress import bar
from models.report import Row
from models.settings import declarations
from models.training.locks import refuse_unless_free, release
from models.training.run import Config, Run

MAX_SAMPLES = 2500  # in a picture


def _train(options: argparse.Namespace) -> None:
    for name in options.models:
        if name not in FAMILIES:
            raise UsageError(f"unknown model {name!r}: choose one of {', '.join(FAMILIES)}")
        if options.models.count(name) > 1:
            raise UsageError(f"{name} is named twice: each model is trained once")
    several = len(options.models) > 1
    if options.resume and several:
        raise UsageError("--resume goes on with one run: name one model")
    if options.resume:
        runs = [_resumed(options)]
    else:
        data = "digits" if options.data is None else options.data
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
        total, done = sum(run.total_steps for run in runs), sum(run.step for run in runs)
        with bar(" ".join(options.models), total, "step", done) as progress:
            written = [run.train(progress, options.pictures) for run in runs]
    finally:
        for run in runs:
            release(run.lock)
    for run, made in zip(runs, written):
        _report(run, run.evaluate())
        print(*(["pictures:", *made] if made else [run.directory]), sep="\n  ")


def _config(model: str, data: str, options: argparse.Namespace) -> Config:
    family = FAMILIES[model].model
    defaults = family.defaults.get(data) or family.settings_type()
    settings = with_assignments(defaults, options.set, vars(defaults))
    if options.epochs:
        settings = dataclasses.replace(settings, epochs=options.epochs)
    return Config(
        settings,
        model=model,
        data=data,
        data_dir=_data_dir(options, data) or _resolved(os.environ.get("CHAINRULE_DATA")),
        seed=options.seed or 0,
        device=options.device or "cpu",
        steps=options.steps,
        limit=options.limit,
    )


def _resumed(options: argparse.Namespace) -> Run:
    fixed = {"--data": options.data, "--seed": options.seed, "--out": options.out}
    fixed["--limit"] = options.limit
    fixed["--set"] = options.set or None
    if given := [flag for flag, value in fixed.items() if value is not None]:
        raise UsageError(f"--resume keeps the run's own settings: leave out {', '.join(given)}")
    config = Config.read(options.resume)
    if options.models != [config.model]:
        raise UsageError(f"{options.resume} is a run of {config.model}, not {options.models[0]}")
    changes: dict[str, Any] = {}
    if options.device:
        changes["device"] = options.device
    if options.data_dir is not None:
        changes["data_dir"] = _data_dir(options, config.data)
    if options.steps:
        changes["steps"] = options.steps
    if options.epochs:
        changes["steps"] = None
        changes["settings"] = dataclasses.replace(config.settings, epochs=options.epochs)
    return Run.resume(options.resume, **changes)


def _sample(options: argparse.Namespace) -> None:
    path = options.out or options.directory / "sample.png"
    pictures.suffix_of(path)
    if options.out:
        refuse_unless_file(path)
    if (options.n or 0) > MAX_SAMPLES:
        raise UsageError(f"-n {options.n}: one picture holds at most {MAX_SAMPLES:,}")
    run = _opened(options, options.directory)
    declared = declarations(type(run.config.settings))
    of_sampling = [name for name, declaration in declared.items() if declaration.sampling]
    run.model.settings = with_assignments(run.config.settings, options.set, of_sampling)
    columns: list[str] = []
    if run.model.classes and options.label is None:  # each class in turn has a column
        columns = [pictures.escape(run.data.class_name(c)) for c in range(run.model.classes)]
    n = options.n or 6 * len(columns) or 64
    labels = None if options.label is None else np.full(n, options.label)
    with bar(f"{run.config.model}: sampling {n:,} images"):
        samples = run.model.sample_means(n, np.random.default_rng(options.seed or 0), labels)
    of_class = "" if labels is None else f" of class {run.data.class_name(options.label)}"
    details = (
        f"samples{pictures.escape(of_class)}",
        run.report.sampler,
        f"seed {options.seed or 0}",
    )
    title = f"{run.report.title}\n{', '.join(filter(None, details))}"
    if isinstance(run.data, Points):
        figure = pictures.scatter(run.data, {"samples": samples}, title)
    else:
        across = len(columns) or pictures.across(n)
        by_row = np.split(samples, range(across, n, across))
        figure = pictures.rows(by_row, title, columns=columns[:n])
    print(pictures.save(figure, path))


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
    picture = options.picture or options.out.with_suffix(".png")
    pictures.suffix_of(picture)
    for path in (options.out, picture):
        refuse_unless_file(path)
    runs = [_opened(options, directory) for directory in options.directories]
    from models.cli import comparison

    for path in comparison.write(runs, options.n, options.seed or 0, options.out, picture):
        print(path)


def _verify(options: argparse.Namespace) -> None:
    from models.derivations import homework, verification

    files = [Path(name) for name in options.names if name.endswith(".py")]
    if files and (len(files) < len(options.names) or options.list):
        raise UsageError("name claims, or files of your own: not both at once, and not to --list")
    if absent := [str(path) for path in files if not os.path.isfile(path)]:
        raise UsageError(f"no such file: {', '.join(absent)}")
    if options.html and options.html.suffix.lower() != ".html":
        raise UsageError(f"--html {options.html}: it is a page, so name it something.html")
    if options.html:
        refuse_unless_file(options.html)
    if options.list:
        print(verification.list_claims(verification.select(options.names)))
        return
    checked = [homework.check_file(path) for path in files]
    verdicts = [verdict for file in checked for verdict in file.claims]
    if not files:
        verdicts = verification.verify(verification.select(options.names))
    text = homework if files else verification
    shown: Any = checked if files else verdicts
    print(json.dumps(text.as_json(shown), indent=2) if options.json else text.as_table(shown))
    if options.html:
        verification.write_page(verdicts, options.html, checked)
        print(options.html, file=sys.stderr if options.json else sys.stdout)
    if files:
        homework.raise_if_failed(checked)
    failed = [verdict.claim.name for verdict in verdicts if not verdict.holds]
    if failed:
        raise Failure(f"{len(failed)} of {len(verdicts)} claims fail: {', '.join(failed)}")


def _opened(options: argparse.Namespace, directory: Path) -> Run:
    changes = {"device": options.device or "cpu"}
    if options.data_dir is not None:
        changes["data_dir"] = _data_dir(options, Config.read(directory).data)
    run = Run.open(directory, **changes)
    if run.step == 0:
        raise Failure(f"{directory} has no checkpoint yet: train it first, with --resume")
    return run


def _data_dir(options: argparse.Namespace, data: str) -> str | None:
    """What --data-dir names. Raises UsageError for data that are read from no files."""
    if options.data_dir is not None and data not in FILES:
        raise UsageError(
            f"--data-dir {options.data_dir}: {data} has no files to read there; "
            f"say what they are, with --data: {', '.join(FILES)}"
        )
    return _resolved(options.data_dir)


def _resolved(folder: str | Path | None) -> str | None:
    """As a run keeps it, so that it is found from any folder."""
    return str(Path(folder).resolve()) if folder else None


def _report(run: Run, result: dict[str, Any]) -> None:
    """Print a result as a table; with a likelihood, beside what knows nothing of shapes."""
    print(
        f"\n{result['model']} on {result['data']}, {result['pixel_form']}: "
        f"mean over {result['test_images']:,} test images"
    )
    rows = run.report.rows(result)
    if "nll" in result and result["factorised_nll"] is not None:
        margin = result["factorised_nll"] - result["nll"]
        verdict = f"beaten by {margin:.2f}" if margin > 0 else "not beaten"
        rows.append(Row("factorised model", result["factorised_nll"], f"the baseline, {verdict}"))
    for row in rows:
        digits = 0 if isinstance(row.value, int) else 2 if abs(row.value) >= 1 else 4
        print(f"  {row.name:24}{row.value:10.{digits}f}   {row.remark}".rstrip())


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "train": _train,
    "sample": _sample,
    "evaluate": _evaluate,
    "compare": _compare,
    "verify": _verify,
}
