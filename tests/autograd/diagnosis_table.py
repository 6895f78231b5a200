"""The diagnosis of each mistake of students: `python -m tests.autograd.diagnosis_table`."""

import linecache
import warnings
from collections import Counter
from typing import Any, NamedTuple

from autograd.check import DerivationError, derivation
from tests.autograd.mistakes import DERIVATIONS, Mistake


class Answer(NamedTuple):
    text: str
    verdict: str  # right, wrong, unexplained, or accepted


def functions(text: str, name: str) -> tuple[Any, Any, list[Any]]:
    """f, df and the inputs of a file with this text, whose source is found as a file's is."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    scope: dict[str, Any] = {"__name__": name}
    exec(compile(text, name, "exec"), scope)
    return scope["f"], scope["df"], list(scope["f"].__defaults__)


def answer(source: str, mistake: Mistake) -> Answer:
    f, df, inputs = functions(source.replace(mistake.right, mistake.written), f"<{mistake.what}>")
    try:
        derivation(f, df, *inputs)
    except DerivationError as error:
        text = " ".join(dict.fromkeys(one.suggestion for one in error.wrong if one.suggestion))
    else:
        return Answer("", "accepted")
    if not text or "entries are right" in text:
        return Answer(text, "unexplained")
    right = all(any(word in text for word in words.split("|")) for words in mistake.words)
    return Answer(text, "right" if right else "wrong")


def main() -> None:
    verdicts: Counter[str] = Counter()
    for name, (source, mistakes) in DERIVATIONS.items():
        print(f"\n{name}", flush=True)
        for mistake in mistakes:
            text, verdict = answer(source, mistake)
            verdicts[verdict] += 1
            print(f"  {verdict:11} {mistake.what}: {text}", flush=True)
    print(f"\n{len(DERIVATIONS)} derivations, {verdicts.total()} mistakes: {dict(verdicts)}")


if __name__ == "__main__":
    with warnings.catch_warnings(action="ignore"):
        main()
