"""Rows of a model whose parameters are spread over ranks (FSDP2's `fully_shard`, DTensors): one reduction for many steps.

Each rank keeps sums of squares of the parts it answers for. Every `_SLOTS` steps all ranks begin to add them up, in the optimizer's hook
and so after the same step on every rank, and nowhere else; the sum is taken when it is there. What is left when the writer closes goes
through the ranks' store.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from tb_lossdiag.collect.counter import Rename
from tb_lossdiag.collect.ledger import Clips
from tb_lossdiag.collect.ranks import Board
from tb_lossdiag.collect.reduction import Reduction
from tb_lossdiag.collect.rows import Row, Rows, renamed
from tb_lossdiag.collect.sample import Sample
from tb_lossdiag.quantities import PARAMETER_NORM, UPDATE_NORM, Quantity
from tb_lossdiag.records import Doubles, Floats, Record
from tb_lossdiag.sheet import Block

_SLOTS = 16
"""Steps between two reductions."""
_GRACE = 1.0
"""Seconds that a reduction on its way may still take when nobody is to wait: healthy ranks take milliseconds."""
_PLACES = {PARAMETER_NORM: 1, UPDATE_NORM: 2}
"""Where these stand in a step's slot, after the gradients."""


@dataclass
class _Step:
    """What waits for the other ranks.

    Attributes:
        row: what the host knows of the step.
        also: columns of which there is another quantity.
        clips: its clips.
        held: columns of each clip.
        squares: float64[3, C + 1] of all ranks once they have added up; the last column counts them.
    """

    row: Row
    also: dict[Quantity, Sequence[int]] = field(default_factory=dict)
    clips: Clips | None = None
    held: list[list[int]] = field(default_factory=list)
    squares: Doubles = field(default_factory=lambda: np.zeros((0, 0)))


