"""`tb-lossdiag mcp`: answers coding agents about the runs of a folder, by the Model Context Protocol."""

from __future__ import annotations

import argparse

from tb_lossdiag.checking.places import Place


def run(arguments: argparse.Namespace) -> int:
    """Answer until the agent closes its end.

    Raises:
        OSError: there is no such folder.
        ValueError: the package is not installed.
    """
    from tb_lossdiag.agents.server import server  # noqa: PLC0415  (an extra)

    for _ in Place(arguments.logdir).parts():
        break
    server(arguments.logdir).run()
    return 0
