"""The command `tb-lossdiag`: the same diagnosis as the tab, without a browser.

In reading order:

- `arguments`: what the command line understands
- `options`: what the command line says beside the places, and what came of it
- `check`: `tb-lossdiag check`: read folders, run the rules, print, and say by the exit code how it went
- `progress`: what a judgement of more than a second says on standard error while it works
- `run`: `tb-lossdiag run`: a script as it stands, recorded
- `compare`: `tb-lossdiag compare`: what changed from one run to another
- `watch`: `tb-lossdiag watch`: says what appears, clears and stops moving in runs that are going on
- `fleet`: `tb-lossdiag fleet`: what is wrong with many runs, from the tables that `check --format parquet` wrote
- `bundle`: `tb-lossdiag bundle`: one run as a file to hand on, and what such a file is judged to be
- `mcp`: `tb-lossdiag mcp`: answers coding agents about the runs of a folder, by the Model Context Protocol
- `export`: `tb-lossdiag export`: the tab as a folder that needs no server
- `explain`: `tb-lossdiag explain` and `tb-lossdiag rules`
- `docs`: `tb-lossdiag docs`: the manual that is in the package, in a browser or in the terminal
- `demo`: `tb-lossdiag demo`: real trainings, sick and healthy, each in its own process; then their diagnosis
- `completion`: `tb-lossdiag completion`: what a shell completes
- `output`: where reports go: the terminal or a file
- `__main__`: `python -m tb_lossdiag.cli`
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tb_lossdiag.cli.arguments import parser
from tb_lossdiag.visible import visible

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 nothing at or above the level, 1 findings at or above it, 2 could not run, 3 a run holds no loss that a rule could judge.
    """
    arguments = parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except (OSError, ValueError, RuntimeError) as error:
        print(f"tb-lossdiag: {visible(str(error))}", file=sys.stderr)  # noqa: T201
        return 2
    return code
