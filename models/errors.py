"""Mistakes that a user can make. The command line prints each in one line."""


class Failure(Exception):
    """A command cannot continue; the text says what is wrong and what to do. Exit status 1."""

    status = 1


class UsageError(Failure):
    """A wrong request: an unknown name, a value out of range. Exit status 2."""

    status = 2


class Caution(UserWarning):
    """A warning: the command continues, but probably not as the user meant."""


def printable(text: object) -> str:
    """The text in one line: what cannot be printed, as a name may have, stands as its escape."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))
