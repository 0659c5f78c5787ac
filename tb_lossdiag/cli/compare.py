"""`tb-lossdiag compare`: what changed from one run to another."""

from __future__ import annotations

import argparse

from tb_lossdiag.checking.pair import pair
from tb_lossdiag.cli import options
from tb_lossdiag.cli.output import console, put, warn_of_extensions
from tb_lossdiag.report.comparison import compare
from tb_lossdiag.report.comparison_text import markdown, show
from tb_lossdiag.report.formats import as_json


def run(arguments: argparse.Namespace) -> int:
    """Compare two runs of a folder, or the runs of two folders.

    Raises:
        ValueError: a run does not exist or cannot be read, or an option is not understood.
        OSError: a folder cannot be read, or the file not written.
    """
    warn_of_extensions()
    a, b, language = pair(arguments.places, options.wishes(arguments))
    document = compare(a, b, language)
    with console(arguments.output) as out:
        if arguments.format == "json":
            put(out, as_json(document))
        elif arguments.format == "markdown":
            put(out, markdown(document, language))
        else:
            show(out, document, language)
    return 0
