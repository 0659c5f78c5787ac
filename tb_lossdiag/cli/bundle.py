"""`tb-lossdiag bundle`: one run as a file to hand on, and what such a file is judged to be."""

from __future__ import annotations

import argparse

from tb_lossdiag import __version__
from tb_lossdiag.bundles.file import read, write
from tb_lossdiag.bundles.names import neutral
from tb_lossdiag.checking.pair import one
from tb_lossdiag.checking.wishes import naming
from tb_lossdiag.cli import options
from tb_lossdiag.cli.output import console, say, warn_of_extensions
from tb_lossdiag.config import Policy
from tb_lossdiag.report import document
from tb_lossdiag.report.text import show
from tb_lossdiag.run import Run

ENDING = ".lossdiag.npz"


def run(arguments: argparse.Namespace) -> int:
    """Write a bundle and say whether it is judged as the run is; or judge a bundle.

    Raises:
        ValueError: there is not one run of that name, or the file is no bundle.
        OSError: the folder cannot be read, or the file not written.
    """
    warn_of_extensions()
    wishes = options.wishes(arguments)
    settings = wishes.settings(arguments.places[0])
    policy = Policy.of(settings)
    if len(arguments.places) == 1 and arguments.places[0].endswith(ENDING):
        bundled = read(arguments.places[0])
        entry = document.entry(bundled, policy.diagnose(bundled), settings.language, policy.rules)
        with console(arguments.output) as out:
            show(out, [entry], settings.language)
        return 0
    own = one(arguments.places, wishes)
    path = arguments.output or f"run{ENDING}"
    with naming("--output", path):
        write(path, own.run if arguments.names else neutral(own.run), __version__)
    before, after = _codes(own.run, policy), _codes(read(path), policy)
    held = "as in the run" if before == after else f"in the run {_told(before)}: try --names"
    say(f"{path}: {_told(after)}, {held}. Look at it with: tb-lossdiag bundle {path}")
    return 0


def _codes(bundled: Run, policy: Policy) -> list[str]:
    return [cause.finding.code for cause in policy.diagnose(bundled).causes]


def _told(codes: list[str]) -> str:
    return ", ".join(codes) or "no finding"
