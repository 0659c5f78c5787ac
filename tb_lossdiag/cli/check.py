"""`tb-lossdiag check`: read a folder, run the rules, print, and say by the exit code how it went."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console

from tb_lossdiag.config import chosen
from tb_lossdiag.reader import Listing, Reader, open_folder
from tb_lossdiag.report import document
from tb_lossdiag.report.markdown import markdown
from tb_lossdiag.report.text import show
from tb_lossdiag.rules.engine import diagnose
from tb_lossdiag.rules.rule import Rule, Severity

Json = dict[str, Any]


def run(arguments: argparse.Namespace) -> int:
    """Judge every run of a folder.

    Raises:
        ValueError: there is nothing to judge, or an option names no rule.
        OSError: the folder cannot be read.
    """
    rules = chosen(_codes(arguments.select), _codes(arguments.ignore), arguments.set)
    runs = judged(arguments.logdir, rules, arguments.lang)
    output(runs, arguments.format)
    return exit_code(runs, arguments.fail_on)


def judged(logdir: str, rules: Sequence[Rule], language: str) -> list[Json]:
    """The `runs` of the JSON document for a folder.

    Raises:
        ValueError: no run in the folder has records of ours.
    """
    reader = Reader(open_folder(logdir))
    listings = reader.listings()
    if not listings:
        raise ValueError(
            f"no Loss Doctor records in {logdir}: record with tb_lossdiag.SummaryWriter and add_diagnostics"
        )
    return [_entry(reader, listing, rules, language) for listing in listings.values()]


def output(runs: list[Json], form: str) -> None:
    """Print runs as text, JSON or Markdown."""
    console = Console(highlight=False)
    if form == "json":
        whole = {"version": document.VERSION, "runs": runs}
        text = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)
        console.out(text, highlight=False)
    elif form == "markdown":
        console.out(markdown(runs), highlight=False)
    else:
        show(console, runs)


def exit_code(runs: Iterable[Json], fail_on: str) -> int:
    """0 or 1 by the worst finding, 2 if a run could not be read."""
    entries = list(runs)
    if any(entry["status"] == "unreadable" for entry in entries):
        return 2
    if fail_on == "never":
        return 0
    level = Severity[fail_on.upper()]
    return int(any(worst(entry["findings"]) >= level for entry in entries))


def worst(findings: Iterable[Json]) -> int:
    """Highest severity among findings and what they explain, -1 if there are none."""
    levels = [max(Severity[f["severity"].upper()], worst(f["explains"])) for f in findings]
    return max(levels, default=-1)


def _entry(reader: Reader, listing: Listing, rules: Sequence[Rule], language: str) -> Json:
    if listing.problem is not None:
        return document.unreadable(listing.run, listing.problem)
    run = reader.read(listing)
    return document.entry(run, diagnose(run, rules), language)


def _codes(options: Iterable[str]) -> list[str]:
    return [code for option in options for code in option.split(",") if code.strip()]
