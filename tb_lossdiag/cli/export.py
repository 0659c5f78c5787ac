"""`tb-lossdiag export`: the tab as a folder that needs no server."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.progress import Progress

from tb_lossdiag.cli.output import say, warn_of_extensions


def run(arguments: argparse.Namespace) -> int:
    """Export a log folder.

    Raises:
        OSError: a folder cannot be read or written.
        ValueError: there is nothing to judge.
    """
    from tb_lossdiag.site import export  # noqa: PLC0415  (TensorBoard's plugin is not for every command)

    warn_of_extensions()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("tb-lossdiag export", total=None)
        count = export(
            arguments.logdir,
            arguments.site,
            lambda done, whole: progress.update(task, completed=done, total=whole),
        )
    say(
        f"{count} runs in {arguments.site}: open {arguments.site}/index.html, or put the folder on any web host"
    )
    return 0
