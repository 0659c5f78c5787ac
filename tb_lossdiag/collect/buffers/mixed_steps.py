"""Steps whose terms belong to a loss that another one has replaced."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tb_lossdiag.quantities import LOSS_OF_ANOTHER
from tb_lossdiag.records import FrameBlock


class MixedSteps:
    """Tells them: two players that take turns give a loss each at a step, and not the same terms."""

    def __init__(self) -> None:
        self._step = -1
        self._names: set[str] = set()
        self._left: dict[int, tuple[float, set[str]]] = {}

    def given(self, step: int, names: Iterable[str]) -> None:
        """Terms of the training, which belong to the loss that was given last."""
        if step != self._step:
            self._step, self._names = step, set()
        self._names.update(names)
        if self._left and step in self._left:
            self._left[step][1].difference_update(names)

    def replaced(self, step: int, walltime: float) -> None:
        """A step's loss is another one; terms that came before it are not its own, unless they come again."""
        if step == self._step:
            self._left[step] = walltime, set(self._names)

    def take(self) -> FrameBlock | None:
        """All of them; they wait no longer."""
        found = [(step, time) for step, (time, names) in self._left.items() if names]
        self._left = {}
        if not found:
            return None
        steps, times = zip(*found, strict=True)
        ones = np.ones((len(steps), 1), np.float32)
        return FrameBlock(
            ("",), np.array(steps, np.int64), np.array(times), {LOSS_OF_ANOTHER: ones}
        )
