"""Rows of a model whose parameters are spread over ranks (FSDP2's `fully_shard`, DTensors): one reduction for many steps.

Each rank keeps sums of squares of the parts it answers for. Every `_SLOTS` steps all ranks add them up, in the optimizer's hook and so at
the same step on every rank, and nowhere else: a flush that only rank 0 asks for waits for nobody. What is left when the writer closes
goes through the ranks' store.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn

from tb_lossdiag.collect.parameters import Parameters, is_distributed
from tb_lossdiag.collect.ranks import Board, world
from tb_lossdiag.collect.rows import Row, Rows
from tb_lossdiag.collect.spread import fingerprint
from tb_lossdiag.quantities import PARAMETER_NORM, UPDATE_NORM, Quantity
from tb_lossdiag.records import Doubles, Floats, Record
from tb_lossdiag.sheet import Block

_SLOTS = 16
"""Steps between two reductions."""
_LONGEST = timedelta(seconds=60)
"""How long a reduction may take before recording gives up; training goes on."""
_PLACES = {PARAMETER_NORM: 1, UPDATE_NORM: 2}
"""Where these stand in a step's slot, after the gradients."""

Say = Callable[[dict[str, str]], None]
_Where = dict[Quantity, Sequence[int]]


@dataclass
class BlindRows(Rows):
    """Rows without norms: what one rank could measure would be wrong."""

    @property
    def sees(self) -> bool:
        """Whether gradients are measured."""
        return False


@dataclass
class ShardedRows(Rows):
    """Rows whose norms are known once all ranks have added up theirs.

    Attributes:
        board: what the ranks share; None: there is only one.
        group: the process group of the reduction, on the host; None: there is only one rank.
        mine: float32[C], 1 where this rank's part of a column counts, 0 where another's does.
    """

    board: Board | None = None
    group: Any = None
    mine: Tensor = field(default_factory=lambda: torch.zeros(0))
    _buffer: Tensor | None = None
    _slot: int = 0
    _round: int = 0
    _filled: list[tuple[int, Row]] = field(default_factory=list)
    _extra: dict[int, _Where] = field(default_factory=dict)
    _ready: list[tuple[Row, Doubles, _Where]] = field(default_factory=list)
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
        return min((row.step for _, row in self._filled), default=None)

    def put(self, norms: Tensor, row: Row) -> None:
        """Take this rank's norms float[n] of a step's gradients."""
        if not self.sees:
            return
        self._fill(0, range(len(self.columns)) if row.where is None else row.where, norms)
        self._filled.append((self._slot, row))

    def also(self, quantity: Quantity, where: Sequence[int], norms: Tensor) -> None:
        """Take this rank's `PARAMETER_NORM` or `UPDATE_NORM` of the step that was put last, of some columns."""
        if self.sees:
            self._fill(_PLACES[quantity], where, norms)
            self._extra.setdefault(self._slot, {})[quantity] = where

    def tick(self) -> None:
        """A step has ended, on every rank: once in so many, add up what all have."""
        if not self.sees:
            return
        self._slot += 1
        if self._slot < _SLOTS or self._buffer is None:
            return
        squares = self._buffer.cpu()
        if self.group is not None:
            distributed.all_reduce(squares, group=self.group)
        self._settle(squares.numpy())

    def end(self, patience: float) -> None:
        """No more steps come: hand over this rank's rest, and take the others' if they come within so many seconds."""
        filled = self._slot
        if not self._filled or self._buffer is None:
            return
        squares = self._buffer[:filled].cpu().numpy()
        if self.board is not None:
            topic = f"rest/{self._round}/{filled}"
            self.board.post(topic, squares.tobytes())
            if self.board.rank:
                return
            words = self.board.words(topic, patience)
            if words is None:
                return
            squares = np.sum([np.frombuffer(word).reshape(squares.shape) for word in words], axis=0)
        self._settle(squares)

    def reset(self, columns: tuple[str, ...]) -> None:
        """Other parameters than the ranks agreed on: stop measuring."""
        super().reset(columns)
        self._buffer = None
        self.mine = torch.zeros(0)
        self._filled, self._extra = [], {}

    def rename(self, count: int, step: int) -> set[int]:
        """Give the newest steps another number; the numbers they had."""
        rows = [row for row, _, _ in self._ready] + [row for _, row in self._filled]
        some = rows[max(len(rows) - count, 0) :]
        old = {row.step for row in some}
        for row in some:
            row.step = step
        return old

    def take(self) -> Iterator[Block]:
        """The steps that all ranks have added up, as blocks."""
        ready, self._ready = self._ready, []
        if not ready:
            return
        rows = [row for row, _, _ in ready]
        norms = np.sqrt(np.stack([squares for _, squares, _ in ready])).astype(np.float32)
        compact: Floats = np.full((len(rows), len(self.columns)), np.nan, np.float32)
        for index, row in enumerate(rows):
            own = norms[index, 0] if row.where is None else norms[index, 0, row.where]
            compact[index, : len(own)] = own
        yield from self.blocks(rows, compact)
        for (row, _, also), values in zip(ready, norms, strict=True):
            found = [self._sparse(quantity, where, values) for quantity, where in also.items()]
            if found:
                self._apart.append((row.step, row.walltime, found))

    def apart(self) -> list[tuple[int, float, list[Record]]]:
        """What the steps taken have beside their norms, once."""
        apart, self._apart = self._apart, []
        return apart

    def _sparse(self, quantity: Quantity, where: Sequence[int], values: Floats) -> Record:
        row: Floats = np.full(len(self.columns), np.nan, np.float32)
        row[list(where)] = values[_PLACES[quantity]][list(where)]
        return Record(quantity, self.columns, row)

    def _fill(self, kind: int, where: Any, norms: Tensor) -> None:
        if self._buffer is None:
            shape = (_SLOTS, 1 + len(_PLACES), len(self.columns))
            self._buffer = torch.zeros(shape, dtype=torch.float64, device=norms.device)
        columns = torch.as_tensor(list(where), device=norms.device)
        square = norms.detach().double().square()
        mine = self.mine.to(norms.device)[columns] > 0
        self._buffer[self._slot, kind, columns] = torch.where(mine, square, 0.0)

    def _settle(self, squares: Doubles) -> None:
        self._ready += [
            (row, squares[slot].copy(), self._extra.get(slot, {})) for slot, row in self._filled
        ]
        self._filled, self._extra = [], {}
        self._slot, self._round = 0, self._round + 1
        if self._buffer is not None:
            self._buffer.zero_()


