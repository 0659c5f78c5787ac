"""`tb-lossdiag compare`: what changed from one run to another."""

from __future__ import annotations

import argparse
from dataclasses import replace

from tb_lossdiag.cli import options
from tb_lossdiag.cli.check import open_reader
from tb_lossdiag.cli.output import aside, console, put, warn_of_extensions
from tb_lossdiag.config import Policy, Settings
from tb_lossdiag.reader import Reader
from tb_lossdiag.report.comparison import Judged, compare
from tb_lossdiag.report.comparison_text import markdown, show
from tb_lossdiag.report.formats import as_json

_TWO, _THREE = 2, 3


def run(arguments: argparse.Namespace) -> int:
    """Compare two runs of a folder, or the runs of two folders.

    Raises:
        ValueError: a run does not exist or cannot be read, or an option is not understood.
        OSError: a folder cannot be read, or the file not written.
    """
    warn_of_extensions()
    (a, b), language = _both(arguments)
    document = compare(a, b, language)
    with console(arguments.output) as out:
        if arguments.format == "json":
            put(out, as_json(document))
        elif arguments.format == "markdown":
            put(out, markdown(document, language))
        else:
            show(out, document, language)
    return 0


@aside()
def _both(arguments: argparse.Namespace) -> tuple[tuple[Judged, Judged], str]:
    places = arguments.places
    if len(places) == _THREE:
        settings = options.settings(arguments, places[0])
        reader = open_reader(places[0], settings)
        first, second = (_judged(reader, name, settings) for name in places[1:])
    elif len(places) == _TWO:
        settings = options.settings(arguments, places[0])
        first, second = (_only(place, options.settings(arguments, place)) for place in places)
    else:
        raise ValueError("compare: give a folder and two of its runs, or two folders")
    return (first, second), settings.language


def _judged(reader: Reader, name: str, settings: Settings) -> Judged:
    listings = reader.listings()
    if name not in listings:
        raise ValueError(f"no run {name!r}; there are: {', '.join(listings) or 'none'}")
    policy, found = Policy.of(settings), reader.read(listings[name])
    return Judged(found, policy.diagnose(found), policy.rules)


def _only(place: str, settings: Settings) -> Judged:
    """The one run of a folder, called by the folder's name."""
    reader = open_reader(place, settings)
    listings = reader.listings()
    if len(listings) != 1:
        names = ", ".join(listings) or "none"
        raise ValueError(f"{place}: expected one run, there are: {names}")
    judged = _judged(reader, next(iter(listings)), settings)
    return replace(judged, run=replace(judged.run, name=place))
