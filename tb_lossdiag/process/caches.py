"""Where this user's system keeps what programs can make again."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def own_caches() -> Path:
    """Our folder among them; `TB_LOSSDIAG_CACHE` names another place for it.

    Raises:
        RuntimeError: there is no home directory.
    """
    if named := os.environ.get("TB_LOSSDIAG_CACHE"):
        place = named
    elif sys.platform == "win32":
        place = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        place = "~/Library/Caches"
    else:
        place = os.environ.get("XDG_CACHE_HOME", "")
        place = place if place.startswith("/") else "~/.cache"  # as its specification has it
    return Path(place).expanduser() / "tb-lossdiag"