def rows_for(name: str, parameters: Parameters, model: nn.Module, every: int, say: Say) -> Rows:
    """Where the steps of a watched model wait: how depends on how its parameters are spread over ranks.

    Waits some seconds for the other ranks, where there is something to agree on.
    """
    columns = parameters.names
    if _flat(model) or any(hasattr(p, "ds_id") for p in parameters.tensors):
        return _blind(name, columns, say, "sharded by FSDP1 or ZeRO-3: use fully_shard")
    if not any(map(is_distributed, parameters.tensors)):
        return Rows(name, columns)
    if reason := _hindrance(parameters):
        return _blind(name, columns, say, reason)
    board, group = Board.of_group(), None
    if board is not None:
        layouts = [getattr(p, "placements", None) for p in parameters.tensors]
        if not board.agree(fingerprint(parameters, layouts, every)):
            return _blind(name, columns, say, "not every rank watches the same model")
        group = distributed.new_group(backend="gloo", timeout=_LONGEST)
    answers = [float(is_distributed(p) or not (board and board.rank)) for p in parameters.tensors]
    return ShardedRows(name, columns, board=board, group=group, mine=torch.tensor(answers))


def _hindrance(parameters: Parameters) -> str:
    """Why sharded parameters cannot be measured, "" if they can."""
    meshes = [p.device_mesh for p in parameters.tensors if is_distributed(p)]  # type: ignore[attr-defined]
    if any(mesh.size() != world() for mesh in meshes):
        return "spread over a part of the ranks only"
    if not distributed.is_gloo_available():
        return "the ranks cannot add up on the host: this torch has no gloo"
    return ""


def _blind(name: str, columns: tuple[str, ...], say: Say, reason: str) -> BlindRows:
    say({"norms": f"not recorded, sharded model: {reason}"})
    return BlindRows(name, columns)


def _flat(model: nn.Module) -> bool:
    return any(type(m).__name__ == "FullyShardedDataParallel" for m in model.modules())


def release(rows: Rows) -> None:
    """Give a reduction's process group back."""
    if isinstance(rows, ShardedRows) and rows.group is not None:
        with contextlib.suppress(RuntimeError, ValueError, AssertionError):
            distributed.destroy_process_group(rows.group)
        rows.group = None
