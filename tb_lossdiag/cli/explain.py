"""`tb-lossdiag explain` and `tb-lossdiag rules`."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from tb_lossdiag.cli.output import console, put
from tb_lossdiag.config import all_rules, find
from tb_lossdiag.diagnosis.rule import documentation, short_number, thresholds
from tb_lossdiag.report.reference import reference
from tb_lossdiag.report.text import STYLES
from tb_lossdiag.visible import flat, visible


def explain(arguments: argparse.Namespace) -> int:
    """Print a rule's documentation and thresholds.

    Raises:
        ValueError: no rule has this code or name.
    """
    rule = find(arguments.code)
    out = Console(highlight=False)
    title = rule.title.in_language(arguments.lang)
    head = Text.assemble((f"{rule.code} {visible(rule.name)}", "bold"), f"  {flat(title)}  ")
    out.print(head, f"({rule.severity.label})\n", sep="")
    out.print(Markdown(visible(documentation(rule, arguments.lang), keep="\n")))
    for name, value in thresholds(rule).items():
        out.print(f"  {rule.code}.{name} = {short_number(value)}", markup=False)
    return 0


def rules(arguments: argparse.Namespace) -> int:
    """Print a table of all rules, or their reference.

    Raises:
        OSError: the file cannot be written.
    """
    with console(arguments.output) as out:
        if arguments.format == "markdown":
            put(out, reference(all_rules(), arguments.lang))
        else:
            out.print(_table(arguments.lang))
    return 0


def _table(language: str) -> Table:
    table = Table("code", "name", "severity", "says")
    for rule in all_rules():
        style = STYLES[rule.severity.label]
        title = flat(rule.title.in_language(language))
        severity = Text(rule.severity.label, style)
        table.add_row(rule.code, Text(visible(rule.name)), severity, Text(title))
    return table
