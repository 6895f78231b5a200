"""Checks a person's own files: each defines claims, or a function f and its gradient df, or both.

A file that fails does not stop the check: every file gets its own report.
"""

import contextlib
import dataclasses
import inspect
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from autograd import check
from autograd.check import Wrong
from models.derivations import CLAIMS, Claim, Verdict, verification
from models.errors import Failure, UsageError


@dataclass
class FileReport:
    """`status` is 0 if all holds, 1 if something does not, 2 if the file could not be checked.

    `messages` has a line for each result, `wrong` the gradients that do not hold.
    """

    path: Path
    status: int = 0
    messages: list[str] = field(default_factory=list)
    wrong: list[Wrong] = field(default_factory=list)
    claims: list[Verdict] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        return ("holds", "FAILS", "could not be checked")[self.status]


def check_file(path: Path) -> FileReport:
    """Run a file and check the claims and the gradient that it defines; its prints go to stderr.

    f is checked at the defaults of its parameters. The parameters that the file names in
    `constants` are held fixed.
    """
    report = FileReport(path)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            module, claims = _run(path)
            if hasattr(module, "f") and hasattr(module, "df"):
                report.messages.append(_check_gradient(module))
            elif not claims:
                raise LookupError(
                    "it defines neither a claim nor f and df, a function and its gradient"
                )
            report.claims = verification.verify(claims)
    except check.DerivationError as error:
        report.status, report.wrong = 1, error.wrong
        report.messages += map(str, error.wrong)
    except (Exception, SystemExit) as error:  # whatever the file raises
        report.status = 2
        report.messages.append(_describe(error, path))
    for verdict in report.claims:
        report.messages.append(f"claim {verdict.claim.name}: {verdict.message}")
        if not verdict.holds:
            report.status = max(report.status, 1)
    return report


def _run(path: Path) -> tuple[ModuleType, list[Claim]]:
    """The file as a module, and its claims. They may have names that the book has too."""
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    code = compile(path.read_bytes(), str(path), "exec")
    with _no_claims():
        exec(code, module.__dict__)
        return module, list(CLAIMS.values())


@contextlib.contextmanager
def _no_claims() -> Iterator[None]:
    """With `CLAIMS` empty; afterwards it is the book again."""
    book = dict(CLAIMS)
    CLAIMS.clear()
    try:
        yield
    finally:
        CLAIMS.clear()
        CLAIMS.update(book)


def _check_gradient(module: ModuleType) -> str:
    """Check the file's df and describe where it holds. Raises DerivationError if it does not."""
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    inputs = {
        p.name: p.default
        for p in inspect.signature(module.f).parameters.values()
        if p.kind in kinds
    }
    if missing := [name for name, value in inputs.items() if value is inspect.Parameter.empty]:
        raise LookupError(
            f"give each parameter of f a default, an array to check at; {', '.join(missing)} has "
            "none: def f(x=np.array([1.0, 2.0])): ..."
        )
    constants = getattr(module, "constants", ())
    constants = (constants,) if isinstance(constants, str) else constants
    checked = check.derivation(module.f, module.df, *inputs.values(), constants=constants)
    shapes = ", ".join(f"{name} {np.shape(inputs[name])}" for name in checked)
    fixed = [name for name in inputs if name not in checked]
    message = f"df is the gradient of f at {shapes}"
    return f"{message}; held fixed: {', '.join(fixed)}" if fixed else message


def _describe(error: BaseException, path: Path) -> str:
    """The error in one line, with the last line of the file that it went through."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    if isinstance(error, SyntaxError):
        lines, error = [error.lineno], SyntaxError(error.msg)
    where = f"line {lines[-1]}: " if lines else ""
    if isinstance(error, SystemExit):
        return f"{where}it ends Python (exit)"
    if type(error) is LookupError or (type(error) is ValueError and not lines):
        return str(error)  # raised by the check, not by the file
    return f"{where}{type(error).__name__}: {error}"


def as_table(files: Sequence[FileReport]) -> str:
    """Each file with its verdict, and its messages below."""
    lines = []
    for file in files:
        lines.append(f"{file.path}: {file.verdict}")
        lines += [f"  {message}" for message in file.messages]
    return "\n".join(lines)


def as_json(files: Sequence[FileReport]) -> list[dict[str, Any]]:
    """The reports, for `json.dumps`."""
    return [
        {
            "file": str(file.path),
            "status": file.status,
            "verdict": file.verdict,
            "messages": file.messages,
            "wrong": [dataclasses.asdict(one) for one in file.wrong],
            "claims": verification.as_json(file.claims),
        }
        for file in files
    ]


def raise_if_failed(files: Sequence[FileReport]) -> None:
    """Raises Failure if a file does not hold, UsageError if some could only not be checked."""
    if failed := [str(file.path) for file in files if file.status]:
        kind = Failure if any(file.status == 1 for file in files) else UsageError
        raise kind(f"{len(failed)} of {len(files)} files do not hold: {', '.join(failed)}")
