"""The number of a step where a framework counts batches only."""

from __future__ import annotations

from collections.abc import Callable


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
