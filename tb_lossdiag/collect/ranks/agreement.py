"""What the ranks of a sharded model have in common: from where on they add up, their sums, and what became of a rank that parted."""

from __future__ import annotations

import contextlib
import struct
from collections import deque
from collections.abc import Callable

import numpy as np
from torch import Tensor

from tb_lossdiag.collect.ranks.meeting import Meeting
from tb_lossdiag.collect.ranks.step_sums import ROUND
from tb_lossdiag.collect.ranks.store import RankStore, listed, tell
from tb_lossdiag.collect.ranks.sum import BackgroundSum
from tb_lossdiag.records import Doubles

Say = Callable[[dict[str, str]], None]

_MOST = 8
"""Rounds that may be on their way: short steps on a busy machine outrun the sums."""
_HEAD = struct.Struct("<q")
"""The count of steps with which a rank ended."""


class Together:
    """Adds up what all ranks have.

    Args:
        say: takes facts.
        board: what the ranks share; None: there is only one.
        signature: what they must have in common.

    Attributes:
        size: number of ranks.
        off: whether nothing is added up any more.
        grace: seconds that a sum may take when too many are on their way.
    """

    grace = 1.0

    def __init__(self, say: Say, board: RankStore | None = None, signature: bytes = b"") -> None:
        self._say, self._board = say, board
        self._meeting = None if board is None else Meeting(board, signature)
        self._reduction: BackgroundSum | None = None
        self._own: deque[Doubles] = deque()
        self._told = self._ended = False
        self.size = 1 if board is None else board.size
        self.off = False

    def within(self, ticks: int) -> bool:
        """Whether the steps that come may be added up."""
        return not self.off and (self._meeting is None or self._meeting.within(ticks))

    def joined(self, ticks: int, arrived: Callable[[], None]) -> bool:
        """Whether all ranks add up; they begin to in the same step.

        Args:
            ticks: steps of this rank.
            arrived: waits for what this rank has computed, and so for the ranks' part in it.
        """
        if self._meeting is None:
            return True
        if not self._meeting.due(ticks):
            return False
        arrived()
        if self._meeting.met():
            self._meeting, self._reduction = None, BackgroundSum()
            if ticks > 1:
                self._fact(f"not recorded for the first {ticks - ROUND} steps: a rank came late")
            return True
        self._fact(f"not recorded, {self._meeting.reason}")
        if ticks > 1 or self._meeting.over:
            self._complain()
        return False

    def late(self, flying: int) -> bool:
        """Whether too many sums are on their way."""
        return flying >= _MOST

    def start(self, squares: Tensor, flying: int) -> None:
        """Begin to add up.

        Raises:
            RuntimeError: so many are on their way already.
        """
        if self._reduction is None:
            self._own.append(squares.numpy())
        elif self.late(flying):
            raise RuntimeError(f"{flying * ROUND} steps later, {self._who()} not added up norms")
        else:
            self._reduction.start(squares)

    def result(self, patience: float) -> Doubles | None:
        """The oldest sum if it comes within so many seconds, once.

        Raises:
            RuntimeError: a rank is gone.
        """
        if self._own:
            return self._own.popleft()
        try:
            found = None if self._reduction is None else self._reduction.result(patience)
        except RuntimeError as error:  # a broken connection names no rank
            raise RuntimeError(f"{self._who()} not added up norms") from error
        return None if found is None else found.numpy()

    def rest(self, ticks: int, squares: Doubles, steps: int, patience: float) -> Doubles | None:
        """Add up what no reduction will take any more: on rank 0, if the others end after as many steps.

        Args:
            ticks: steps of this rank.
            squares: its part of the last ones.
            steps: how many these are.
            patience: seconds the others may take.
        """
        if self._meeting is not None:
            self._complain()
            return None
        if self._board is None:
            return squares
        self._ended = True
        self._board.post("rest", _HEAD.pack(ticks) + squares.tobytes())
        if self._board.rank:
            return None
        words = self._board.words("rest", 0.0 if self._board.present("left") else patience)
        if words is None:
            away = listed(self._board.missing("rest"))
            self._fact(f"not recorded for the last {steps} steps, waited for {away}")
            return None
        if len({word[: _HEAD.size] for word in words}) > 1:
            if not self._told:
                self._fact(
                    f"not recorded for the last {steps} steps: ranks ended after other steps"
                )
            return None
        parts = [np.frombuffer(word[_HEAD.size :]).reshape(squares.shape) for word in words]
        total: Doubles = np.sum(parts, axis=0)
        return total

    def parted(self, step: int) -> None:
        """The ranks gave norms of different steps as those of one."""
        if not self._told:
            self._fact(f"not recorded since step {step}, the ranks are at different steps")
            self._tell(f"since step {step} the ranks are at different steps: norms are left out")

    def close(self) -> None:
        """Stop adding up; who waits for more is told that nothing comes."""
        if self._board is not None and not (self.off or self._ended):
            with contextlib.suppress(RuntimeError):  # the store may be gone
                self._board.post("left", b"left")
        if self._reduction is not None:
            self._reduction.close()
        self._reduction, self.off = None, True

    def _who(self) -> str:
        gone = [] if self._board is None else self._board.present("left")
        return f"{listed(gone)} left and has" if gone else "the other ranks have"

    def _fact(self, words: str) -> None:
        self._say({"norms": f"sharded model: {words}"})

    def _complain(self) -> None:
        """The ranks have not met."""
        assert self._meeting is not None  # noqa: S101  (asked before)
        if self._meeting.unwritten:
            self._tell("nothing is recorded: rank 0, which writes for all, has not called watch")
        else:
            self._tell(f"norms of the sharded model are not recorded: {self._meeting.reason}")

    def _tell(self, words: str) -> None:
        """A warning, once."""
        told, self._told = self._told, True
        if not told:
            tell(words)
