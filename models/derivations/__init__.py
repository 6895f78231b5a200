"""Every formula that the models rest on, checked by number: `chainrule verify`."""

import importlib
import pkgutil

from models.derivations.claim import CLAIMS, Claim, Verdict, claim

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["CLAIMS", "Claim", "Verdict", "claim"]
