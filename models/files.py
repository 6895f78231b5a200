"""Writing a file whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from models.errors import Failure, UsageError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write to, which becomes `path` at the end; until then `path` is as it was.

    Raises Failure for what the operating system refuses (a full disk, a folder that is not there)
    and leaves nothing half-written.
    """
    if not path.name:
        raise UsageError(f"{path} is a folder: name a file")
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        kept = ", what was there before is kept" if path.exists() else ""
        reason = error.strerror or error
        raise Failure(
            f"could not write {path}: {reason}{kept}; make room or name another"
        ) from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
