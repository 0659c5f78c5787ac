"""Rows of gradient norms that wait on their device: one per step, one transfer for many."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tb_lossdiag.collect.buffers.hold import Hold
from tb_lossdiag.collect.buffers.rename import Rename
from tb_lossdiag.collect.clips.ledger import ClipBatch
from tb_lossdiag.collect.state.rates import RATES, GroupRates, columns
from tb_lossdiag.collect.state.small_norms import Suspects
from tb_lossdiag.quantities import (
    GLOBAL_NORM,
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    NONFINITE_STEPS,
    OWN_SECONDS,
    STEP_SECONDS,
    STEPS,
    Quantity,
)
from tb_lossdiag.records import Doubles, Floats, FrameBlock, Record, Steps

ROWS = 64
"""Steps between two transfers, at most,"""
CALM_ROWS = 1024
"""and steps between two hand-overs where most are on the host already: what comes over together costs less. Of steps that take a
millisecond time decides."""


@dataclass
class StepInfo:
    """What the host knows of a step.

    Attributes:
        step: its number.
        walltime: when it ended, seconds since the epoch.
        seconds: how long a step took, NaN if unknown.
        own: the part that recording took, in seconds.
        where: columns that had a gradient, int64[n]; None for all of them.
        broken: non-finite elements of each of those, if they were counted.
        rates: learning rate and kin of each parameter group.
        steps: optimizer steps since the row before, this one included.
        named: whether the user names steps.
        scaled: columns that were measured scaled.
    """

    step: int
    walltime: float
    seconds: float
    own: float
    where: Steps | None
    broken: Floats | None = None
    rates: Sequence[GroupRates] = ()
    steps: int = 1
    named: bool = False
    scaled: frozenset[int] = frozenset()


CalmRow = tuple[int, float, float, float, Any, None, Sequence[GroupRates], int, bool]
"""A `StepInfo` that is yet to be made: attributes in their order."""


@dataclass
class NormBuffer:
    """Steps of one watched model that have not been handed on yet.

    Attributes:
        name: of the watched model.
        columns: C parameter names.
        provisional: whether the numbers of the newest steps may still change, so that it is better to wait.
        hold: whether those of the first ones may.
        suspects: columns to be measured scaled, where norms are not at hand.
        most: steps between two hand-overs.
    """

    name: str
    columns: tuple[str, ...]
    provisional: bool = field(default=False, kw_only=True)
    hold: Hold = field(default_factory=Hold, kw_only=True)
    suspects: Suspects = field(default_factory=Suspects, kw_only=True)
    most: int = field(default=CALM_ROWS, kw_only=True)
    _norms: list[Tensor | list[float]] = field(default_factory=list)
    _rows: list[StepInfo | CalmRow] = field(default_factory=list)
    _puts: int = 0

    def __len__(self) -> int:
        """Steps that wait."""
        return len(self._rows)

    @property
    def measures(self) -> bool:
        """Whether gradients are measured."""
        return True

    @property
    def pending(self) -> int | None:
        """The oldest step that cannot be taken yet."""
        return None

    def late_records(self) -> list[tuple[int, float, list[Record]]]:
        """What the steps taken have beside their norms, once: step, wall time, records."""
        return []

    def step_ended(self) -> None:
        """A step that was looked at has ended."""

    def clipped(self, clips: ClipBatch) -> ClipBatch | None:
        """The clips of the step that was put last, None if they are to come with `apart`."""
        return clips

    def end(self, patience: float) -> None:
        """No more steps come; other ranks may take so many seconds to say their part."""

    def close(self) -> None:
        """Measure no more."""

    @property
    def full(self) -> bool:
        """Whether there is no room for another step."""
        return self._puts >= ROWS or len(self._rows) >= self.most

    def put(self, norms: Tensor, row: StepInfo) -> None:
        """Take the norms float[n] of a step's gradients; nothing leaves the device."""
        self._puts += 1
        self._norms.append(norms)
        self._rows.append(row)

    def put_calm(self, norms: Tensor | list[float], row: CalmRow) -> bool:
        """The same of a step that is like the one before, on the host; as cheap as can be. Whether there is no room for another one."""
        self._norms.append(norms)
        self._rows.append(row)
        return len(self._rows) >= self.most or self._puts >= ROWS

    def reset(self, columns: tuple[str, ...]) -> None:
        """Begin anew with other columns; what waits still, because writing has failed, is lost."""
        self.columns, self._rows, self._norms, self._puts = columns, [], [], 0
        self.suspects = Suspects()

    def rename(self, rename: Rename) -> dict[int, int]:
        """Give the newest steps other numbers; by the numbers they had."""
        rows = list(map(_whole, self._rows))
        self._rows = [*rows]
        return renamed(rows, rename)

    def take(self) -> Iterator[FrameBlock]:
        """The waiting steps as blocks of the frames "parameter", "step" and "group", after one transfer."""
        rows, self._rows = self._rows, []
        norms, self._norms, self._puts = self._norms, [], 0
        if rows and norms:
            yield from self.blocks(rows, _matrix(norms, len(self.columns)))

    def blocks(self, rows: Sequence[StepInfo | CalmRow], values: Floats) -> Iterator[FrameBlock]:
        """Steps whose norms are on the host, float32[n, C], those of a row's columns first."""
        told = _Told(*zip(*map(_cells, rows), strict=True))
        norms, broken = _spread(values, told)
        last = rows[-1]
        self.suspects.saw(norms[-1], last.scaled if isinstance(last, StepInfo) else frozenset())
        steps, times = np.array(told.steps, np.int64), np.array(told.walltimes)
        parts = {GRADIENT_NORM: norms, GRADIENT_NONFINITE: broken}
        yield FrameBlock(self.columns, steps, times, parts)
        yield FrameBlock((self.name,), steps, times, _of_steps(told, norms, broken))
        yield from _of_groups(self.name, told.rates, steps, times)


