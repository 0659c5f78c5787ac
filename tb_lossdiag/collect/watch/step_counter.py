"""Which step an optimizer step is, by the numbers the user gives, in whatever order the two come."""

from __future__ import annotations

from tb_lossdiag.collect.buffers.rename import Rename


class StepCounter:
    """Counts optimizer steps, and follows the user's own numbers where `add_diagnostics` names them.

    A number given while new gradients wait names the step to come; given after a step, it names that one. Steps nobody named count
    on from the last. Where more steps are taken than numbers are given (a critic that steps five times an iteration), those of one
    number share it. Steps before the first name count up to it.

    Args:
        first: the first step, unless it is named.

    Attributes:
        last: the newest step.
        begun: whether one was taken.
        named: whether the user has ever named a step.
        coming: the number of the step to come, if it is named.
    """

    def __init__(self, first: int = 0) -> None:
        self.last = first - 1
        self.begun = self.named = False
        self._first = first
        self.coming: int | None = None
        self._previous: int | None = None
        self._since = 0
        self._shared = False

    def take(self) -> int:
        """The number of the step that has just been taken."""
        if self.coming is not None:
            self.last, self.coming = self.coming, None
        elif not (self._shared and self.begun):
            self.last += 1
        self.begun = True
        self._since += 1
        return self.last

    def missed(self, steps: int) -> None:
        """So many steps were taken without `take`, because counting failed, before the one that has just been taken."""
        if self.coming is None and not self._shared:
            self.last += steps

    def skipped(self) -> None:
        """A step that nobody names was not taken, but is over: its gradients overflowed."""
        if not self.named:
            self.last += 1
            self.begun = True

    @property
    def shared(self) -> bool:
        """Whether several steps have one number."""
        return self._shared

    @property
    def provisional(self) -> bool:
        """Whether the newest steps wait for the number that they share."""
        return self._shared and self._since > 0

    def now(self, *, fresh: bool) -> int:
        """The step that is going on, or has just ended while no new gradient has come.

        Args:
            fresh: whether gradients have come since the last step.
        """
        if not fresh and self.begun:
            return self.last
        return self.last + 1 if self.coming is None else self.coming

    def name(self, step: int, *, fresh: bool) -> Rename | None:
        """The user says which step it is.

        Args:
            step: the number.
            fresh: whether gradients have come since the last step.

        Returns:
            What to call steps that have been counted already, None if they keep their numbers.
        """
        since, previous = self._since, self._previous
        self._since, self._previous, self.named = 0, step, True
        if since == 0:
            self.coming = step
            return None
        if previous is None and not self._first <= step <= self.last:
            return self._count_up_to(step, since, fresh=fresh)
        if step == self.last:
            return None
        if not fresh:
            self._shared |= since > 1 and step < self.last
            self.last = step
            return Rename(since if self._shared else 1, step)
        self.coming = step
        if since > 1 and previous is not None and previous <= step <= self.last:
            self._shared, self.last = True, previous
            return Rename(since, previous)
        return None

    def _count_up_to(self, step: int, since: int, *, fresh: bool) -> Rename | None:
        """The first name, given when steps have been taken: the one to come or the newest of them has it, they count up to it."""
        last = step - fresh
        if fresh:
            self.coming = step
        if last == self.last or last < since - 1:
            return None
        self.last = last
        return Rename(since, last, apart=since > 1)
