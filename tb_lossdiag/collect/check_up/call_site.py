"""Where in the user's code a call comes from."""

from __future__ import annotations

import os
import sys
import sysconfig
from types import FrameType

_OURS = ("torch.", "tb_lossdiag.")
_LIBRARIES = (
    f"{os.sep}site-packages{os.sep}",
    f"{os.sep}dist-packages{os.sep}",
    sysconfig.get_path("stdlib") + os.sep,
)


def call_site() -> tuple[str, int]:
    """File and line of the user's code that is calling: the innermost frame outside torch and this package."""
    frame = sys._getframe(1)  # noqa: SLF001
    while frame.f_back is not None and f"{frame.f_globals.get('__name__', '')}.".startswith(_OURS):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def script_line() -> str:
    """File and line of the script that is calling, "train.py:12": the innermost frame of no installed package and of nobody's library."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    while frame is not None and not _written_here(frame):
        frame = frame.f_back
    if frame is None:
        return ""
    path = os.path.abspath(frame.f_code.co_filename)  # noqa: PTH100  (a path on another drive is none of ours)
    here = os.getcwd() + os.sep  # noqa: PTH109
    return f"{path.removeprefix(here).replace(os.sep, '/')}:{frame.f_lineno}"


def _written_here(frame: FrameType) -> bool:
    name, path = f"{frame.f_globals.get('__name__', '')}.", frame.f_code.co_filename
    return not (
        name.startswith(_OURS) or path.startswith("<") or any(p in path for p in _LIBRARIES)
    )


def call_path() -> int:
    """A number of the way to what is calling: the lines of all frames."""
    frame, lines = sys._getframe(1), []  # noqa: SLF001
    while frame.f_back is not None:
        lines.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return hash(tuple(lines))
