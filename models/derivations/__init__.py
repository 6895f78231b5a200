"""Every formula that the models rest on, checked by number: `chainrule verify`.

`claim` is what a claim is, `claims` is the book, `verification` runs and shows it, and `homework`
checks a person's own files.
"""

from models.derivations.claim import CLAIMS, Claim, Verdict, claim

__all__ = ["CLAIMS", "Claim", "Verdict", "claim"]
