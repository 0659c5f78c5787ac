"""One count of steps out of the numbers that users give, which may begin again each epoch, or fall because a checkpoint was loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class _Line:
    """The numbers of one kind of call.

    Attributes:
        newest: step of the last call, in the one count.
        first: the user's number with which they began.
        offset: from the user's numbers to the one count.
        main_offset: what the training's offset was then.
    """

    newest: int = -1
    first: int = -1
    offset: int = 0
    main_offset: int = 0


class Numbering:
    """Puts every call of `add_diagnostics` at a step of one count.

    A number that falls means one of two things. Where a checkpoint was loaded, the training went back, and what came after it was
    undone: the number counts as it is. Where none was, or the numbers fall to where they began, they only begin again, as with one
    count per epoch: the count goes on, so that everything is shown, and that is said.

    Args:
        said: is told of the step and the user's number whenever numbers begin again.
    """

    def __init__(self, said: Callable[[int, int], None]) -> None:
        self._said = said
        self._training = _Line()
        self._beside: dict[str, _Line] = {}

    @property
    def begun(self) -> bool:
        """Whether the training has a number."""
        return self._training.first >= 0

    def training(self, step: int, *, loaded: bool | None, coming: int) -> int:
        """The step of a call of the training.

        Args:
            step: as the user says.
            loaded: whether a checkpoint was loaded since the last call; None if that cannot be told.
            coming: what the step is by the count of the optimizer's steps, 0 without.
        """
        line = self._training
        if line.first < 0:
            line.first = step
        at = step + line.offset
        if at < line.newest:
            if not loaded and (step <= line.first or loaded is not None):
                at = max(line.newest + 1, coming)
                line.first, line.offset = step, at - step
                self._said(at, step)
            else:
                self._went_back(at)
        line.newest = at
        return at

    def beside(self, kind: str, step: int) -> int:
        """The step of a call beside the training: a validation, numbers of the user's own."""
        main, line = self._training, self._beside.setdefault(kind, _Line())
        if line.first < 0:
            line.first = step
        if line.main_offset != main.offset:  # it may count like the training, or on its own
            ahead = step + main.offset > main.newest + 1
            line.offset = line.offset if ahead else main.offset
            line.main_offset = main.offset
        at = step + line.offset
        if at < line.newest and step <= line.first:
            at = max(main.newest, line.newest + 1)
            line.offset = at - step
            if not self.begun:
                self._said(at, step)
        line.newest = at
        return at

    def _went_back(self, step: int) -> None:
        for line in self._beside.values():
            line.newest = min(line.newest, step - 1)
