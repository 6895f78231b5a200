"""The mistakes a person can make at the command line, each told in one line."""


class Failure(Exception):
    """Something that cannot go on: what was wrong, and what to do. Exit status 1."""

    status = 1


class UsageError(Failure):
    """A request that cannot be meant: an unknown name, a value out of range. Exit status 2."""

    status = 2


class Caution(UserWarning):
    """Something that goes on, and is not what was likely meant. One line on the command line."""