class _Told(NamedTuple):
    """What the host knows of some steps, attribute by attribute, as `StepInfo` has them."""

    steps: tuple[int, ...]
    walltimes: tuple[float, ...]
    seconds: tuple[float, ...]
    own: tuple[float, ...]
    where: tuple[Steps | None, ...]
    broken: tuple[Floats | None, ...]
    rates: tuple[Sequence[GroupRates], ...]
    counts: tuple[int, ...]
    named: tuple[bool, ...]


_cells_of: Callable[[StepInfo], tuple[Any, ...]] = operator.attrgetter(
    "step", "walltime", "seconds", "own", "where", "broken", "rates", "steps", "named"
)


def _cells(row: StepInfo | CalmRow) -> tuple[Any, ...]:
    return _cells_of(row) if isinstance(row, StepInfo) else row


def renamed(rows: Sequence[StepInfo], rename: Rename) -> dict[int, int]:
    """Give the last rows other numbers; by the numbers they had."""
    new: dict[int, int] = {}
    for row, number in zip(reversed(rows), reversed(rename.numbers()), strict=False):
        new[row.step] = number
        row.step = number
    return new


def _whole(row: StepInfo | CalmRow) -> StepInfo:
    return row if type(row) is StepInfo else StepInfo(*row)  # type: ignore[misc]


def _matrix(mixed: Sequence[Tensor | list[float]], width: int) -> Floats:
    """float32[n, C]: the norms of n steps, each row's at its front, after one transfer; what is behind them means nothing."""
    if {*map(type, mixed)} == {list} and {*map(len, mixed)} == {width}:
        same: Floats = np.array(mixed, np.float32)
        return same
    if all(type(row) is list or row.is_cpu for row in mixed):  # type: ignore[union-attr]
        found: Floats = np.zeros((len(mixed), width), np.float32)
        for place, row in zip(found, mixed, strict=True):
            place[: len(row)] = row if isinstance(row, list) else row.float().numpy()
        return found
    norms = [torch.tensor(row) if isinstance(row, list) else row for row in mixed]
    if any(len(row) != width for row in norms):
        norms = [torch.nn.functional.pad(row, (0, width - len(row))) for row in norms]
    device = norms[-1].device
    joined = torch.stack([row.to(device) for row in norms])
    values: Floats = joined.float().cpu().numpy()
    return values


def _spread(values: Floats, told: _Told) -> tuple[Floats, Floats]:
    """Norms and non-finite elements float32[n, C]; NaN where a parameter had no gradient."""
    norms: Floats = values.copy()
    broken: Floats = (~np.isfinite(values)).astype(np.float32)
    for index, (where, bad) in enumerate(zip(told.where, told.broken, strict=True)):
        if bad is not None:
            broken[index, : values.shape[1] if where is None else len(where)] = bad
        if where is not None:
            for matrix in (norms, broken):
                some = matrix[index, : len(where)].copy()
                matrix[index] = np.nan
                matrix[index, where] = some
    return norms, broken


def _of_groups(
    name: str, rates: Sequence[Sequence[GroupRates]], steps: Steps, times: Doubles
) -> Iterator[FrameBlock]:
    """The rates of all steps; a block begins where the number of groups changes."""
    counts = np.array(list(map(len, rates)))
    ends = [*(np.flatnonzero(counts[1:] != counts[:-1]) + 1).tolist(), len(rates)]
    for first, end in zip([0, *ends[:-1]], ends, strict=True):
        part = slice(first, end)
        values = _rates(rates[part])
        if values.size:
            by_quantity = {quantity: values[:, :, i] for i, quantity in enumerate(RATES)}
            names = columns(name, int(counts[first]))
            yield FrameBlock(names, steps[part], times[part], by_quantity)


def _rates(rates: Sequence[Sequence[GroupRates]]) -> Floats:
    """float32[n, groups, RATES]; most steps share the very list of their rates."""
    keys = list(map(id, rates))
    distinct = dict(zip(keys, rates, strict=True))
    places = {key: place for place, key in enumerate(distinct)}
    values: Floats = np.array(list(distinct.values()), np.float32)
    return values[[places[key] for key in keys]]


def _of_steps(told: _Told, norms: Floats, broken: Floats) -> dict[Quantity, Floats]:
    had_one = ~np.isnan(broken)
    square: Doubles = np.where(had_one, norms.astype(np.float64) ** 2, 0.0)
    total = np.sqrt(square.sum(axis=1))
    nothing = ~had_one.any(axis=1)
    columns: dict[Quantity, Any] = {
        STEPS: told.counts,
        GLOBAL_NORM: np.where(nothing, np.nan, total),
        NONFINITE_STEPS: np.where(nothing, np.nan, np.nansum(broken, axis=1) > 0),
        STEP_SECONDS: told.seconds,
        OWN_SECONDS: told.own,
    }
    return {quantity: np.array(v, np.float32)[:, None] for quantity, v in columns.items()}
