"""The command `tb-lossdiag`: the same diagnosis as the tab, without a browser."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tb_lossdiag.cli.arguments import parser
from tb_lossdiag.visible import visible

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 nothing at or above the level, 1 findings at or above it, 2 could not run.
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
