"""Files of one's own, checked: a gradient df of a function f, claims, or both, in each.

A file that doesn't hold says where and why, and those after it are checked all the same.
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
from autograd.derivation import Wrong
from models.derivations import CLAIMS, Claim, verification
from models.errors import Failure, UsageError


@dataclass
class Checked:
    """What was found of a file. `status` is 0 where all holds, 1 where something does not, and 2
    where it could not be checked; `said` has a line for each finding."""

    path: Path
    status: int = 0
    said: list[str] = field(default_factory=list)
    wrong: list[Wrong] = field(default_factory=list)
    claims: list[verification.Timed] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        return ("holds", "FAILS", "could not be checked")[self.status]


def checked(path: Path) -> Checked:
    """Run a file, whose prints go to stderr, and check what it defines.

    f is checked at the defaults of its parameters; those that the file names in `constants` are
    held fixed.
    """
    result = Checked(path)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            module, claims = _run(path)
            if hasattr(module, "f") and hasattr(module, "df"):
                result.said.append(_derivation(module))
            elif not claims:
                raise LookupError(
                    "it defines neither a claim nor f and df, a function and its gradient"
                )
            result.claims = verification.verify(claims)
    except check.DerivationError as error:
        result.status, result.wrong = 1, error.wrong
        result.said += map(str, error.wrong)
    except (Exception, SystemExit) as error:  # whatever a person's own file raises
        result.status = 2
        result.said.append(_told(error, path))
    for verdict, _ in result.claims:
        result.said.append(f"claim {verdict.claim.name}: {verdict.said}")
        if not verdict.holds:
            result.status = max(result.status, 1)
    return result


def _run(path: Path) -> tuple[ModuleType, list[Claim]]:
    """The file as a module, and the claims it declares, which may be called like the book's."""
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    code = compile(path.read_bytes(), str(path), "exec")
    with _no_claims():
        exec(code, module.__dict__)
        return module, list(CLAIMS.values())


@contextlib.contextmanager
def _no_claims() -> Iterator[None]:
    book = dict(CLAIMS)
    CLAIMS.clear()
    try:
        yield
    finally:
        CLAIMS.clear()
        CLAIMS.update(book)


def _derivation(module: ModuleType) -> str:
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
    held = check.derivation(module.f, module.df, *inputs.values(), constants=constants)
    shapes = {name: f"{name} {np.shape(value)}" for name, value in inputs.items()}
    fixed = [name for name in inputs if name not in held]
    said = f"df is the gradient of f at {', '.join(shapes[name] for name in held)}"
    return f"{said}; held fixed: {', '.join(fixed)}" if fixed else said


def _told(error: BaseException, path: Path) -> str:
    """With the last line of the file that the error went through."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    if isinstance(error, SyntaxError):
        lines, error = [error.lineno], SyntaxError(error.msg)
    where = f"line {lines[-1]}: " if lines else ""
    if isinstance(error, SystemExit):
        return f"{where}it ends Python (exit)"
    if type(error) in (LookupError,) or (type(error) is ValueError and not lines):
        return str(error)  # of the check itself
    return f"{where}{type(error).__name__}: {error}"


def table(files: Sequence[Checked]) -> str:
    """Each file with its verdict, and below it what was found."""
    lines = []
    for file in files:
        lines.append(f"{file.path}: {file.verdict}")
        lines += [f"  {said}" for said in file.said]
    return "\n".join(lines)


def as_json(files: Sequence[Checked]) -> list[dict[str, Any]]:
    return [
        {
            "file": str(file.path),
            "status": file.status,
            "verdict": file.verdict,
            "said": file.said,
            "wrong": [dataclasses.asdict(one) for one in file.wrong],
            "claims": verification.as_json(file.claims),
        }
        for file in files
    ]


def refuse(files: Sequence[Checked]) -> None:
    """Raises Failure where a file does not hold, UsageError where the worst is one unchecked."""
    if failed := [str(file.path) for file in files if file.status]:
        kind = Failure if any(file.status == 1 for file in files) else UsageError
        raise kind(f"{len(failed)} of {len(files)} files do not hold: {', '.join(failed)}")
