"""Lines below a line that names a step: what Coqui's trainer prints, as its event files have it (`trainer/logging/console_logger.py`).

Its evaluations print steps of their own, which are none of the training's: a block counts by the step of the whole training only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_HEAD = re.compile(r"--> .*\bGLOBAL_STEP: (?P<step>\d+)\s*$")
_ENDS = re.compile(r"(?:-->|>) ?[A-Z]")
_EVALUATED = "EVAL PERFORMANCE"
_BELOW = re.compile(
    r"\| > (?P<name>\w+): ?\s*(?P<number>[-+]?(?:\d[\d.]*(?:e[-+]?\d+)?|nan|inf))\b", re.IGNORECASE
)


class Blocks:
    """Follows the lines of a log."""

    def __init__(self) -> None:
        """None was read."""
        self._step: int | None = None
        self._of = ""

    def row(self, line: str) -> Mapping[str, float] | None:
        """The number of a line within a block, with the block's step; None for any other line.

        >>> blocks = Blocks()
        >>> blocks.row("   --> TIME: 2026-01-01 00:00:00 -- STEP: 5/20 -- GLOBAL_STEP: 25"), blocks.row("     | > loss: 3.5  (3.6)")
        (None, {'global_step': 25, 'TrainIterStats/loss': 3.5})
        >>> blocks.row("  --> EVAL PERFORMANCE"), blocks.row("     | > avg_loss: 0.9 (-0.1)")
        (None, {'global_step': 25, 'EvalStats/avg_loss': 0.9})
        >>> blocks.row("   --> STEP: 3"), blocks.row("     | > loss: 3.5  (3.6)")
        (None, None)
        """
        text = _COLOURS.sub("", line).strip()
        if found := _BELOW.match(text):
            if self._step is None or not self._of:
                return None
            return {
                "global_step": self._step,
                f"{self._of}/{found['name']}": float(found["number"]),
            }
        if found := _HEAD.match(text):
            self._step = int(found["step"])
            self._of = "" if "PERFORMA" in text else "TrainIterStats"
        elif _ENDS.match(text):
            self._of = "EvalStats" if _EVALUATED in text else ""
        return None
