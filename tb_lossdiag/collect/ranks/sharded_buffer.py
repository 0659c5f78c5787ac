"""Rows of a model whose parameters are spread over ranks (FSDP2's `fully_shard`, DTensors): one reduction for many steps.

Each rank keeps sums of squares of the parts it answers for. Once all ranks have met, they begin to add them up every `ROUND` steps, in
the optimizer's hook and so after the same step on every rank, and nowhere else; a sum is taken when it is there. What is left when the
writer closes goes through the ranks' store. Steps that cannot be added up are handed on without norms.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer, StepInfo, renamed
from tb_lossdiag.collect.buffers.rename import Rename
from tb_lossdiag.collect.clips.ledger import ClipBatch
from tb_lossdiag.collect.ranks.agreement import Together
from tb_lossdiag.collect.ranks.step_sums import PLACES, ROUND, Slots, apart, givers, nothing
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Floats, FrameBlock, Record

_NOWHERE = np.zeros(0, np.int64)
"""The columns that had a gradient, where nothing can be said of any."""


@dataclass
class _Step:
    """What waits for the other ranks.

    Attributes:
        row: what the host knows of the step.
        also: columns of which there is another quantity.
        clips: its clips.
        held: columns of each clip.
        squares: float64[3, C + 2] of all ranks once they have added up.
    """

    row: StepInfo
    also: dict[Quantity, Sequence[int]] = field(default_factory=dict)
    clips: ClipBatch | None = None
    held: list[list[int]] = field(default_factory=list)
    squares: Doubles = field(default_factory=lambda: nothing(0))


@dataclass
class ShardedNormBuffer(NormBuffer):
    """Rows whose norms are known once all ranks have added up theirs.

    Attributes:
        together: adds up what all ranks have.
        ids: of the C parameters.
        slots: the sums of the round that goes on.
    """

    together: Together = field(kw_only=True)
    ids: Sequence[int] = field(kw_only=True)
    slots: Slots = field(kw_only=True)
    _ticks: int = 0
    _filled: dict[int, _Step] = field(default_factory=dict)
    _flying: deque[dict[int, _Step]] = field(default_factory=deque)
    _ready: list[_Step] = field(default_factory=list)
    _apart: list[tuple[int, float, list[Record]]] = field(default_factory=list)

    @property
    def measures(self) -> bool:
        """Whether gradients are measured."""
        return self.together.within(self._ticks)

    @property
    def full(self) -> bool:
        """Whether steps are ready to be taken."""
        return bool(self._ready)

    @property
    def pending(self) -> int | None:
        """The oldest step that waits for the other ranks."""
        return min((step.row.step for step in self._waiting()), default=None)

    @property
    def _slot(self) -> int:
        return self._ticks % ROUND

    def put(self, norms: Tensor, row: StepInfo) -> None:
        """Take this rank's norms float[n] of a step's gradients."""
        if not self.measures:
            self._blind([_Step(row)])
            return
        where = range(len(self.columns)) if row.where is None else row.where.tolist()
        self.slots.fill(self._slot, 0, where, norms)
        self._filled[self._slot] = _Step(row)

    def also(self, quantity: Quantity, where: Sequence[int], norms: Tensor) -> None:
        """Take this rank's `PARAMETER_NORM` or `UPDATE_NORM` of the step that was put last, of some columns."""
        if self._slot in self._filled:
            self.slots.fill(self._slot, PLACES[quantity], where, norms)
            self._filled[self._slot].also[quantity] = where

    def clipped(self, clips: ClipBatch) -> ClipBatch | None:
        """Take the clips of the step that was put last: their norms too are known when all ranks have added up."""
        if (step := self._filled.get(self._slot)) is None:
            return super().clipped(clips)
        places = {number: index for index, number in enumerate(self.ids)}
        step.clips = clips
        step.held = [[places[i] for i in c.held if i in places] for c in clips.calls.values()]
        return None

    def step_ended(self) -> None:
        """A step has ended, on every rank: once in so many, begin to add up what all have.

        Raises:
            RuntimeError: the other ranks do not add up; nothing more is measured.
        """
        self._ticks += 1
        if self.together.off:
            return
        try:
            joined = self.together.joined(self._ticks, self.slots.arrived)
            self._land()
            if self._slot == 0:
                self._launch() if joined else self._skip()
        except RuntimeError:
            self._give_up()
            raise

    def end(self, patience: float) -> None:
        """No more steps come: hand over this rank's rest, and take the others' if they come within so many seconds."""
        end = time.monotonic() + patience
        with contextlib.suppress(RuntimeError):  # a rank is gone: its part is left out
            self._land(patience)
            if self._filled and not self._flying:
                self._rest(max(end - time.monotonic(), 0.0))
        self._skip()

    def reset(self, columns: tuple[str, ...]) -> None:
        """Other parameters than the ranks agreed on: stop measuring."""
        super().reset(columns)
        self._give_up()

    def close(self) -> None:
        """Stop adding up."""
        self.together.close()

    def rename(self, rename: Rename) -> dict[int, int]:
        """Give the newest steps other numbers; by the numbers they had."""
        return renamed([one.row for one in (*self._ready, *self._waiting())], rename)

    def take(self) -> Iterator[FrameBlock]:
        """The steps that all ranks have added up, as blocks."""
        ready, self._ready = self._ready, []
        if not ready:
            return
        rows = [one.row for one in ready]
        width = len(self.columns)
        compact: Floats = np.full((len(rows), width), np.nan, np.float32)
        for index, one in enumerate(ready):
            norms = np.sqrt(one.squares[0, :width])
            own = norms if one.row.where is None else norms[one.row.where]
            compact[index, : len(own)] = own
            if records := self._records(one):
                self._apart.append((one.row.step, one.row.walltime, records))
        yield from self.blocks(rows, compact)

    def late_records(self) -> list[tuple[int, float, list[Record]]]:
        """What the steps taken have beside their norms, once."""
        found, self._apart = self._apart, []
        return found

    def _records(self, one: _Step) -> list[Record]:
        found = [self._sparse(one, quantity, where) for quantity, where in one.also.items()]
        totals = [np.sqrt(one.squares[0, held].sum()) for held in one.held]
        return found if one.clips is None else found + one.clips.with_norms(totals)

    def _sparse(self, one: _Step, quantity: Quantity, where: Sequence[int]) -> Record:
        row: Floats = np.full(len(self.columns), np.nan, np.float32)
        kind = PLACES[quantity]
        if givers(one.squares, kind) == givers(one.squares):
            row[list(where)] = np.sqrt(one.squares[kind, list(where)])
        return Record(quantity, self.columns, row)

    def _waiting(self) -> list[_Step]:
        return [step for some in (*self._flying, self._filled) for step in some.values()]

    # --- with the other ranks ----------------------------------------------------------------------------------------

    def _take(self) -> Tensor:
        return self.slots.take({slot: step.row for slot, step in self._filled.items()})

    def _launch(self) -> None:
        """A round is full, on every rank."""
        if self.together.late(len(self._flying)):
            self._land(self.together.grace)
        self.together.start(self._take(), len(self._flying))
        self._flying.append(self._filled)
        self._filled = {}
        self._land()

    def _land(self, patience: float = 0.0) -> None:
        """Take the sums that are there, oldest first; the first may take so many seconds."""
        while self._flying and (squares := self.together.result(patience)) is not None:
            self._settle(self._flying.popleft(), squares)

    def _rest(self, patience: float) -> None:
        """Add up what no reduction will take any more."""
        count = len(self._filled)
        squares = self.together.rest(self._ticks, self._take().numpy(), count, patience)
        if squares is not None:
            some, self._filled = self._filled, {}
            self._settle(some, squares)

    def _settle(self, steps: Mapping[int, _Step], squares: Doubles) -> None:
        """The sums of a round are there; what not all ranks gave, or not of the same step, is no norm."""
        for slot, step in steps.items():
            if apart(squares[slot]):
                self.together.parted(step.row.step)
                self._blind([step])
            elif givers(squares[slot]) != self.together.size:
                self._blind([step])
            else:
                step.squares = squares[slot].copy()
                self._ready.append(step)

    def _blind(self, steps: Sequence[_Step]) -> None:
        """Hand steps on without norms."""
        for one in steps:
            one.row.where, one.row.broken = _NOWHERE, None
            self._ready.append(_Step(one.row, squares=nothing(len(self.columns))))

    def _skip(self) -> None:
        """Nobody will add up what waits."""
        self._blind(self._waiting())
        self._filled = {}
        self._flying.clear()
        self.slots.take({})

    def _give_up(self) -> None:
        self._skip()
        self.close()
