"""What the command line understands."""

from __future__ import annotations

import argparse

from tb_lossdiag import __version__
from tb_lossdiag.cli import check, demo, explain

LEVELS = ("info", "warning", "error", "never")


def parser() -> argparse.ArgumentParser:
    """The parser; every sub-command leaves its function in `run`."""
    top = argparse.ArgumentParser(
        prog="tb-lossdiag", description="Says what is wrong with a training."
    )
    top.add_argument("--version", action="version", version=f"tb-lossdiag {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _check(commands.add_parser("check", help="judge every run in a folder"))
    _explain(commands.add_parser("explain", help="print a rule's documentation"))
    _rules(commands.add_parser("rules", help="list the rules"))
    _demo(commands.add_parser("demo", help="train small sick and healthy models, and judge them"))
    return top


def _check(command: argparse.ArgumentParser) -> None:
    command.add_argument("logdir", help="folder with event files, as for tensorboard --logdir")
    command.add_argument(
        "--select",
        action="append",
        default=[],
        metavar="CODES",
        help="only these rules, e.g. LD2,LD301",
    )
    command.add_argument(
        "--ignore", action="append", default=[], metavar="CODES", help="without these rules"
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="LD201.max_ratio=1e-8",
        help="change a threshold",
    )
    command.add_argument("--format", choices=("text", "json", "markdown"), default="text")
    command.add_argument(
        "--fail-on",
        choices=LEVELS,
        default="warning",
        help="exit with 1 from this severity on (default: warning)",
    )
    _language(command)
    command.set_defaults(run=check.run)


def _explain(command: argparse.ArgumentParser) -> None:
    command.add_argument("code", help="code or name of a rule, e.g. LD302 or clip-after-step")
    _language(command)
    command.set_defaults(run=explain.explain)


def _rules(command: argparse.ArgumentParser) -> None:
    _language(command)
    command.set_defaults(run=explain.rules)


def _demo(command: argparse.ArgumentParser) -> None:
    command.add_argument("--logdir", default="runs", help="where the runs go (default: runs)")
    command.add_argument(
        "--serve", action="store_true", help="then start TensorBoard on the folder"
    )
    command.add_argument(
        "--port", type=int, default=6006, help="TensorBoard's port (default: 6006)"
    )
    _language(command)
    command.set_defaults(run=demo.run)


def _language(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--lang", choices=("en", "zh-CN"), default="en", help="language of the texts"
    )
