"""`tb-lossdiag explain` and `tb-lossdiag rules`."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from tb_lossdiag.config import find
from tb_lossdiag.report.text import STYLES
from tb_lossdiag.rules import RULES
from tb_lossdiag.rules.rule import documentation, number, thresholds


def explain(arguments: argparse.Namespace) -> int:
    """Print a rule's documentation and thresholds.

    Raises:
        ValueError: no rule has this code or name.
    """
    rule = find(arguments.code)
    console = Console(highlight=False)
    title = rule.title.in_language(arguments.lang)
    console.print(f"[bold]{rule.code} {rule.name}[/bold]  {title}  ({rule.severity.label})\n")
    console.print(Markdown(documentation(rule, arguments.lang)))
    for name, value in thresholds(rule).items():
        console.print(f"  {rule.code}.{name} = {number(value)}", markup=False)
    return 0


def rules(arguments: argparse.Namespace) -> int:
    """Print a table of all rules."""
    table = Table("code", "name", "severity", "says")
    for rule in RULES:
        style = STYLES[rule.severity.label]
        severity = f"[{style}]{rule.severity.label}[/]"
        table.add_row(rule.code, rule.name, severity, rule.title.in_language(arguments.lang))
    Console(highlight=False).print(table)
    return 0
