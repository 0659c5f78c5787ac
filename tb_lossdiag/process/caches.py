"""Where this user's system keeps what programs can make again, and how a file is put there."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


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


@contextmanager
def whole(path: Path, beside: Path | None = None) -> Iterator[BinaryIO]:
    """A file to write anew: whoever reads it finds all of it or the one before, whoever else writes it.

    Args:
        path: of the file.
        beside: folder on the same disk for what is not whole yet, by default the file's own.

    Raises:
        OSError: it cannot be written; then nothing is left of it.
    """
    number, fresh = tempfile.mkstemp(dir=beside or path.parent, prefix="new-")
    try:
        with os.fdopen(number, "wb") as file:
            yield file
        Path(fresh).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(fresh).unlink()
        raise
