"""`tb-lossdiag completion`: what a shell completes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from tb_lossdiag.cli.output import console, put

_FOLDERS = ("places", "logdir")
_FILES = ("config", "baseline", "write_baseline", "output")


def run(arguments: argparse.Namespace) -> int:
    """Print the script.

    Raises:
        RuntimeError: shtab, which makes it, is not installed.
    """
    try:
        import shtab  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise RuntimeError(
            'completion needs shtab: pip install "tb-lossdiag[completion]"'
        ) from error
    for action in _actions(arguments.parser):
        if action.dest in (*_FOLDERS, *_FILES):
            complete = shtab.DIRECTORY if action.dest in _FOLDERS else shtab.FILE
            action.complete = complete  # type: ignore[attr-defined]
    with console(None) as out:
        put(out, shtab.complete(arguments.parser, arguments.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Of a parser and all of its commands."""
    for action in parser._actions:  # noqa: SLF001  (argparse has no other way)
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                yield from _actions(command)
