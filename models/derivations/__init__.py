"""Every formula that the models use, checked by number: `chainrule verify`.

`claim` defines what a claim is, `claims` is the book of them, `verification` checks them and
reports, and `homework` checks a person's own files.
"""

from models.derivations.claim import CLAIMS, Claim, Verdict, claim

__all__ = ["CLAIMS", "Claim", "Verdict", "claim"]
