"""`tb-lossdiag watch`: says what appears, clears and stops moving in runs that are going on."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from tb_lossdiag.checking.places import places
from tb_lossdiag.checking.wishes import naming
from tb_lossdiag.cli import options
from tb_lossdiag.cli.output import say, warn_of_extensions
from tb_lossdiag.config import Settings
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.report import baseline
from tb_lossdiag.watching.event import Event
from tb_lossdiag.watching.oversight import Oversight

_MINUTE = 60.0


def run(arguments: argparse.Namespace) -> int:
    """Look until somebody ends it, or until something is as severe as `--until`.

    Returns:
        1 where that or, with `--once`, a finding at or above the level has been seen, else 0.

    Raises:
        OSError: a place cannot be read, or the file not written.
        ValueError: an option or the configuration is not understood, or a package is missing.
    """
    warn_of_extensions()
    wishes, where = options.wishes(arguments), places(arguments.places, arguments.logdir_spec)
    settings = wishes.settings(where[0].path)
    options.tell(settings)
    oversight = Oversight(where, settings, arguments.stuck * _MINUTE, _accepting(arguments))
    with _written(arguments.output) as file, _told(arguments, oversight):
        with contextlib.suppress(KeyboardInterrupt):
            return _look(arguments, settings, oversight, _saying(arguments, settings, file))
        return 0


def _look(
    arguments: argparse.Namespace,
    settings: Settings,
    oversight: Oversight,
    tell: Callable[[Iterable[Event]], None],
) -> int:
    limit = settings.fail_on if arguments.once else arguments.until
    first = True
    while True:
        events = _events(oversight, strict=first or arguments.once)
        tell(events)
        bad = _as_severe(events, limit)
        if arguments.once or bad:
            return int(bad)
        first = False
        time.sleep(arguments.every)


def _events(oversight: Oversight, *, strict: bool) -> list[Event]:
    """A later look that fails is said, and tried again: folders elsewhere come and go."""
    try:
        return oversight.look(time.time())
    except (OSError, ValueError) as error:
        if strict:
            raise
        say(str(error))
        return []


def _as_severe(events: Iterable[Event], limit: str | None) -> bool:
    if limit is None or limit == "never":
        return False
    bad = (one for one in events if one.event in {"appeared", "stuck", "unreadable"})
    return any(Severity[one.severity.upper()] >= Severity[limit.upper()] for one in bad)


def _accepting(arguments: argparse.Namespace) -> Callable[[list[dict[str, Any]]], None]:
    if arguments.baseline is None:
        return lambda _: None
    with naming("--baseline", arguments.baseline):
        known = baseline.read(arguments.baseline)
    return lambda runs: baseline.mark(runs, known)


def _saying(
    arguments: argparse.Namespace, settings: Settings, file: TextIO | None
) -> Callable[[Iterable[Event]], None]:
    def tell(events: Iterable[Event]) -> None:
        for event in events:
            as_json = arguments.format == "jsonl"
            line = event.as_json() if as_json else event.line(settings.language)
            print(line, file=file, flush=True)

    return tell


@contextlib.contextmanager
def _written(path: str | None) -> Iterator[TextIO | None]:
    """A file that lines are added to; None for standard output."""
    if path is None:
        yield None
        return
    with naming("--output", path):
        opened = Path(path).open("a", encoding="utf-8", newline="\n")  # noqa: SIM115  (closed below)
    with opened as file:
        yield file


@contextlib.contextmanager
def _told(arguments: argparse.Namespace, oversight: Oversight) -> Iterator[None]:
    """Gauges, for as long as it looks."""
    with contextlib.ExitStack() as ends:
        if arguments.prometheus is not None:
            from tb_lossdiag.watching import prometheus  # noqa: PLC0415  (an extra)

            port = prometheus.serve(oversight, arguments.prometheus)
            say(f"gauges for Prometheus at port {port}, /metrics")
        if arguments.otel:
            from tb_lossdiag.watching import otel  # noqa: PLC0415  (an extra)

            ends.callback(otel.send(oversight))
        yield
