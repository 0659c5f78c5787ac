"""`tb-lossdiag run`: a script as it stands, recorded."""

from __future__ import annotations

import argparse
from pathlib import Path


def run(arguments: argparse.Namespace) -> int:
    """Run the script; its exit code is ours.

    Raises:
        ValueError: there is no such script.
    """
    path, *rest = arguments.script or [""]
    if not Path(path).is_file():
        raise ValueError(f"run: there is no script {path!r}")
    from tb_lossdiag.integrations import script  # noqa: PLC0415  (only this command needs torch)

    options = {"on_finding": "print"} if arguments.live else {}
    return script.run(path, rest, arguments.logdir, options, preflight=arguments.preflight)
