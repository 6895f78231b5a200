"""What `chainrule trace` writes: an example or a training step, as text, as pictures, as a page."""

from pathlib import Path

from autograd.traces.page import as_pages
from models.errors import Failure, UsageError
from models.examples import EXAMPLES, Example
from models.examples.example import Traces
from models.examples.steps import BATCH, traced_step
from models.files import refuse_existing, replacing
from models.training.run import Run


def as_list() -> str:
    """A line for each example: its name and title."""
    width = max(map(len, EXAMPLES))
    return "\n".join(f"{name:{width}}  {example.title}" for name, example in EXAMPLES.items())


def named(name: str) -> Example:
    """Raises UsageError for a name that is neither an example nor a directory."""
    if name not in EXAMPLES:
        raise UsageError(
            f"{name} is no example and no directory of a run: the examples are "
            f"{', '.join(EXAMPLES)}"
        )
    return EXAMPLES[name]


def of_run(run: Run) -> Example:
    """The next training step of a run. Its text holds for any settings, unlike an example's."""
    c, epoch = run.config, run.step / run.steps_per_epoch
    return Example(
        f"A training step: {c.model} on {c.data}, after {run.step:,} steps",
        f"The next step of {run.directory.name}, on a batch of {BATCH} images x. Nothing of it is "
        "kept: the run stays as it is.",
        lambda: traced_step(run.model, run.data, c.seed, 0, epoch, run.optimizers),
    )


def write(example: Example, text: bool, svg: Path | None, html: Path | None) -> list[Path]:
    """Print it, and write its pictures and its page; returns their paths.

    Several traces have a picture each, F-HEADING.svg. Raises Failure for a graph that is too large,
    UsageError for a file that exists.
    """
    traces = example.traces()
    if text:
        print(example.title, example.text, sep="\n\n")
        for heading, trace in traces.items():
            print("", heading, "", trace, sep="\n")
    try:
        files = _pictures(svg, traces) if svg else {}
        if html:
            files[html] = as_pages(example.title, example.text, traces)
    except ValueError as error:  # it is too large
        raise Failure(str(error)) from error
    for path in files:
        refuse_existing(path)
    for path, content in files.items():
        with replacing(path) as unfinished:
            unfinished.write_text(content, encoding="utf-8")
    return list(files)


def _pictures(path: Path, traces: Traces) -> dict[Path, str]:
    names = {heading: f"{path.stem}-{heading.replace(' ', '-')}.svg" for heading in traces}
    if len(traces) == 1:
        names = dict.fromkeys(traces, path.name)
    return {path.with_name(name): traces[heading].svg() for heading, name in names.items()}
