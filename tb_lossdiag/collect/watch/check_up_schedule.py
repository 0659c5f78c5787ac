"""When the costlier things are looked at: often at first, then ever more seldom."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

from tb_lossdiag.collect.state.environments import Environments

_SHARE = 0.005
"""Part of the training's time that check-ups may take once the first few are done."""
_VALIDATIONS = (2, 3, 5, 9, 17)
"""Validations after so many others whose next step is looked at on top of the others: what is called there alone is seen over a stretch."""
_FIRST = 10
"""Check-ups that need not keep to that, those after a validation not counted: the first steps say most."""
_FREE, _EARLY = 0.5, 0.1
"""Seconds that these may take in all, and the part of the time that is theirs besides. All ten of most models cost less."""
_BUSY = 4
"""How many times longer the processor takes where others fill its caches: what it took for small models must not decide."""
_PIECE = 2.5e-4
"""Seconds that a module or a parameter adds to a check-up, about. What a check-up costs is not known before steps without one have passed,
and its first step is no measure: a loop loads its data then, and torch its libraries. What the others took of the processor counts where it
is more than that, as with activations of gigabytes: the wall's clock would let a busy machine decide."""


@dataclass
class Schedule:
    """Steps at which check-ups happen: 0, 1, 2, 4, 8 … `longest`, then every `longest` steps.

    They never take more than a small share of the time, apart from the first few: where they would, some of these steps are left
    out, and later every second, fourth, eighth … of them is one. So the same training is looked at in the same steps, or in half
    of them, however busy the machine is. The first few of a model of very many or very large parts keep to a larger share.

    Attributes:
        longest: most steps between two, as long as they cost little.
        pieces: modules and parameters of the largest model.
    """

    longest: int = 512
    pieces: int = 0
    _begun: float = 0.0
    _next: int = 0
    _done: int = 0
    _stretch: int = 1
    _ended: float = 0.0
    _pause: float = 0.0
    _validated: tuple[int, ...] = ()
    _validations: int = 0
    _expected: int = -1
    _looks: int = 0
    _worked: float = 0.0
    _newest: float = 0.0

    def due(self, step: int, now: float) -> bool:
        """Whether the step that comes is one of them.

        Args:
            step: number of steps taken so far.
            now: seconds, on any clock that runs evenly.
        """
        if step == self._expected and self._expects_validation():
            return True
        if step < self._next:
            return False
        if not self._affordable(step, now):
            self._leave_out(step)
            return False
        if self._stretch > 1 and now >= self._ended + 2 * self._pause:
            self._stretch //= 2
        return True

    def _affordable(self, step: int, now: float) -> bool:
        if self._done - self._looks >= _FIRST or step >= self.longest:
            return now >= self._ended + self._pause
        if not self._done:
            self._begun = now
            return True
        share = _EARLY * (now - self._begun)
        parts = (self._done + 1) * self.pieces * _PIECE <= _FREE + share
        return parts and self._worked + self._newest <= _BUSY * _FREE + share

    def _leave_out(self, step: int) -> None:
        if step >= self.longest:
            self._stretch *= 2
        self._next = self._after(step)

    def validated(self, step: int) -> None:
        """The model was validated before this step; where it will be again is known from the second time on."""
        if self._validations < _VALIDATIONS[-1] and step not in self._validated:
            self._validated = (*self._validated, step)[-2:]
            self._validations += 1
            if len(self._validated) > 1:  # a distance
                self._expected = 2 * self._validated[1] - self._validated[0]

    def waits(self, step: int) -> bool:
        """Whether none can be due; cheaper to ask than `due`."""
        return step < self._next and step != self._expected

    def _expects_validation(self) -> bool:
        if self._validations not in _VALIDATIONS:
            return False
        self._looks += 1
        return True

    def done(self, step: int, cost: float, now: float, worked: float = 0.0) -> None:
        """One was done at this step, and cost that many seconds, so many of them of the processor."""
        if self._done:
            self._newest = worked
            self._worked += worked
        self._done += 1
        self._next = self._after(step)
        self._ended, self._pause = now, cost / _SHARE

    def _after(self, step: int) -> int:
        """The next step that may be one: a power of two, or a multiple of the longest distance and of a power of two."""
        if step < self.longest:
            return min(1 << step.bit_length(), self.longest)
        distance = self.longest * self._stretch
        return (step // distance + 1) * distance


class Rounds:
    """Check-ups of several watched models happen together: then each loss call can be told to belong to one of them.

    The first model's steps decide when; the others follow at their next step.

    Attributes:
        schedule: when.
        leader: the examiner whose steps decide; it is not kept alive, since an unclosed writer's end waits for its model's.
        count: check-ups so far.
        taken: steps that the leader has taken.
        members: models that have been watched.
        environments: looks for what the training acts in.
    """

    def __init__(self) -> None:
        """No check-up yet."""
        self.schedule = Schedule()
        self._leader: weakref.ref[object] | None = None
        self.count = self.taken = self.members = 0
        self.environments = Environments()

    @property
    def leader(self) -> object:
        """The examiner whose steps decide, None without."""
        return None if self._leader is None else self._leader()

    @leader.setter
    def leader(self, examiner: object) -> None:
        self._leader = None if examiner is None else weakref.ref(examiner)
