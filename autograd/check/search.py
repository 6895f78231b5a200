"""The search for the one change to a derived gradient that makes it right.

The expressions of df are changed one at a time, as mistakes are made (`changes`). A change that
gives the true gradients at every point is taken for the mistake.
"""

import time
from collections.abc import Sequence, Set

import numpy as np

from autograd.check.changes import (
    Change,
    changes_of_jacobians,
    changes_with_known_values,
    small_changes,
)
from autograd.check.evidence import Evidence

SECONDS = 5.0  # of the processor, after which no further change is tried


def repairs(e: Evidence, wrong: Sequence[str], sound: Set[str]) -> dict[str, str]:
    """For each wrong gradient, the change that makes it right and no sound one wrong, if any.

    Of two changes the one that repairs more gradients is taken, and then the later one in df.
    """
    pair, points, given, truths, probe = e.pair, e.points, e.given, e.truths, e.df
    if probe is None:
        return {}
    numbers = probe.numbers(points)

    def fixed(change: Change) -> set[str]:
        """The arguments that a change makes right; none if it makes a sound one wrong."""
        right = set(truths)
        for k, point in enumerate(points):
            known = change.known[k : k + 1]  # for most changes none
            try:
                answer = probe.run(*point, at=change.at, change=lambda v: change.new(v, *known))  # noqa: B023
                found = pair.read(answer)
            except Exception:  # a user's function may raise anything for a value it never had
                return set()
            expected = {a: given[a][k] if a in sound else truths[a][k] for a in right}
            right = {a for a in right if _fits(found[a], expected[a], given[a][k])}
            if not right.intersection(wrong) or not right >= sound:
                return set()
        return right - sound

    texts: dict[str, str] = {}
    deadline = time.process_time() + SECONDS
    for stage in (
        small_changes(probe, points, numbers[0]),
        changes_with_known_values(probe, e.known, numbers[0]),
        changes_of_jacobians(e.f, probe, points, numbers),
    ):
        best: dict[str, tuple] = {}
        for n, change in enumerate(stage):
            if n % 256 == 0 and time.process_time() > deadline:
                break
            for name in (right := fixed(change)):
                line = probe.nodes[change.at].lineno
                score = (-len(right), change.cost, -line, len(change.text), change.text)
                best[name] = min(best.get(name, score), score)
        texts |= {name: f"{score[-1]}." for name, score in best.items() if name not in texts}
        if texts.keys() >= set(wrong):
            break
    return texts


def _fits(found: np.ndarray, truth: np.ndarray, given: np.ndarray) -> bool:
    """Whether `found` is the truth: the rest is small beside the error that it explains."""
    if found.shape != truth.shape:
        return False
    size = np.abs(truth).max(initial=0)
    error = np.abs(given - truth).max(initial=0) if given.shape == truth.shape else size
    allowed = min(1e-3 * error, 1e-6 * size) + 1e-9 * (1 + size)
    return bool(np.abs(found - truth).max(initial=0) <= allowed)
