"""Tells the user something that must not end the training."""

from __future__ import annotations

import contextlib
import sys
import warnings


def warn(message: str, depth: int = 1) -> None:
    """Warn, as the code so many calls above; where warnings are errors, only say it."""
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=depth + 1)
    except Warning:
        with contextlib.suppress(Exception):  # standard error may be closed
            print(message, file=sys.stderr)  # noqa: T201
