"""The book: a topic a file. Importing this folder puts every claim of it in `CLAIMS`."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
