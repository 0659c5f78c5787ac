"""The number of a step where a framework counts batches only, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class StepCount:
    """Numbers optimizer steps on from where a framework's own count stands, which in a resumed training is its checkpoint's.

    Args:
        batches: how many batches were trained on, the present one included; what it says now is where the training begins.
    """

    def __init__(self, batches: Callable[[], int]) -> None:
        self._batches, self._begun = batches, batches()
        self._taken, self._each = 0, 0

    def __call__(self) -> int | None:
        """The number of the step that was taken; None where the training begins anew, and the writer counts."""
        if self._begun == 0:
            return None
        self._each = self._each or max(self._batches() - self._begun, 1)
        self._taken += 1
        return self._begun // self._each + self._taken - 1


def taken(optimizer: Any) -> int:
    """Steps that an optimizer has taken, those before its checkpoint included; 0 where its state does not say (SGD's)."""
    counts = (state.get("step", 0) for state in optimizer.state.values() if isinstance(state, dict))
    return max((int(count) for count in counts), default=0)
