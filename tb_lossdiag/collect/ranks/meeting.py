"""Brings all ranks to one step, from which on they count together; waiting for each other costs a second at most, altogether."""

from __future__ import annotations

import time

from tb_lossdiag.collect.ranks.step_sums import ROUND
from tb_lossdiag.collect.ranks.store import PATIENCE, RankStore, listed

_SHARE = 0.6
"""Of the patience that is left, what an attempt may take: a rank that comes late only postpones, one that never comes costs little."""
_YES, _LATER, _NO = b"yes", b"later", b"no"


class Meeting:
    """Ranks meet in the optimizer's hook after step 1, 16, 64, 256 … of their own count.

    In a step, sharded ranks need each other: all of them stand in that hook at once only if it is the same step for all. So who
    meets has counted alike.

    Args:
        board: what the ranks share.
        signature: what they must have in common.

    Attributes:
        over: whether they will never meet: they watch different models.
        reason: why they have not met the last time.
        unwritten: whether it is rank 0 that does not watch, so that nobody writes.
    """

    def __init__(self, board: RankStore, signature: bytes) -> None:
        self._board = board
        self._left, self._next = PATIENCE, 1
        self.over = self.unwritten = False
        self.reason = ""
        board.post("watches", signature)

    def within(self, steps: int) -> bool:
        """Whether ranks may meet before a round ends that begins after so many steps."""
        return not self.over and self._next <= steps - steps % ROUND + ROUND

    def due(self, steps: int) -> bool:
        """Whether ranks meet after so many steps."""
        return not self.over and steps == self._next

    def met(self) -> bool:
        """Whether all ranks are in the hook of the step that was due; the same on every rank."""
        topic = f"meet/{self._next}"
        self._next = max(ROUND, 4 * self._next)
        begin = time.monotonic()
        verdict = self._verdict(topic, _SHARE * self._left)
        self._left = max(self._left - (time.monotonic() - begin), 0.0)
        if verdict == _NO:
            self.over, self.reason = True, "not every rank watches the same model"
        return verdict == _YES

    def _verdict(self, topic: str, patience: float) -> bytes:
        """Rank 0 decides, unless another rank loses patience first."""
        end = time.monotonic() + patience
        self._board.post(topic, b"here")
        if self._board.rank == 0:
            self._board.decide(topic, self._judged(topic, end))
        elif self._board.verdict(topic, patience) is None:
            self._board.decide(topic, _LATER)
        verdict = self._board.verdict(topic, PATIENCE) or _LATER
        if verdict == _LATER:
            self._note(topic)
        return verdict

    def _judged(self, topic: str, end: float) -> bytes:
        for asked in ("watches", topic):
            words = self._board.words(asked, max(end - time.monotonic(), 0.0))
            if words is None:
                return _LATER
            if len(set(words)) > 1:
                return _NO
        return _YES

    def _note(self, topic: str) -> None:
        """Who was waited for: those that do not watch, if there are any."""
        absent = self._board.missing("watches")
        self.unwritten = 0 in absent
        late = absent or self._board.missing(topic)
        advice = ": call watch on every rank" if absent else ""
        self.reason = f"waited for {listed(late) if late else 'a rank that came too late'}{advice}"
