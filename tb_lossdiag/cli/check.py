"""`tb-lossdiag check`: read folders, run the rules, print, and say by the exit code how it went."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from tb_lossdiag import __version__
from tb_lossdiag.checking import left_out
from tb_lossdiag.checking.check import Check, in_order
from tb_lossdiag.checking.parts import Json
from tb_lossdiag.checking.places import places
from tb_lossdiag.checking.verdict import exit_code
from tb_lossdiag.checking.wishes import naming
from tb_lossdiag.cli import options
from tb_lossdiag.cli.output import console, put, say, warn_of_extensions
from tb_lossdiag.cli.progress import Progress
from tb_lossdiag.config import Settings
from tb_lossdiag.fleet import table
from tb_lossdiag.report import baseline, document
from tb_lossdiag.report.formats import FORMATS, Context
from tb_lossdiag.report.text import show
from tb_lossdiag.report.words import word


def run(arguments: argparse.Namespace) -> int:
    """Judge every run of the places that are named.

    Raises:
        ValueError: there is nothing to judge, or an option or the configuration is not understood.
        OSError: a place or a file cannot be read or written.
    """
    warn_of_extensions()
    wishes, where = options.wishes(arguments), places(arguments.places, arguments.logdir_spec)
    settings = wishes.settings(where[0].path)
    known = _known(arguments.baseline)
    streamed = arguments.format == "text" and arguments.output is None
    jobs, cached = _processes(arguments.jobs), not arguments.no_cache
    check = Check(where, settings, jobs, known=cached, lately_first=streamed)
    options.tell(settings)
    if arguments.format == table.FORMAT and arguments.output is None:
        raise ValueError("--format parquet writes a file: name it with --output")
    runs = _runs(check, settings, known, aloud=streamed and not arguments.write_baseline)
    check.require_use(wishes.mapped, "--map")
    for sentence in left_out.sentences(check.left_out):
        say(sentence)
    if streamed and not arguments.write_baseline:
        _point_to_the_manual(runs, settings.language)
    if arguments.write_baseline:
        with naming("--write-baseline", arguments.write_baseline):
            baseline.write(arguments.write_baseline, runs)
        return 0
    if arguments.format == table.FORMAT:
        with naming("--output", arguments.output):
            table.write(arguments.output, runs, check.measures, __version__)
    elif not streamed:
        logdir = where[0].folder if len(where) == 1 else ""
        about = Context(check.rules, logdir, settings.language, __version__)
        _write(arguments.output, arguments.format, runs, about)
    return exit_code(runs, settings.fail_on)


def _processes(asked: int | None) -> int | None:
    """Those that were asked for; else as many as are worth it where the program is ours: others start anew what they are."""
    main = sys.modules["__main__"]
    named = Path(getattr(main, "__file__", None) or "")
    program = str(getattr(getattr(main, "__spec__", None), "name", "")).startswith(
        "tb_lossdiag."
    ) or any(Path(part).stem == "tb-lossdiag" for part in named.parts[-2:])
    return 1 if asked is None and not program else asked


def _point_to_the_manual(runs: list[Json], language: str) -> None:
    """Name the command that opens the page of the first rule that found something."""
    codes = [finding["code"] for run in runs for finding in run["findings"]]
    if codes:
        chosen = "" if language == "en" else f" --lang {language}"
        sentence = word("manual", language, command=f"tb-lossdiag docs {codes[0]}{chosen}")
        Console(highlight=False).print(sentence, style="dim", markup=False)


def _known(path: str | None) -> frozenset[baseline.Key] | None:
    if path is None:
        return None
    with naming("--baseline", path):
        return baseline.read(path)


def _runs(
    check: Check, settings: Settings, known: frozenset[baseline.Key] | None, *, aloud: bool
) -> list[Json]:
    """All runs; aloud, each is printed as soon as it is judged."""
    out, done = Console(highlight=False), []
    with Progress(len(check.parts)) as progress:
        for entries in check.entries():
            if known is not None:
                baseline.mark(entries, known)
            done.append(entries)
            progress.advance()
            if aloud:
                with progress.hidden():
                    show(out, entries, settings.language)
    return in_order(done)


def _write(path: str | None, form: str, runs: list[Json], about: Context) -> None:
    with console(path) as out:
        if form == "text":
            show(out, runs, about.language)
        else:
            put(out, FORMATS[form].write(document.whole(runs), about))
