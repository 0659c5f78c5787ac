"""The configuration beside the runs, as the command line reads it; edited, it counts from the next request."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tb_lossdiag.config import Policy, Settings, discover, load
from tb_lossdiag.config.extensions import failures
from tb_lossdiag.reader import Reader, Scalars
from tb_lossdiag.reader.plan import require_known
from tb_lossdiag.visible import visible

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """What holds now.

    Attributes:
        settings: those of the file, the usual ones without.
        reader: how they are read; the versions of its listings change with the configuration.
        origin: the file, "" if there is none.
        problem: why the file could not be used, "" if it could; everything is as without one then.
    """

    settings: Settings
    reader: Reader
    origin: str = ""
    problem: str = ""

    @cached_property
    def policy(self) -> Policy:
        """How runs are judged; made for the first one that is, because the rules are many files to import."""
        return Policy.of(self.settings)

    def notes(self) -> dict[str, Any]:
        """For the page: which file counts, and what is wrong with it or with other packages' rules."""
        file = {"file": self.origin, "problem": self.problem}
        return {"configuration": file, "extensions": failures()}


class Configuration:
    """Finds `lossdiag.toml` or `pyproject.toml` for a folder. Thread-safe.

    Args:
        provider: the context's data provider.
        logdir: as TensorBoard has it; may be empty or remote, then only the working folder is looked at.
        scalar_limit: values of a plain scalar tag that TensorBoard keeps.
    """

    def __init__(self, provider: Any, logdir: str, scalar_limit: int) -> None:
        self._provider = provider
        self._logdir = logdir
        self._scalar_limit = scalar_limit
        self._lock = threading.Lock()
        self._stamp: tuple[Path, int] | None = None
        self._state: State | None = None

    def now(self) -> State:
        """The state; the same object until the file changes."""
        path = discover(*([self._logdir] if self._logdir else []), Path.cwd())
        stamp = _stamp(path)
        with self._lock:
            if self._state is None or stamp != self._stamp:
                self._stamp, self._state = stamp, self._read(path)
            return self._state

    def _read(self, path: Path | None) -> State:
        try:
            settings = load(path) if path else Settings()
            require_known(settings.mapped, f"{settings.origin}: map")
            if settings.names_rules:
                Policy.of(settings)
            return self._made(settings, path)
        except (OSError, ValueError) as error:
            logger.warning("Loss Doctor does without its configuration: %s", visible(str(error)))
            return self._made(Settings(), path, str(error))

    def _made(self, settings: Settings, path: Path | None, problem: str = "") -> State:
        scalars = Scalars(self._provider, self._scalar_limit, settings.mapped)
        salt = f"{hash(self._stamp):x}-" if path else ""
        reader = Reader(self._provider, scalars, salt)
        return State(settings, reader, str(path or ""), problem)


def _stamp(path: Path | None) -> tuple[Path, int] | None:
    """Changes when another file counts or it was written; 0 for one that has just been removed."""
    if path is None:
        return None
    try:
        return path, path.stat().st_mtime_ns
    except OSError:
        return path, 0
