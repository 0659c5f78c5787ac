"""Scalars that were read, as tables: resumes undone, totals summed, clocks aligned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_lossdiag.quantities import (
    BY_NAME,
    LOSS,
    LOSS_TERM,
    LOSS_WEIGHT,
    REWARD,
    STEP_SECONDS,
    VALIDATION_LOSS_TERM,
    VALIDATION_LOSS_WEIGHT,
    Quantity,
)
from tb_lossdiag.reader import again, durations
from tb_lossdiag.reader.bounds import countable, plausible
from tb_lossdiag.reader.phases import Source
from tb_lossdiag.reader.plan import Plan
from tb_lossdiag.records import Doubles, Floats, Steps, Table
from tb_lossdiag.run import Restart, Run

_NONE: Mapping[str, str] = MappingProxyType({})
_WEIGHTS = {LOSS_TERM: LOSS_WEIGHT, VALIDATION_LOSS_TERM: VALIDATION_LOSS_WEIGHT}
_CLOCKS = 2.0
"""Last steps this many times apart, although both were written to the end, count different things (epochs and steps)."""
_COVERED = 0.8
"""Share of the time after which both must still have been written for that."""


@dataclass(frozen=True)
class Series:
    """One time series.

    Attributes:
        steps: int64[T], strictly increasing.
        walltimes: float64[T].
        values: float32[T].
        thinned: whether TensorBoard kept only a sample of it.
        damaged: values that were none.
        restarts: where its steps went back.
    """

    steps: Steps
    walltimes: Doubles
    values: Floats
    thinned: bool = False
    damaged: int = 0
    restarts: tuple[Restart, ...] = ()

    @classmethod
    def of(cls, data: Sequence[Any] | None, limit: int) -> Series:
        """From scalar data of the provider, in the order they were written.

        Where steps go back the training was resumed: what lay at or after that step is undone. TensorBoard's data server does the
        same, its Python loader does not.

        Args:
            data: with `step`, `wall_time` and `value`; None if it cannot be read.
            limit: most values of a series that TensorBoard keeps, 0 for all.
        """
        if data is None:
            return cls(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.float32), damaged=1)
        good = [datum for datum in data if isinstance(datum.value, (int, float))]
        steps = np.array([datum.step for datum in good], np.int64)
        later = np.minimum.accumulate(steps[::-1])[::-1]
        stands = np.append(steps[:-1] < later[1:], True) if len(steps) else np.zeros(0, bool)
        stands &= countable(steps)
        times = plausible(np.array([datum.wall_time for datum in good], np.float64))
        with np.errstate(over="ignore"):
            values = np.array([datum.value for datum in good], np.float64).astype(np.float32)
        full = 0 < limit <= len(data)
        wrong = len(data) - len(good) + int((~countable(steps)).sum())
        back = again.restarts(steps[countable(steps)], times[countable(steps)])
        return cls(steps[stands], times[stands], values[stands], full, wrong, back)

    @property
    def written(self) -> again.Written:
        """What was written when."""
        return self.steps, self.walltimes

    def of_the_same(self, restarts: Iterable[Restart]) -> Series:
        """Without what was written before the training that it belongs to went back, and lies after that."""
        kept = again.stands(self.steps, self.walltimes, restarts)
        if kept.all():
            return self
        parts = self.steps[kept], self.walltimes[kept], self.values[kept]
        return replace(self, steps=parts[0], walltimes=parts[1], values=parts[2])


Read = Mapping[Source, Series]


def with_scalars(run: Run, plan: Plan, read: Read, unread: Mapping[str, str] = _NONE) -> Run:
    """The run, with the quantities it lacks taken from scalars.

    Facts: `source` "scalars" if nothing else is there, `scalars` which tag is what, `logged_by`, `agent`, `thinned`,
    `placed_by_wall_time`.

    Args:
        run: what we recorded ourselves, if anything.
        plan: which scalar is what.
        read: these scalars.
        unread: facts about the others, for a run of nothing but scalars.
    """
    back = run.restarts if run.tables else _restarts(plan, read)
    read = {source: series.of_the_same(back) for source, series in read.items()}
    tables = {q: _joined(q, {c: read[s] for c, s in cs.items()}) for q, cs in plan.sources.items()}
    if STEP_SECONDS in tables:
        tag = plan.sources[STEP_SECONDS][""].tag
        tables[STEP_SECONDS] = durations.in_seconds(tables[STEP_SECONDS], tag)
    for terms, total in plan.summed.items():
        tables[total] = _total(tables[terms], total)
        tables[_WEIGHTS[terms]] = _ones(tables[terms], _WEIGHTS[terms])
    new = {q.name: t for q, t in tables.items() if len(t) and q.name not in run.tables}
    moved = _aligned(new, run.tables.get(LOSS.name) or new.get(LOSS.name))
    counted = dict(_counted(table) for table in new.values() if table.quantity.nonfinite)
    facts, damaged = _facts(run, plan, read, moved), _damaged(run, read)
    facts |= {} if run.tables else unread
    return replace(
        run,
        tables={**counted, **new, **run.tables},
        facts={**facts, **run.facts, **damaged},
        restarts=back,
    )


def _restarts(plan: Plan, read: Read) -> tuple[Restart, ...]:
    """Where the training went back, by its loss, or by what has most records without one."""
    columns = plan.sources.get(LOSS) or plan.sources.get(REWARD) or {}
    telling = [read[source] for source in columns.values()] or [*read.values()]
    loss = max(telling, key=lambda series: len(series.steps), default=None)
    if loss is None or loss.restarts:
        return loss.restarts if loss else ()
    found = (again.hidden(loss.written, other.written) for other in read.values())
    return tuple(filter(None, found))[:1]


def _joined(quantity: Quantity, columns: Mapping[str, Series]) -> Table:
    """Several series as one table, NaN where one has no value."""
    steps = np.unique(np.concatenate([series.steps for series in columns.values()]))
    values: Floats = np.full((len(steps), len(columns)), np.nan, np.float32)
    times = np.zeros(len(steps))
    for index, series in enumerate(columns.values()):
        rows = np.searchsorted(steps, series.steps)
        values[rows, index], times[rows] = series.values, series.walltimes
    return Table(quantity, tuple(columns), steps, times, values)


def _total(terms: Table, total: Quantity) -> Table:
    """Sum of all terms where all are there."""
    there = ~np.isnan(terms.values).any(axis=1)
    sums = terms.values[there].sum(axis=1, dtype=np.float64).astype(np.float32)
    return Table(total, ("",), terms.steps[there], terms.walltimes[there], sums[:, None])


def _ones(terms: Table, weight: Quantity) -> Table:
    """Weight 1: the terms are written as they are added."""
    ones = np.ones_like(terms.values)
    return Table(weight, terms.columns, terms.steps, terms.walltimes, ones)


def _counted(table: Table) -> tuple[str, Table]:
    """What was NaN or infinite, as a quantity of its own, as our own recorder leaves it."""
    quantity = BY_NAME[table.quantity.nonfinite or ""]
    broken = (~np.isfinite(table.values)).astype(np.float32)
    return quantity.name, Table(quantity, table.columns, table.steps, table.walltimes, broken)


# --- clocks ------------------------------------------------------------------------------------------------------------


def _aligned(tables: dict[str, Table], loss: Table | None) -> list[str]:
    """Bring tables that count something else than the loss onto its steps, by wall time; name those that were moved.

    Scripts write the training loss per step and the validation loss per epoch, each with its own counter. What cannot be placed is
    left out: compared step by step it would say something wrong.
    """
    moved = []
    for name, table in list(tables.items()):
        if loss is None or table is loss or not _other_clock(table, loss):
            continue
        placed = _placed(table, loss)
        if placed is None:
            del tables[name]
        else:
            tables[name] = placed
            moved.append(name)
    return moved


def _other_clock(table: Table, loss: Table) -> bool:
    """Whether both were written to the end, but their steps end far apart."""
    if len(table) < 2 or len(loss) < 2:  # noqa: PLR2004  (two points make a clock)
        return False
    last = sorted((int(table.steps[-1]) + 1, int(loss.steps[-1]) + 1))
    begin = min(float(table.walltimes[0]), float(loss.walltimes[0]))
    ends = sorted((float(table.walltimes[-1]) - begin, float(loss.walltimes[-1]) - begin))
    return last[1] > _CLOCKS * last[0] and ends[0] >= _COVERED * ends[1]


def _placed(table: Table, loss: Table) -> Table | None:
    """The table at the steps the loss had reached at its wall times."""
    clock = np.maximum.accumulate(loss.walltimes)
    if not clock[-1] > clock[0]:
        return None
    steps = np.interp(table.walltimes, clock, loss.steps.astype(float)).round().astype(np.int64)
    last: npt.NDArray[np.bool_] = np.append(np.diff(steps) > 0, True)
    if np.any(np.diff(steps) < 0):
        return None
    return Table(
        table.quantity, table.columns, steps[last], table.walltimes[last], table.values[last]
    )


# --- facts -------------------------------------------------------------------------------------------------------------


def _facts(run: Run, plan: Plan, read: Read, moved: list[str]) -> dict[str, str]:
    used = {q: c for q, c in plan.sources.items() if q.name not in run.tables}
    given = [(_named(q, c), s) for q, cs in used.items() for c, s in cs.items()]
    tags = [f"{name}={source.tag}" for name, source in given if len(read[source].steps)]
    thinned = [q.name for q, cs in used.items() if any(read[s].thinned for s in cs.values())]
    facts = {
        "source": "" if run.tables else "scalars",
        "scalars": ", ".join(tags),
        "logged_by": plan.style,
        "optimizer": plan.optimizer,
        "language": plan.language,
        "agent": "rewarded" if REWARD in plan.sources else "",
        "thinned": ", ".join(thinned),
        "placed_by_wall_time": ", ".join(moved),
    }
    return {name: words for name, words in facts.items() if words}


def _damaged(run: Run, read: Read) -> dict[str, str]:
    """Of how many values at least it is known that they are none, together with the records; nothing for none."""
    count = int(run.facts.get("damaged", 0)) + sum(series.damaged for series in read.values())
    return {"damaged": str(count)} if count else {}


def _named(quantity: Quantity, column: str) -> str:
    return f"{quantity.name}[{column}]" if column else quantity.name
