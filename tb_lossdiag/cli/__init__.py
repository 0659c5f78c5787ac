"""The command `tb-lossdiag`: the same diagnosis as the tab, without a browser.

In reading order:

- `arguments`: what the command line understands
- `options`: settings of a call: those of the configuration file, with what the command line says on top
- `check`: `tb-lossdiag check`: read a folder, run the rules, print, and say by the exit code how it went
- `left_out`: what lies in a folder and is not judged, and why: silence would read as health
- `run`: `tb-lossdiag run`: a script as it stands, recorded
- `compare`: `tb-lossdiag compare`: what changed from one run to another
- `explain`: `tb-lossdiag explain` and `tb-lossdiag rules`
- `demo`: `tb-lossdiag demo`: real trainings, sick and healthy, each in its own process; then their diagnosis
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
