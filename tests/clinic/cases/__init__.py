"""All trainings of the clinic, by subject; importing this package enters them in `CASES`."""

from __future__ import annotations

import importlib
import pkgutil

from clinic.case import CASES, Case

__all__ = ["CASES", "Case"]

for _module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")