@dataclass
class ShardedRows(Rows):
    """Rows whose norms are known once all ranks have added up theirs.

    Attributes:
        board: what the ranks share; None: there is only one.
        reduction: adds up; None: there is only one rank.
        ids: of the C parameters.
        mine: float32[C], 1 where this rank's part of a column counts, 0 where another's does.
    """

    board: Board | None = None
    reduction: Reduction | None = None
    ids: Sequence[int] = ()
    mine: Tensor = field(default_factory=lambda: torch.zeros(0))
    _buffer: Tensor | None = None
    _slot: int = 0
    _round: int = 0
    _filled: dict[int, _Step] = field(default_factory=dict)
    _flying: dict[int, _Step] = field(default_factory=dict)
    _ready: list[_Step] = field(default_factory=list)
    _apart: list[tuple[int, float, list[Record]]] = field(default_factory=list)

    @property
    def sees(self) -> bool:
        """Whether gradients are measured."""
        return len(self.mine) > 0

    @property
    def full(self) -> bool:
        """Whether steps are ready to be taken."""
        return bool(self._ready)

    @property
    def pending(self) -> int | None:
        """The oldest step that waits for the other ranks."""
        return min((step.row.step for step in self._waiting()), default=None)

    def put(self, norms: Tensor, row: Row) -> None:
        """Take this rank's norms float[n] of a step's gradients."""
        if not self.sees:
            return
        where = range(len(self.columns)) if row.where is None else row.where.tolist()
        self._fill(0, where, norms)
        self._filled[self._slot] = _Step(row)

    def also(self, quantity: Quantity, where: Sequence[int], norms: Tensor) -> None:
        """Take this rank's `PARAMETER_NORM` or `UPDATE_NORM` of the step that was put last, of some columns."""
        if self._slot in self._filled:
            self._fill(_PLACES[quantity], where, norms)
            self._filled[self._slot].also[quantity] = where

    def clipped(self, clips: Clips) -> Sample | None:
        """Take the clips of the step that was put last: their norms too are known when all ranks have added up."""
        if (step := self._filled.get(self._slot)) is None:
            return super().clipped(clips)
        places = {number: index for index, number in enumerate(self.ids)}
        step.clips = clips
        step.held = [[places[i] for i in c.held if i in places] for c in clips.calls.values()]
        return None

    def tick(self) -> None:
        """A step has ended, on every rank: once in so many, begin to add up what all have.

        Raises:
            RuntimeError: the other ranks do not add up; nothing more is measured.
        """
        if not self.sees:
            return
        self._slot += 1
        try:
            full = self._slot >= _SLOTS
            self._land(
                _GRACE if full else 0.0
            )  # short steps on a busy machine outrun the reduction
            if full:
                self._launch()
        except RuntimeError:
            self._give_up()
            raise

    def end(self, patience: float) -> None:
        """No more steps come: hand over this rank's rest, and take the others' if they come within so many seconds."""
        with contextlib.suppress(
            RuntimeError
        ):  # a rank is gone: what it should have added is left out
            self._land(max(patience, _GRACE))
            if not self._flying and self._filled and self._buffer is not None:
                self._rest(self._buffer[: self._slot].cpu().numpy(), patience)

    def reset(self, columns: tuple[str, ...]) -> None:
        """Other parameters than the ranks agreed on: stop measuring."""
        super().reset(columns)
        self._give_up()

    def close(self) -> None:
        """Stop adding up."""
        if self.reduction is not None:
            self.reduction.close()
        self.mine, self.reduction = torch.zeros(0), None

    def rename(self, rename: Rename) -> dict[int, int]:
        """Give the newest steps other numbers; by the numbers they had."""
        return renamed([one.row for one in (*self._ready, *self._waiting())], rename)

    def take(self) -> Iterator[Block]:
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

    def apart(self) -> list[tuple[int, float, list[Record]]]:
        """What the steps taken have beside their norms, once."""
        apart, self._apart = self._apart, []
        return apart

    def _records(self, one: _Step) -> list[Record]:
        found = [self._sparse(one, quantity, where) for quantity, where in one.also.items()]
        totals = [np.sqrt(one.squares[0, held].sum()) for held in one.held]
        return found if one.clips is None else found + one.clips.with_norms(totals)

    def _sparse(self, one: _Step, quantity: Quantity, where: Sequence[int]) -> Record:
        row: Floats = np.full(len(self.columns), np.nan, np.float32)
        kind = one.squares[_PLACES[quantity]]
        if kind[-1] == one.squares[0, -1]:
            row[list(where)] = np.sqrt(kind[list(where)])
        return Record(quantity, self.columns, row)

    def _fill(self, kind: int, where: Sequence[int], norms: Tensor) -> None:
        if self._buffer is None:
            self._buffer = _empty(self.columns).to(norms.device)
        columns = torch.as_tensor(list(where), device=norms.device)
        square = norms.detach().double().square()
        mine = self.mine.to(norms.device)[columns] > 0
        self._buffer[self._slot, kind, columns] = torch.where(mine, square, 0.0)
        self._buffer[self._slot, kind, -1] = 1.0

    def _waiting(self) -> list[_Step]:
        return [*self._flying.values(), *self._filled.values()]

    def _launch(self) -> None:
        """All slots are full, on every rank."""
        if self._flying:
            raise RuntimeError(f"{_SLOTS} steps later, the other ranks have not added up norms")
        squares = _empty(self.columns) if self._buffer is None else self._buffer.cpu()
        self._flying, self._filled = self._filled, {}
        self._buffer, self._slot, self._round = None, 0, self._round + 1
        if self.reduction is None:
            self._settle(squares.numpy())
        else:
            self.reduction.start(squares)

    def _rest(self, squares: Doubles, patience: float) -> None:
        """Add up what no reduction will take any more."""
        if self.board is not None:
            topic = f"rest/{self._round}/{self._slot}"
            self.board.post(topic, squares.tobytes())
            if self.board.rank or (words := self.board.words(topic, patience)) is None:
                return
            squares = np.sum([np.frombuffer(w).reshape(squares.shape) for w in words], axis=0)
        self._flying, self._filled = self._filled, {}
        self._settle(squares)

    def _land(self, patience: float) -> None:
        squares = None if self.reduction is None else self.reduction.result(patience)
        if squares is not None:
            self._settle(squares.numpy())

    def _settle(self, squares: Doubles) -> None:
        """The sums are there; a step that a rank had nothing to say of is left out."""
        ranks = 1 if self.board is None else self.board.size
        for slot, step in self._flying.items():
            if squares[slot, 0, -1] == ranks:
                step.squares = squares[slot].copy()
                self._ready.append(step)
        self._flying = {}

    def _give_up(self) -> None:
        self._filled, self._flying, self._buffer = {}, {}, None
        self.mine = torch.zeros(0)


def _empty(columns: Sequence[str]) -> Tensor:
    return torch.zeros((_SLOTS, 1 + len(_PLACES), len(columns) + 1), dtype=torch.float64)
