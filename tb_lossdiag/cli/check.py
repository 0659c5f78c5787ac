"""`tb-lossdiag check`: read a folder, run the rules, print, and say by the exit code how it went."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from rich.console import Console

from tb_lossdiag import __version__
from tb_lossdiag.cli import left_out, options
from tb_lossdiag.cli.output import aside, console, put, warn_of_extensions
from tb_lossdiag.config import Policy, Settings
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.diagnosis.status import TOO_LITTLE
from tb_lossdiag.reader import Listing, Reader, Scalars, open_folder, scalar_limit
from tb_lossdiag.report import baseline, document
from tb_lossdiag.report.findings import walk
from tb_lossdiag.report.formats import FORMATS, Context
from tb_lossdiag.report.text import show

Json = dict[str, Any]


def run(arguments: argparse.Namespace) -> int:
    """Judge every run of a folder.

    Raises:
        ValueError: there is nothing to judge, or an option or the configuration is not understood.
        OSError: the folder or a file cannot be read or written.
    """
    warn_of_extensions()
    settings = options.settings(arguments, arguments.logdir)
    policy = Policy.of(settings)
    known = baseline.read(arguments.baseline) if arguments.baseline else None
    reader = open_reader(arguments.logdir, settings)
    listings = reader.listings()
    left_out.require(reader, listings, arguments.logdir)
    left_out.require_use(listings, options.mapping(arguments.map))
    left_out.tell(reader, listings)
    runs = _entries(reader, listings.values(), policy, settings.language)
    if arguments.write_baseline:
        baseline.write(arguments.write_baseline, runs)
        return 0
    if known is not None:
        baseline.mark(runs, known)
    with console(arguments.output) as out:
        about = Context(policy.rules, arguments.logdir, settings.language, __version__)
        output(out, runs, arguments.format, about)
    return exit_code(runs, settings.fail_on)


def judged(logdir: str, settings: Settings) -> list[Json]:
    """The `runs` of the JSON document for a folder.

    Raises:
        ValueError: no run in the folder can be judged, or the settings are not understood.
    """
    policy, reader = Policy.of(settings), open_reader(logdir, settings)
    listings = reader.listings()
    left_out.require(reader, listings, logdir)
    return _entries(reader, listings.values(), policy, settings.language)


def open_reader(logdir: str, settings: Settings) -> Reader:
    """A reader of a folder.

    Raises:
        ValueError: the settings map something to no quantity.
        OSError: there is no such folder.
    """
    provider = open_folder(logdir)
    return Reader(provider, Scalars(provider, scalar_limit(logdir), settings.mapped))


@aside()
def _entries(
    reader: Reader, listings: Iterable[Listing], policy: Policy, language: str
) -> list[Json]:
    """All runs, one after the other: what was read of one is let go of before the next."""
    entries = []
    for listing in listings:
        entries.append(entry(reader, listing, policy, language))
        reader.forget(listing.run)
    return entries


def entry(reader: Reader, listing: Listing, policy: Policy, language: str) -> Json:
    """One run of the document."""
    try:
        run = reader.read(listing)
        return document.entry(run, policy.diagnose(run), language, policy.rules)
    except Exception as error:  # noqa: BLE001  (one bad run must not hide the others)
        return document.unreadable(listing.run, document.why(error))


def output(out: Console, runs: list[Json], form: str, about: Context) -> None:
    """Print runs.

    Args:
        out: where.
        runs: entries of the document.
        form: "text" or one of `report.formats.FORMATS`.
        about: what it says beside them.
    """
    if form == "text":
        show(out, runs, about.language)
    else:
        put(out, FORMATS[form].write(document.whole(runs), about))


def exit_code(runs: Iterable[Json], fail_on: str) -> int:
    """0 or 1 by the worst finding that is not in the baseline, 2 if a run could not be read, 3 if one held no loss to judge."""
    entries = list(runs)
    if any(entry["status"] == "unreadable" for entry in entries):
        return 2
    if fail_on == "never":
        return 0
    level = Severity[fail_on.upper()]
    if any(worst(entry["findings"]) >= level for entry in entries):
        return 1
    return 3 if any(entry["status"] == TOO_LITTLE for entry in entries) else 0


def worst(findings: Iterable[Json]) -> int:
    """Highest severity among new findings and what they explain, -1 if there are none."""
    new = (finding for finding in walk(findings) if not finding.get("known"))
    return max((Severity[finding["severity"].upper()] for finding in new), default=-1)
